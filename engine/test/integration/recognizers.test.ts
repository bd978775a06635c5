import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Confinement } from '../../src/ffmpeg/confinement.ts';
import { findFFmpeg } from '../../src/ffmpeg/ffmpeg-programs.ts';
import { WorkingFolder } from '../../src/ffmpeg/working-folder.ts';
import { createAzureRecognizer } from '../../src/speech/azure-recognizer.ts';
import { createPocketSphinx, findPocketSphinx } from '../../src/speech/pocketsphinx-recognizer.ts';
import { createSherpaRecognizer } from '../../src/speech/sherpa-recognizer.ts';
import type { HeardChunk, RecognitionTask, SpeechRecognizer } from '../../src/speech/speech-recognizer.ts';
import { ffmpeg, run, until } from '../support/programs.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const START_MS_MAX = 120_000;
const CASE_MS_MAX = 120_000;
const KEY = randomBytes(16).toString('hex');
const SOUND = 'speech.pcm';
/** In a process of its own: esbuild does not run inside Jest's realm. */
const BUILD = `
  import { build } from 'esbuild';
  import { bundles } from './scripts/bundles.mjs';
  const { esbuild } = bundles.find((bundle) => bundle.name === 'engine');
  await build({ ...esbuild, bundle: true, outfile: process.argv[1] });
`;

let folder: WorkingFolder;
let scratch: string;
let confinement: Confinement;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'headend-recognizers-'));
  folder = await WorkingFolder.create(scratch);
  const found = await findFFmpeg({ ffmpegPath: undefined, searchPath: process.env['PATH'] ?? '' });
  if (found.kind === 'absent') throw new Error(found.reason);
  confinement = found.programs.confinement;
  // Three seconds of nothing that anybody says.
  await ffmpeg(
    ...['-y', '-f', 'lavfi', '-i', 'anoisesrc=d=3:r=16000:c=pink:a=0.1:seed=3', '-ac', '1'],
    ...['-f', 's16le', folder.resolve(SOUND)],
  );
}, START_MS_MAX);

afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
});

const chunk = (startMs: number, endMs: number) => ({ startMs, endMs, isSilent: false });

async function hear(recognizer: SpeechRecognizer, wanted: Partial<RecognitionTask> = {}) {
  const heard: HeardChunk[] = [];
  const end = await recognizer.recognize({
    folder,
    soundPath: SOUND,
    chunks: [chunk(0, 1000), chunk(1000, 2000)],
    pauses: [],
    language: 'en-US',
    signal: new AbortController().signal,
    onHeard: (_chunk, what) => heard.push(what),
    ...wanted,
  });
  return { end, heard };
}

interface Asked {
  readonly url: string | undefined;
  readonly key: string | string[] | undefined;
  readonly definition: unknown;
  readonly soundBytes: number;
}

