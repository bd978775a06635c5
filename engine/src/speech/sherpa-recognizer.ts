import { writeFile } from 'node:fs/promises';
import { soundIn } from '../analysis/audio-chunks.ts';
import { runProgram } from '../ffmpeg/child-program.ts';
import type { Confinement } from '../ffmpeg/confinement.ts';
import { cleanEvidence, LogLines } from '../ffmpeg/evidence.ts';
import { findSherpaModel, type SherpaModel } from './sherpa-model.ts';
import { SherpaLine, type SherpaTask, sherpaWords } from './sherpa-protocol.ts';
import type { RecognitionEnd, RecognitionTask, SpeechRecognizer } from './speech-recognizer.ts';

/** What this program is started with to listen with a model: a process that native code may end without harm. */
export const SHERPA_COMMAND = 'recognize-speech';

export interface SherpaSettings {
  /** A folder with a model of the user's own. */
  readonly modelPath: string;
  /** BCP 47, of the model; undefined: English alone, or whatever Whisper knows. */
  readonly languages: readonly string[] | undefined;
  /** This program: it is started again to load the model. */
  readonly enginePath: string;
  readonly threads: number;
}

const TASK_FILE = 'recognition.json';
/** Whisper hears 30 s at a time, and Moonshine was taught with pieces of 4 to 30 s. */
const CHUNK_MS = { minMs: 5000, maxMs: 28_000 } as const;
/** Node reserves more addresses than it uses, and large models have some gigabytes. */
const MEMORY_BYTES_MAX = 64 * 1024 * 1024 * 1024;
const FILE_BYTES_MAX = 1024 * 1024;
const WALL_MS_MIN = 5 * 60_000;
const WALL_MS_PER_MS = 30;
const CORES_MAX = 64;
const KIND_NAMES = { transducer: 'transducer', whisper: 'Whisper', moonshine: 'Moonshine' } as const;
const SHARED_TIMES = 'Times of words are shares of the speech between two cuts, less its pauses.';

/** sherpa-onnx with a model that the user has put somewhere; `missing` tells what is not there. */
export async function createSherpaRecognizer(
  settings: SherpaSettings,
  confinement: Confinement,
): Promise<{ readonly recognizer: SpeechRecognizer } | { readonly missing: string }> {
  const found = await findSherpaModel(settings.modelPath);
  if ('missing' in found) return found;
  const { model } = found;
  const known = settings.languages ?? (model.isEnglishOnly ? ['en-US'] : 'any');
  const recognizer: SpeechRecognizer = {
    note: {
      name: `sherpa-onnx (${KIND_NAMES[model.kind]})`,
      version: undefined,
      expectedWordErrorRate: 'not measured here: it is that of the model which was set',
      notes: model.kind === 'transducer' ? [] : [SHARED_TIMES],
    },
    languages: { known, canDetect: model.kind === 'whisper' && !model.isEnglishOnly },
    chunkLimits: CHUNK_MS,
    recognize: (task) => recognize({ settings, confinement, model }, task),
  };
  return { recognizer };
}

interface Recognition {
  readonly settings: SherpaSettings;
  readonly confinement: Confinement;
  readonly model: SherpaModel;
}

async function recognize(recognition: Recognition, task: RecognitionTask): Promise<RecognitionEnd> {
  const { settings, confinement, model } = recognition;
  const sherpaTask: SherpaTask = {
    soundPath: task.soundPath,
    model,
    language: model.isEnglishOnly ? '' : (task.language?.split('-')[0]?.toLowerCase() ?? ''),
    threads: settings.threads,
    chunks: task.chunks.map(({ startMs, endMs }) => ({ startMs, endMs })),
  };
  await writeFile(await task.folder.place(TASK_FILE), JSON.stringify(sherpaTask));
  const lines = new ResultLines(task);
  const spokenMs = task.chunks.reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0);
  const wallMs = Math.max(WALL_MS_MIN, spokenMs * WALL_MS_PER_MS);
  const end = await runProgram({
    program: process.execPath,
    arguments: [settings.enginePath, SHERPA_COMMAND, TASK_FILE],
    folder: task.folder.path,
    confinement,
    limits: {
      memoryBytes: MEMORY_BYTES_MAX,
      fileBytes: FILE_BYTES_MAX,
      cpuSeconds: (wallMs / 1000) * CORES_MAX,
      wallMs,
    },
    signal: task.signal,
    onOutput: (text) => lines.write(text),
  });
  lines.end();
  if (lines.problem !== undefined) {
    return { kind: 'configuration', message: `sherpa-onnx cannot be used: ${cleanEvidence(lines.problem)}.` };
  }
  if (end.code !== 0 || lines.heard < task.chunks.length) {
    const how = end.isTooLong ? 'it took too long' : `exit ${end.code ?? end.killedBy}`;
    return { kind: 'failed', message: `sherpa-onnx failed (${how}). ${cleanEvidence(end.log)}`.trim() };
  }
  return { kind: 'heard' };
}

/** What the process prints, a line for each chunk in order; anything else is passed over. */
class ResultLines {
  readonly #task: RecognitionTask;
  readonly #lines: LogLines;
  heard = 0;
  problem: string | undefined;

  constructor(task: RecognitionTask) {
    this.#task = task;
    this.#lines = new LogLines({ isKept: () => false, onLine: (line) => this.#take(line) });
  }

  write(text: string): void {
    this.#lines.write(text);
  }

  end(): void {
    this.#lines.end();
  }

  #take(line: string): void {
    const parsed = SherpaLine.safeParse(parseJson(line));
    if (!parsed.success) return;
    if ('problem' in parsed.data) {
      this.problem = parsed.data.problem;
      return;
    }
    const chunk = this.#task.chunks[parsed.data.chunk];
    if (chunk === undefined || parsed.data.chunk !== this.heard) return;
    this.heard += 1;
    const { result } = parsed.data;
    const heard = /^(?:<\|)?([a-z]{2,3})(?:\|>)?$/.exec(result.lang)?.[1];
    const language = this.#task.language === undefined ? heard : undefined;
    const sounding = soundIn(chunk, this.#task.pauses).map(({ startMs, endMs }) => ({
      startMs: startMs - chunk.startMs,
      endMs: endMs - chunk.startMs,
    }));
    const words = sherpaWords(result, chunk.endMs - chunk.startMs, sounding);
    this.#task.onHeard(chunk, { words, language });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
