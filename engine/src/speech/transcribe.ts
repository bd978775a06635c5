import { type AudioChunk, audioChunks, type Interval, wordsOnTimeLine } from '../analysis/audio-chunks.ts';
import type { Speech } from '../analysis/insights.ts';
import { LISTENING_FILES } from '../analysis/listening.ts';
import { orderedWords } from '../analysis/transcript.ts';
import type { WorkingFolder } from '../ffmpeg/working-folder.ts';
import type { HeardChunk, RecognitionFailure, SpeechRecognizer } from './speech-recognizer.ts';

/** What was heard of chunks, for whoever goes on after a crash. */
export interface RecognitionMemory {
  recall(chunk: Interval): Promise<HeardChunk | undefined>;
  /** Best effort: never throws. */
  keep(chunk: Interval, heard: HeardChunk): Promise<void>;
}

export interface TranscriptionTask {
  readonly recognizer: SpeechRecognizer;
  /** Has `LISTENING_FILES.sound`. */
  readonly folder: WorkingFolder;
  readonly durationMs: number;
  readonly pauses: readonly Interval[];
  /** As it was asked for. */
  readonly language: string | undefined;
  readonly memory: RecognitionMemory;
  readonly signal: AbortSignal;
  /** From 0 to 1. */
  onProgress(share: number): void;
}

export type Transcription = { readonly kind: 'heard'; readonly speech: Speech } | RecognitionFailure;

/** Nothing is known of a language that nobody asked for and nobody detected (RFC 5646 §2.2.1). */
const UNDETERMINED = 'und';

/** Cuts the sound at pauses, has the chunks recognised that nobody remembers, and joins what was heard. */
export async function transcribe(task: TranscriptionTask): Promise<Transcription> {
  const { recognizer, memory } = task;
  const language = languageFor(recognizer, task.language);
  if ('kind' in language) return language;
  const chunks = audioChunks(task.durationMs, task.pauses, recognizer.chunkLimits).filter((c) => !c.isSilent);
  const heard = new Map<AudioChunk, HeardChunk>();
  for (const chunk of chunks) {
    const remembered = await memory.recall(chunk);
    if (remembered !== undefined) heard.set(chunk, remembered);
  }
  let keeping = Promise.resolve();
  const tell = () => task.onProgress(chunks.length === 0 ? 1 : heard.size / chunks.length);
  tell();
  const unheard = chunks.filter((chunk) => !heard.has(chunk));
  const end =
    unheard.length === 0
      ? ({ kind: 'heard' } as const)
      : await recognizer.recognize({
          folder: task.folder,
          soundPath: LISTENING_FILES.sound,
          chunks: unheard,
          pauses: task.pauses,
          language: language.asked,
          signal: task.signal,
          onHeard: (chunk, fresh) => {
            heard.set(chunk, fresh);
            keeping = keeping.then(() => memory.keep(chunk, fresh));
            tell();
          },
        });
  await keeping;
  if (end.kind !== 'heard') return end;
  const words = chunks.flatMap((chunk) => wordsOnTimeLine(chunk, heard.get(chunk)?.words ?? []));
  const detected = mostWords([...heard.values()]);
  const speech: Speech = {
    transcript: {
      language: detected ?? language.asked ?? UNDETERMINED,
      words: orderedWords(words),
    },
    engine: { ...recognizer.note, notes: [...recognizer.note.notes, ...language.notes] },
    isLanguageDetected: detected !== undefined,
  };
  return { kind: 'heard', speech };
}

/** The language in which most was said. */
function mostWords(heard: readonly HeardChunk[]): string | undefined {
  const counts = new Map<string, number>();
  for (const { language, words } of heard) {
    if (language !== undefined) counts.set(language, (counts.get(language) ?? 0) + words.length);
  }
  return [...counts].sort(([, left], [, right]) => right - left)[0]?.[0];
}

interface ChosenLanguage {
  /** Undefined: to be detected. */
  readonly asked: string | undefined;
  readonly notes: readonly string[];
}

/** The language to listen for, as the engine spells it; `en` means an engine's only English. */
export function languageFor(
  { languages: { known, canDetect }, note }: Pick<SpeechRecognizer, 'languages' | 'note'>,
  asked: string | undefined,
): ChosenLanguage | RecognitionFailure {
  if (asked === undefined) {
    if (canDetect) return { asked: undefined, notes: [] };
    const [only] = known === 'any' ? [] : known;
    const which = only ?? 'en-US';
    return {
      asked: which,
      notes: [`No language was asked for and this engine detects none: it listened for ${which}.`],
    };
  }
  if (known === 'any') return { asked, notes: [] };
  const wanted = asked.toLowerCase();
  const found = known.find((language) => {
    const spelled = language.toLowerCase();
    return spelled === wanted || spelled.split('-')[0] === wanted;
  });
  if (found !== undefined) return { asked: found, notes: [] };
  const message = `${note.name} does not know the language '${asked}'. It knows ${known.join(', ')}.`;
  return { kind: 'configuration', message };
}