/** A server that answers as the documentation of the fast transcription API says: what it has, one after the other. */
async function azureServer(answers: readonly { status: number; body: unknown; headers?: object }[]) {
  const asked: Asked[] = [];
  const left = [...answers];
  const server = createServer(async (request, response) => {
    asked.push(await readRequest(request));
    const { status, body, headers = {} } = left.shift() ?? { status: 500, body: {} };
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  return {
    asked,
    endpoint: new URL(`http://127.0.0.1:${port}/`),
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

async function readRequest(request: IncomingMessage): Promise<Asked> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part);
  const form = await new Response(Buffer.concat(parts), {
    headers: { 'content-type': request.headers['content-type'] ?? '' },
  }).formData();
  const sound = form.get('audio');
  return {
    url: request.url,
    key: request.headers['ocp-apim-subscription-key'],
    definition: JSON.parse(String(form.get('definition'))),
    soundBytes: typeof sound === 'string' || sound === null ? 0 : sound.size,
  };
}

const spoken = (text: string, locale: string) => ({
  durationMilliseconds: 1000,
  combinedPhrases: [{ text }],
  phrases: [
    {
      offsetMilliseconds: 80,
      durationMilliseconds: 400,
      text,
      words: [{ text, offsetMilliseconds: 80, durationMilliseconds: 400 }],
      locale,
      confidence: 0.75,
    },
  ],
});
const throttled = { status: 429, body: { error: { code: 'TooManyRequests' } } };

describe('Azure AI Speech', () => {
  async function ask(answers: Parameters<typeof azureServer>[0], wanted: Partial<RecognitionTask> = {}) {
    const server = await azureServer(answers);
    try {
      const recognizer = createAzureRecognizer({ ...server, readKey: () => KEY, waitMsFirst: 5 });
      return { ...(await hear(recognizer, wanted)), asked: server.asked };
    } finally {
      await server.close();
    }
  }

  it(
    'gets each chunk as a file with the language, and again after it was busy',
    async () => {
      const { end, heard, asked } = await ask([
        { status: 200, body: spoken('Hello.', 'en-US') },
        throttled,
        { status: 503, body: 'gone' },
        { status: 200, body: spoken('World.', 'en-US') },
      ]);
      expect(end).toEqual({ kind: 'heard' });
      expect(heard).toEqual(
        ['Hello.', 'World.'].map((text) => ({
          words: [{ text, startMs: 80, endMs: 480, confidence: 0.75 }],
          language: undefined,
        })),
      );
      expect(asked).toHaveLength(4);
      expect(asked[0]).toEqual({
        url: '/speechtotext/transcriptions:transcribe?api-version=2024-11-15',
        key: KEY,
        definition: { locales: ['en-US'] },
        soundBytes: 44 + 32_000,
      });
    },
    CASE_MS_MAX,
  );

  it('tells which language it hears when it was not told', async () => {
    const { heard, asked } = await ask([{ status: 200, body: spoken('Guten', 'de-DE') }], {
      language: undefined,
      chunks: [chunk(0, 1000)],
    });
    expect(asked[0]?.definition).toEqual({ locales: [] });
    expect(heard.map(({ language }) => language)).toEqual(['de-DE']);
  });

  it.each([
    [
      'a wrong key',
      [{ status: 401, body: { error: { code: '401', message: 'Access denied' } } }],
      'configuration',
      '401: Access denied',
      1,
    ],
    [
      'a language that it does not know',
      [{ status: 400, body: { error: { code: 'InvalidLocale' } } }],
      'configuration',
      'InvalidLocale',
      1,
    ],
    ['no time, again and again', [throttled, throttled, throttled, throttled], 'away', 'answered 429', 4],
    ['something else', [{ status: 200, body: '<html>' }], 'failed', 'something else', 1],
    [
      'another address',
      [0, 1, 2, 3].map(() => ({ status: 302, body: '', headers: { location: 'http://127.0.0.1:1/' } })),
      'away',
      'could not be reached',
      4,
    ],
  ])('answers with %s', async (_name, answers, kind, message, requests) => {
    const { end, heard, asked } = await ask(answers);
    expect(end).toEqual({ kind, message: expect.stringContaining(message) });
    expect(JSON.stringify(end)).not.toContain(KEY);
    expect(heard).toEqual([]);
    expect(asked).toHaveLength(requests);
  });

  it('is left alone once nobody wants to know', async () => {
    await expect(ask([], { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
  });
});

describe('PocketSphinx', () => {
  it(
    'is killed with its job, and what goes wrong with it is said',
    async () => {
      const program = (await findPocketSphinx(process.env['PATH'] ?? '')) ?? '';
      const job = new AbortController();
      const hearing = hear(createPocketSphinx(program, confinement), { signal: job.signal });
      const ended = hearing.then(
        () => 'heard',
        (error: unknown) => String(error),
      );
      await until(async () => (await atHome(folder.path)).length > 0, 'PocketSphinx at work');
      job.abort(new Error('canceled'));
      const atMs = Date.now();
      expect(await ended).toBe('Error: canceled');
      expect(Date.now() - atMs).toBeLessThan(2000);
      expect(await atHome(folder.path)).toEqual([]);
      const { end } = await hear(createPocketSphinx('/bin/false', confinement));
      expect(end).toEqual({ kind: 'failed', message: 'PocketSphinx failed (exit 1).' });
    },
    CASE_MS_MAX,
  );
});

/** Programs whose working directory it is. */
async function atHome(path: string): Promise<readonly string[]> {
  const { stdout } = await run('sh', '-c', 'ls -l /proc/[0-9]*/cwd 2>/dev/null || true');
  return stdout.split('\n').filter((line) => line.endsWith(path));
}

describe('sherpa-onnx', () => {
  it(
    'listens in a process of its own: neither its absence nor a model that is none harms the worker',
    async () => {
      const modelPath = join(scratch, 'model');
      await mkdir(modelPath);
      for (const name of ['encoder.onnx', 'decoder.onnx', 'joiner.onnx', 'tokens.txt']) {
        await writeFile(join(modelPath, name), 'no model at all\n');
      }
      const enginePath = join(scratch, 'engine.mjs');
      const built = process.env['HEADEND_BUILT_ENGINE'];
      if (built === undefined) {
        await promisify(execFile)(process.execPath, ['--input-type=module', '-e', BUILD, enginePath], {
          cwd: ROOT,
        });
      } else {
        await writeFile(enginePath, await readFile(built));
      }
      const settings = { modelPath, languages: undefined, enginePath, threads: 1 };
      const made = await createSherpaRecognizer(settings, confinement);
      if ('missing' in made) throw new Error(made.missing);
      const absent = await hear(made.recognizer);
      expect(absent.end).toEqual({
        kind: 'configuration',
        message: 'sherpa-onnx cannot be used: the package sherpa-onnx-node is not installed for this system.',
      });
      await symlink(join(ROOT, 'node_modules'), join(scratch, 'node_modules'));
      const broken = await hear(made.recognizer);
      expect(broken.end).toEqual({
        kind: 'configuration',
        message: expect.stringContaining('its model cannot be loaded (Load model from encoder.onnx failed'),
      });
      expect(broken.heard).toEqual([]);
    },
    CASE_MS_MAX,
  );
});
