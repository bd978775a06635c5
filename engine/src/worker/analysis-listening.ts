import { open, readFile, stat } from 'node:fs/promises';
import { NOTES_BYTES_MAX } from '../analysis/filter-metadata.ts';
import type { Speech } from '../analysis/insights.ts';
import {
  LISTENING_FILES,
  type Listening,
  LOUDNESS_TAIL_BYTES,
  listeningRun,
  readListening,
} from '../analysis/listening.ts';
import type { AudioTrack } from '../encoding/input-tracks.ts';
import { runFFmpeg } from '../ffmpeg/run-ffmpeg.ts';
import type { WorkingFolder } from '../ffmpeg/working-folder.ts';
import type { RecognitionFailure, SpeechRecognizer } from '../speech/speech-recognizer.ts';
import { transcribe } from '../speech/transcribe.ts';
import { type Analysis, partOf } from './analysis-task.ts';
import { failureOfRun, type JobFailure, jobFailure } from './job-errors.ts';
import { createSpeechMemory } from './speech-memory.ts';
import { ffmpegOf } from './workshop.ts';

/** What is listened to in one go; the original takes four hours. */
const SOUND_SECONDS_MAX = 12 * 60 * 60;

/** Reads the sound once. Throws `JobFailure`. */
export async function listen(
  analysis: Analysis,
  { file, audio, channel }: AudioTrack,
  onProgress: (share: number) => void,
): Promise<Listening> {
  const { workshop, folder, signal, clip } = analysis;
  if (channel !== undefined) {
    throw jobFailure(
      'ConfigurationUnsupported',
      'The analyzers hear whole tracks: channels cannot be chosen.',
    );
  }
  if (clip.durationSeconds > SOUND_SECONDS_MAX) {
    const hours = SOUND_SECONDS_MAX / 3600;
    throw jobFailure(
      'ContentUnsupported',
      `'${file.name}' is longer than the ${hours} hours that are listened to.`,
    );
  }
  const run = listeningRun(partOf(analysis, file, audio), audio.streamIndex);
  const { bounds } = workshop.settings;
  const end = await runFFmpeg(ffmpegOf(workshop), run, { folder, bounds, signal, onProgress });
  if (end.kind === 'failed') throw failureOfRun(end, `'${file.name}'`);
  return readListening({
    silenceStarts: await readNotes(folder, LISTENING_FILES.silenceStarts),
    silenceEnds: await readNotes(folder, LISTENING_FILES.silenceEnds),
    loudness: await readTail(folder, LISTENING_FILES.loudness),
    soundBytes: (await stat(folder.resolve(LISTENING_FILES.sound))).size,
  });
}

/** A file that filters have written; they write none when they have nothing to tell. */
export async function readNotes(folder: WorkingFolder, name: string): Promise<string> {
  const path = folder.resolve(name);
  const size = await sizeOf(path);
  if (size === 0) return '';
  if (size <= NOTES_BYTES_MAX) return readFile(path, 'latin1');
  return readBytes(path, { position: 0, length: NOTES_BYTES_MAX });
}

async function readTail(folder: WorkingFolder, name: string): Promise<string> {
  const path = folder.resolve(name);
  const size = await sizeOf(path);
  const length = Math.min(size, LOUDNESS_TAIL_BYTES);
  return readBytes(path, { position: size - length, length });
}

const sizeOf = (path: string): Promise<number> =>
  stat(path).then(
    ({ size }) => size,
    () => 0,
  );

async function readBytes(path: string, range: { position: number; length: number }): Promise<string> {
  if (range.length === 0) return '';
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.alloc(range.length);
    const { bytesRead } = await file.read({ buffer, ...range });
    return buffer.toString('latin1', 0, bytesRead);
  } finally {
    await file.close();
  }
}

interface Transcribing {
  readonly recognizer: SpeechRecognizer;
  readonly track: AudioTrack;
  readonly listening: Listening;
  readonly language: string | undefined;
  readonly onProgress: (share: number) => void;
}

/** Has it recognised; what was heard is kept for whoever takes the job over. Throws `JobFailure`. */
export async function transcribeSound(
  analysis: Analysis,
  { recognizer, track, listening, language, onProgress }: Transcribing,
): Promise<Speech> {
  const { workshop, task, folder, signal, clip, inputs } = analysis;
  const { file, audio } = track;
  const source = {
    engine: recognizer.note.name,
    language,
    file: inputs.pinned.get(file.path) ?? { name: file.name, sizeBytes: file.sizeBytes },
    streamIndex: audio.streamIndex,
    fromSeconds: clip.fromSeconds,
    durationMs: listening.durationMs,
  };
  const end = await transcribe({
    recognizer,
    folder,
    durationMs: listening.durationMs,
    pauses: listening.pauses,
    language,
    memory: createSpeechMemory(workshop, task, { source, signal }),
    signal,
    onProgress,
  });
  if (end.kind !== 'heard') throw failureOfRecognition(end);
  return end.speech;
}

function failureOfRecognition({ kind, message }: RecognitionFailure): JobFailure {
  const codes = {
    configuration: 'ConfigurationUnsupported',
    away: 'ServiceTransientError',
    failed: 'ServiceError',
  } as const;
  return jobFailure(codes[kind], message);
}
