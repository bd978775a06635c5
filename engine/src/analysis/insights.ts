import type { Interval } from './audio-chunks.ts';
import { type Phrase, phrasesOf, type Transcript } from './transcript.ts';
import type { Loudness, VideoFindings } from './video-findings.ts';

/** What listened, and how far it can be believed. */
export interface EngineNote {
  readonly name: string;
  /** The program's or the interface's. */
  readonly version: string | undefined;
  /** In the words of `docs/analysis.md`. */
  readonly expectedWordErrorRate: string;
  /** What somebody who reads the transcript has to know. */
  readonly notes: readonly string[];
}

/** What was heard, and by whom. */
export interface Speech {
  readonly transcript: Transcript;
  readonly engine: EngineNote;
  /** It was heard which language is spoken; else it was asked for, or is the only one that the engine knows. */
  readonly isLanguageDetected: boolean;
}

/** An insight of the original that is not made, and why. */
export interface NotExtracted {
  readonly insight: string;
  readonly reason: string;
}

export interface Findings {
  readonly durationMs: number;
  /** Undefined: nobody listened. */
  readonly speech: Speech | undefined;
  /** Undefined: there is no sound, or it was not looked at. */
  readonly silences: readonly Interval[] | undefined;
  readonly loudness: Loudness | undefined;
  /** Undefined: there is no picture, or it was not looked at. */
  readonly video: VideoFindings | undefined;
  readonly notExtracted: readonly NotExtracted[];
}

/**
 * `insights.json` in the shape of the original's (that of Video Indexer: lists of things with `id` and `instances`,
 * times as .NET writes them). What is ours: `engine`, `loudness`, `blackFrames`, `frozenPictures`, `words`,
 * `notExtracted`.
 */
export function insightsJson(findings: Findings): string {
  const { durationMs, speech, silences, loudness, video } = findings;
  const phrases = speech === undefined ? [] : phrasesOf(speech.transcript.words);
  const insights = {
    version: '1.0.0.0',
    duration: timeSpan(durationMs),
    ...(speech === undefined
      ? {}
      : {
          sourceLanguage: speech.transcript.language,
          language: speech.transcript.language,
          isLanguageDetected: speech.isLanguageDetected,
          engine: speech.engine,
          transcript: phrases.map((phrase, id) => transcriptLine(phrase, id, speech.transcript.language)),
        }),
    ...(silences === undefined ? {} : { audioEffects: silenceEffect(silences) }),
    ...(loudness === undefined ? {} : { loudness }),
    ...(video === undefined ? {} : videoInsights(video)),
    ...(speech === undefined ? {} : { statistics: statistics(phrases, durationMs) }),
    notExtracted: findings.notExtracted,
  };
  return `${JSON.stringify(insights, undefined, 2)}\n`;
}

function transcriptLine({ text, confidence, words, startMs, endMs }: Phrase, id: number, language: string) {
  return {
    id,
    text,
    ...(confidence === undefined ? {} : { confidence: rounded(confidence) }),
    language,
    instances: [instance({ startMs, endMs })],
    words: words.map((word) => ({
      text: word.text,
      ...instance(word),
      ...(word.confidence === undefined ? {} : { confidence: rounded(word.confidence) }),
    })),
  };
}

/** The original's only speakers are numbered; here nobody tells them apart, so there is one. */
function statistics(phrases: readonly Phrase[], durationMs: number): object {
  const spokenMs = phrases.reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0);
  const wordCount = phrases.reduce((sum, { words }) => sum + words.length, 0);
  return {
    correspondenceCount: 0,
    wordCount,
    speechDuration: timeSpan(spokenMs),
    speechRatio: durationMs === 0 ? 0 : rounded(Math.min(1, spokenMs / durationMs)),
  };
}

const silenceEffect = (silences: readonly Interval[]): readonly object[] =>
  silences.length === 0 ? [] : [{ id: 0, type: 'Silence', instances: silences.map(instance) }];

function videoInsights({ shots, black, frozen }: VideoFindings): object {
  let keyFrameId = 0;
  return {
    shots: shots.map(({ startMs, endMs, keyFrames }, id) => ({
      id,
      keyFrames: keyFrames.map((frame) => {
        const id = keyFrameId;
        keyFrameId += 1;
        return {
          id,
          instances: [
            {
              ...instance(frame),
              ...(frame.thumbnail === undefined ? {} : { thumbnail: frame.thumbnail }),
            },
          ],
        };
      }),
      instances: [instance({ startMs, endMs })],
    })),
    blackFrames: black.map((interval, id) => ({ id, instances: [instance(interval)] })),
    frozenPictures: frozen.map((interval, id) => ({ id, instances: [instance(interval)] })),
  };
}

const instance = ({ startMs, endMs }: Interval) => ({ start: timeSpan(startMs), end: timeSpan(endMs) });

const rounded = (value: number): number => Number(value.toFixed(4));

/** .NET's constant form: `[d.]hh:mm:ss[.fffffff]`, the fraction only where there is one. */
export function timeSpan(ms: number): string {
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
  const days = Math.floor(ms / 86_400_000);
  const fraction = ms % 1000 === 0 ? '' : `.${String(ms % 1000).padStart(3, '0')}0000`;
  const clock = `${two((ms / 3_600_000) % 24)}:${two((ms / 60_000) % 60)}:${two((ms / 1000) % 60)}`;
  return `${days === 0 ? '' : `${days}.`}${clock}${fraction}`;
}
