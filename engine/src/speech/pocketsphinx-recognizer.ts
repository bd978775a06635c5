import { access, constants, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { AudioChunk } from '../analysis/audio-chunks.ts';
import { runProgram } from '../ffmpeg/child-program.ts';
import type { Confinement } from '../ffmpeg/confinement.ts';
import { cleanEvidence } from '../ffmpeg/evidence.ts';
import { readSound } from './chunk-sound.ts';
import { pocketSphinxWords } from './pocketsphinx-output.ts';
import type { RecognitionEnd, RecognitionTask, SpeechRecognizer } from './speech-recognizer.ts';

export const POCKETSPHINX_LANGUAGE = 'en-US';

const PROGRAM = 'pocketsphinx_continuous';
const CHUNK_FILE = 'chunk.pcm';
/** Its model is 60 MB, its lattices grow with the length of what is said without a pause. */
const MEMORY_BYTES_MAX = 2 * 1024 * 1024 * 1024;
const FILE_BYTES_MAX = 16 * 1024 * 1024;
const OUTPUT_LENGTH_MAX = 16 * 1024 * 1024;
/** Measured: 0.2 to 0.6 s for a second of speech. */
const WALL_MS_PER_MS = 30;
const WALL_MS_MIN = 60_000;
const CHUNK_MS = { minMs: 15_000, maxMs: 60_000 } as const;
const OPTIONS: readonly string[] = ['-time', 'yes'];

/** Where the program is, of those that `searchPath` (as in `PATH`) names; undefined: nowhere. */
export async function findPocketSphinx(searchPath: string): Promise<string | undefined> {
  for (const folder of searchPath.split(delimiter)) {
    const path = join(folder, PROGRAM);
    if (folder !== '' && (await isExecutable(path))) return path;
  }
  return undefined;
}

const isExecutable = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  );

/** The offline engine: CMU PocketSphinx with the US English model that Debian packages. */
export function createPocketSphinx(program: string, confinement: Confinement): SpeechRecognizer {
  return {
    note: {
      name: 'PocketSphinx',
      version: undefined,
      expectedWordErrorRate:
        '26 to 31 % on good speech (measured), 45 % and more with noise or other accents',
      notes: [
        'A small model from 2014 made this text without a network: it is good for finding places, not for reading along.',
        'There are no capitals and no punctuation, and numbers are words.',
      ],
    },
    languages: { known: [POCKETSPHINX_LANGUAGE], canDetect: false },
    chunkLimits: CHUNK_MS,
    async recognize(task) {
      for (const chunk of task.chunks) {
        const end = await recognizeChunk({ program, confinement, task }, chunk);
        if (end !== undefined) return end;
      }
      return { kind: 'heard' };
    },
  };
}

interface Recognition {
  readonly program: string;
  readonly confinement: Confinement;
  readonly task: RecognitionTask;
}

/** One process for each chunk: what goes wrong in one costs a minute at most. Undefined: it was heard. */
async function recognizeChunk(
  { program, confinement, task }: Recognition,
  chunk: AudioChunk,
): Promise<RecognitionEnd | undefined> {
  const { folder, signal } = task;
  const path = await folder.place(CHUNK_FILE);
  const samples = await readSound(folder.resolve(task.soundPath), chunk);
  if (samples.length === 0) {
    task.onHeard(chunk, { words: [], language: undefined });
    return undefined;
  }
  await writeFile(path, samples);
  const wallMs = Math.max(WALL_MS_MIN, (chunk.endMs - chunk.startMs) * WALL_MS_PER_MS);
  let output = '';
  const end = await runProgram({
    program,
    arguments: ['-infile', CHUNK_FILE, ...OPTIONS],
    folder: folder.path,
    confinement,
    limits: { memoryBytes: MEMORY_BYTES_MAX, fileBytes: FILE_BYTES_MAX, cpuSeconds: wallMs / 1000, wallMs },
    signal,
    onOutput: (text) => {
      if (output.length < OUTPUT_LENGTH_MAX) output += text;
    },
    isEvidence: (line) => /^(?:ERROR|FATAL)/.test(line),
  });
  await rm(path, { force: true });
  if (end.code !== 0) {
    const how = end.isTooLong ? 'it took too long' : `exit ${end.code ?? end.killedBy}`;
    return { kind: 'failed', message: `PocketSphinx failed (${how}). ${cleanEvidence(end.log)}`.trim() };
  }
  task.onHeard(chunk, { words: pocketSphinxWords(output), language: undefined });
  return undefined;
}
