import type { AudioChunk, ChunkLimits, Interval } from '../analysis/audio-chunks.ts';
import type { EngineNote } from '../analysis/insights.ts';
import type { SpokenWord } from '../analysis/transcript.ts';
import type { WorkingFolder } from '../ffmpeg/working-folder.ts';

/** Something that turns speech into text. */
export interface SpeechRecognizer {
  readonly note: EngineNote;
  readonly languages: Languages;
  /** What it hears best, or takes at all. */
  readonly chunkLimits: ChunkLimits;
  /** Throws the signal's reason; what else is thrown is a fault of the service. */
  recognize(task: RecognitionTask): Promise<RecognitionEnd>;
}

export interface Languages {
  /** BCP 47; `any`: the engine itself knows, and refuses. */
  readonly known: readonly string[] | 'any';
  /** It hears which language is spoken when none is asked for. */
  readonly canDetect: boolean;
}

export interface RecognitionTask {
  readonly folder: WorkingFolder;
  /** Of the sound in `folder`: 16 kHz, one channel, 16 bits, little-endian, no header. */
  readonly soundPath: string;
  /** Somebody may speak in each of them. In order. */
  readonly chunks: readonly AudioChunk[];
  /** Where nobody speaks, in order, on the time line of all. */
  readonly pauses: readonly Interval[];
  /** Undefined: to be detected. */
  readonly language: string | undefined;
  readonly signal: AbortSignal;
  /** In the order of the chunks. */
  onHeard(chunk: AudioChunk, heard: HeardChunk): void;
}

export interface HeardChunk {
  /** Times are from the chunk's start. */
  readonly words: readonly SpokenWord[];
  /** As it was detected; undefined: nobody asked for that, or it was not. */
  readonly language: string | undefined;
}

export type RecognitionEnd = { readonly kind: 'heard' } | RecognitionFailure;

/** `configuration`: as it is set up, or asked, it cannot. `away`: it may later. `failed`: it should have. */
export interface RecognitionFailure {
  readonly kind: 'configuration' | 'away' | 'failed';
  /** For whoever owns the job: no paths, no secrets. */
  readonly message: string;
}
