import { request } from 'node:http';
import type { Socket } from 'node:net';
import { run } from './programs.ts';

export interface SessionBox {
  readonly type: string;
  readonly bytes: Buffer;
}

/** What FFmpeg sends of a file, byte for byte, without sending it. */
export async function recordSession(source: string, ...muxer: string[]): Promise<SessionBox[]> {
  const format = muxer.length > 0 ? muxer : ['-movflags', 'isml+frag_keyframe', '-f', 'ismv'];
  const { stdout, stderr } = await run(
    'bash',
    ...['-c', 'ffmpeg "$@" | base64 -w0', 'ffmpeg', '-hide_banner', '-nostdin', '-loglevel', 'error'],
    ...['-i', source, '-c', 'copy', ...format, 'pipe:1'],
  );
  const boxes = splitBoxes(Buffer.from(stdout, 'base64'));
  if (boxes.length === 0) throw new Error(`FFmpeg wrote nothing: ${stderr}`);
  return boxes;
}

export function splitBoxes(bytes: Buffer): SessionBox[] {
  const boxes: SessionBox[] = [];
  for (let at = 0; at < bytes.length; ) {
    const sizeBytes = bytes.readUInt32BE(at);
    boxes.push({
      type: bytes.toString('latin1', at + 4, at + 8),
      bytes: bytes.subarray(at, at + sizeBytes),
    });
    at += sizeBytes;
  }
  return boxes;
}

export const joined = (boxes: readonly SessionBox[]): Buffer =>
  Buffer.concat(boxes.map(({ bytes }) => bytes));

export interface Answer {
  /** 0: the connection ended without one. */
  readonly status: number;
  /** The stable code of an error, empty for none. */
  readonly code: string;
  readonly body: string;
}

export interface OpenPost {
  /** Resolves when the bytes are handed to the network. */
  write(bytes: Uint8Array): Promise<void>;
  end(): void;
  /** The connection ends as that of a process that is killed. */
  kill(): void;
  readonly answer: Promise<Answer>;
}

/** A chunked POST that stays open until it is ended. */
export function openPost(url: string, method = 'POST', headers: Record<string, string> = {}): OpenPost {
  const sent = request(url, { method, headers: { connection: 'close', ...headers }, agent: false });
  let socket: Socket | undefined;
  sent.on('socket', (opened: Socket) => {
    socket = opened;
  });
  const answer = new Promise<Answer>((resolve) => {
    const gone = () => resolve({ status: 0, code: '', body: '' });
    sent.on('error', gone).on('response', (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('error', gone).on('close', () => {
        resolve({ status: response.statusCode ?? 0, code: codeOf(body), body });
      });
    });
    sent.on('close', gone);
  });
  return {
    write: (bytes) =>
      new Promise((resolve) => {
        sent.write(bytes, () => resolve());
      }),
    end: () => void sent.end(),
    kill: () => void socket?.destroy(),
    answer,
  };
}

/** One POST with a whole body. */
export function post(url: string, body?: Uint8Array, method = 'POST'): Promise<Answer> {
  const opened = openPost(url, method, body === undefined ? { 'content-length': '0' } : {});
  if (body !== undefined) void opened.write(body);
  opened.end();
  return opened.answer;
}

function codeOf(body: string): string {
  try {
    const parsed: unknown = JSON.parse(body);
    return String(Reflect.get(Object(Reflect.get(Object(parsed), 'error')), 'code') ?? '');
  } catch {
    return '';
  }
}
