import type { FFmpegRun } from '../encoding/encoding-plan.ts';
import type { Interval } from './audio-chunks.ts';
import { frameNotes, lastValue } from './filter-metadata.ts';
import { intervalsOf } from './intervals.ts';
import type { Loudness } from './video-findings.ts';

/** What recognisers hear. */
export const SPEECH_SAMPLING_RATE = 16_000;
export const SPEECH_BYTES_PER_MS = (SPEECH_SAMPLING_RATE * 2) / 1000;

/** Files of the working folder. */
export const LISTENING_FILES = {
  /** 16 kHz, one channel, 16 bits, little-endian, no header; 0 is the start of the input. */
  sound: 'speech.pcm',
  silenceStarts: 'silence-starts.txt',
  silenceEnds: 'silence-ends.txt',
  loudness: 'loudness.txt',
} as const;

/** Pauses are found for cutting; the silences of insights are those of a second and more. */
const SILENCE_DB = -45;
const PAUSE_SECONDS_MIN = 0.3;
const SILENCE_MS_MIN = 1000;
/** What is written every 100 ms is read at its end only. */
export const LOUDNESS_TAIL_BYTES = 64 * 1024;
/** EBU R 128 measures in blocks of 400 ms. */
const LOUDNESS_MS_MIN = 400;
/** FFmpeg's word for nothing above the gate. */
const LOUDNESS_LUFS_MIN = -69;

/** A stretch of a file; times are seconds. */
export interface InputPart {
  readonly path: string;
  readonly startSeconds: number;
  readonly durationSeconds: number;
  /** The stream that is read begins later than the file. */
  readonly beginsLate: boolean;
  /** Of FFmpeg, for the decoder. */
  readonly threads: number;
}

/**
 * One run over the sound: how loud it is by ITU-R BS.1770, where it is silent, and what recognisers hear of it. Sound that
 * begins late or has holes is filled with silence, so that times are those of the input.
 */
export function listeningRun(part: InputPart, streamIndex: number): FFmpegRun {
  const { sound, silenceStarts, silenceEnds, loudness } = LISTENING_FILES;
  const filters = [
    'aresample=48000:async=1:first_pts=0',
    'ebur128=peak=true:metadata=1:framelog=verbose',
    `ametadata=mode=print:file=${loudness}`,
    `aresample=${SPEECH_SAMPLING_RATE}`,
    'aformat=sample_fmts=s16:channel_layouts=mono',
    `silencedetect=noise=${SILENCE_DB}dB:duration=${PAUSE_SECONDS_MIN}`,
    `ametadata=mode=print:key=lavfi.silence_start:file=${silenceStarts}`,
    `ametadata=mode=print:key=lavfi.silence_end:file=${silenceEnds}`,
  ];
  return {
    arguments: [
      ...inputArguments(part),
      ...['-map', `0:${streamIndex}`, '-af', filters.join(',')],
      ...['-f', 's16le', sound],
    ],
    writes: [sound],
    texts: [],
    durationSeconds: part.durationSeconds,
  };
}

/**
 * Of formats whose clock may jump (MPEG-TS) FFmpeg counts from the first packet of the streams that it is to read, so that
 * sound which begins late would begin at 0. After a seek it counts from the file's start; not all files can be sought in.
 */
const FROM_START: readonly string[] = ['-noaccurate_seek', '-ss', '0.000001'];

export function inputArguments({
  path,
  startSeconds,
  durationSeconds,
  beginsLate,
  threads,
}: InputPart): readonly string[] {
  const seek = startSeconds > 0 ? ['-ss', String(startSeconds)] : [];
  const start = startSeconds === 0 && beginsLate ? FROM_START : seek;
  const length = durationSeconds > 0 ? ['-t', String(durationSeconds)] : [];
  const ofThreads = ['-filter_threads', String(threads), '-threads', String(threads)];
  return [...ofThreads, ...start, ...length, '-i', path];
}

/** What a run has written; an absent file is empty. */
export interface ListeningNotes {
  readonly silenceStarts: string;
  readonly silenceEnds: string;
  /** The end of the file. */
  readonly loudness: string;
  readonly soundBytes: number;
}

export interface Listening {
  readonly durationMs: number;
  /** From 0.3 s on: where sound may be cut. */
  readonly pauses: readonly Interval[];
  /** From 1 s on. */
  readonly silences: readonly Interval[];
  readonly loudness: Loudness | undefined;
}

export function readListening(notes: ListeningNotes): Listening {
  const durationMs = Math.floor(notes.soundBytes / SPEECH_BYTES_PER_MS);
  const secondsToMs = (text: string) => frameNotes(text).map(({ value }) => Math.round(value * 1000));
  const pauses = intervalsOf(secondsToMs(notes.silenceStarts), secondsToMs(notes.silenceEnds), durationMs);
  return {
    durationMs,
    pauses,
    silences: pauses.filter(({ startMs, endMs }) => endMs - startMs >= SILENCE_MS_MIN),
    loudness: durationMs < LOUDNESS_MS_MIN ? undefined : readLoudness(notes.loudness),
  };
}

/** Undefined: nothing is above the gate of the measurement. */
function readLoudness(text: string): Loudness | undefined {
  const integratedLufs = lastValue(text, 'lavfi.r128.I');
  if (integratedLufs === undefined || integratedLufs < LOUDNESS_LUFS_MIN) return undefined;
  const peak = lastValue(text, 'lavfi.r128.true_peak');
  return {
    integratedLufs,
    rangeLu: lastValue(text, 'lavfi.r128.LRA') ?? 0,
    truePeakDbtp: peak === undefined || peak <= 0 ? undefined : Number((20 * Math.log10(peak)).toFixed(1)),
  };
}
