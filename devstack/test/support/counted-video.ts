import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const COUNTER_BITS = 12;
/** One bit is a square this wide, as a share of the picture's width; the row of squares starts at the top left. */
const SQUARES_PER_WIDTH = 16;

export interface CountedVideo {
  readonly file: string;
  readonly width: number;
  readonly height: number;
  readonly bitrateKbps: number;
  readonly gopSeconds: number;
  readonly seconds: number;
  /** What is said in it, by one of flite's voices; without it there is a tone. */
  readonly speech?: string;
}

export const FRAMES_PER_SECOND = 25;

/**
 * Encodes H.264 + AAC, in FLV or MP4 by the file's name, whose picture carries its frame number as a row of white squares, least significant bit
 * first. No fonts are needed and any player's pixels can be read back.
 */
export async function makeCountedVideo(video: CountedVideo): Promise<void> {
  const side = Math.floor(video.width / SQUARES_PER_WIDTH);
  const squares = Array.from({ length: COUNTER_BITS }, (_, bit) => {
    const place = `x=${bit * side}:y=0:w=${side}:h=${side}`;
    return `drawbox=${place}:color=black:t=fill,drawbox=${place}:color=white:t=fill:enable='gte(mod(n,${2 ** (bit + 1)}),${2 ** bit})'`;
  });
  const gop = String(video.gopSeconds * FRAMES_PER_SECOND);
  await run('ffmpeg', [
    ...['-y', '-v', 'error', '-f', 'lavfi'],
    ...['-i', `testsrc2=size=${video.width}x${video.height}:rate=${FRAMES_PER_SECOND},${squares.join(',')}`],
    ...['-f', 'lavfi', '-i', soundOf(video)],
    ...['-t', String(video.seconds), '-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p'],
    ...[
      '-b:v',
      `${video.bitrateKbps}k`,
      '-maxrate',
      `${video.bitrateKbps}k`,
      '-bufsize',
      `${video.bitrateKbps}k`,
    ],
    ...['-g', gop, '-keyint_min', gop, '-sc_threshold', '0', '-bf', '2', '-flags', '+cgop'],
    ...['-c:a', 'aac', '-b:a', '96k', '-ac', '2', video.file],
  ]);
}

/** Words are letters and blanks, so that nothing of them means anything to FFmpeg. */
function soundOf({ speech, seconds }: CountedVideo): string {
  if (speech === undefined) return 'sine=frequency=440:beep_factor=4:sample_rate=48000';
  const words = speech.replace(/[^A-Za-z ]/g, '');
  return `flite=voice=slt:text=${words},aresample=48000,apad=whole_dur=${seconds}`;
}

/** The MD5 of every decoded frame of one kind of stream, in presentation order. */
export async function decodedFrameHashes(input: string, kind: 'v' | 'a'): Promise<string[]> {
  // FFmpeg's HLS reader expects file names with extensions; the original service's addresses have none.
  const reader = input.startsWith('http')
    ? ['-extension_picky', '0', '-allowed_segment_extensions', 'ALL']
    : [];
  const { stdout } = await run(
    'ffmpeg',
    [
      '-v',
      'error',
      ...reader,
      '-i',
      input,
      '-map',
      `0:${kind}:0`,
      '-fps_mode',
      'passthrough',
      '-f',
      'framemd5',
      '-',
    ],
    { maxBuffer: 64 * 1024 * 1024 },
  );
  return stdout
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.slice(line.lastIndexOf(',') + 1).trim());
}
