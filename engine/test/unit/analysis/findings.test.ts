import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { audioChunks, type Interval, wordsOnTimeLine } from '../../../src/analysis/audio-chunks.ts';
import { frameNotes, lastValue } from '../../../src/analysis/filter-metadata.ts';
import { insightsJson, timeSpan } from '../../../src/analysis/insights.ts';
import { intervalsOf } from '../../../src/analysis/intervals.ts';
import { inputArguments, listeningRun, readListening } from '../../../src/analysis/listening.ts';
import type { SpokenWord } from '../../../src/analysis/transcript.ts';
import {
  readWatching,
  THUMBNAILS_MAX,
  thumbnailRuns,
  thumbnailsOf,
  withThumbnails,
} from '../../../src/analysis/watching.ts';

const anyIntervals = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 1, max: 9000 })), { maxLength: 30 })
  .map((gaps) => {
    let atMs = 0;
    return gaps.map(([gap, length]): Interval => {
      const startMs = atMs + gap;
      atMs = startMs + length;
      return { startMs, endMs: atMs };
    });
  });
const LIMITS = { minMs: 15_000, maxMs: 60_000 };

describe('chunks of sound', () => {
  it('are cut in the last pause that fits, hard where there is none, and known to be silent', () => {
    const silences = [
      { startMs: 20_000, endMs: 21_000 },
      { startMs: 50_000, endMs: 52_000 },
      { startMs: 130_000, endMs: 300_000 },
    ];
    expect(audioChunks(310_000, silences, LIMITS)).toEqual([
      { startMs: 0, endMs: 51_000, isSilent: false },
      { startMs: 51_000, endMs: 111_000, isSilent: false },
      { startMs: 111_000, endMs: 171_000, isSilent: false },
      { startMs: 171_000, endMs: 215_000, isSilent: true },
      { startMs: 215_000, endMs: 275_000, isSilent: true },
      { startMs: 275_000, endMs: 310_000, isSilent: false },
    ]);
    expect(audioChunks(0, [], LIMITS)).toEqual([]);
  });

  it('follow each other without gaps and are not too long, whatever is silent', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 600_000 }), anyIntervals, (durationMs, silences) => {
        const chunks = audioChunks(durationMs, silences, LIMITS);
        let atMs = 0;
        for (const [index, { startMs, endMs }] of chunks.entries()) {
          expect(startMs).toBe(atMs);
          expect(endMs - startMs).toBeLessThanOrEqual(LIMITS.maxMs);
          if (index < chunks.length - 1) expect(endMs - startMs).toBeGreaterThanOrEqual(LIMITS.minMs);
          atMs = endMs;
        }
        expect(atMs).toBe(durationMs);
      }),
    );
  });

  it('give back every word at its time, when each chunk is heard by itself', () => {
    const anyWords = fc.array(fc.tuple(fc.integer({ min: 0, max: 2000 }), fc.integer({ min: 1, max: 900 })));
    fc.assert(
      fc.property(anyWords, anyIntervals, (gaps, silences) => {
        let atMs = 0;
        const words = gaps.map(([gap, length], index): SpokenWord => {
          const startMs = atMs + gap;
          atMs = startMs + length;
          return { text: String(index), startMs, endMs: atMs, confidence: 1 };
        });
        const chunks = audioChunks(atMs + 1000, silences, LIMITS);
        // What is cut in two would be heard in one half, or in both: here only whole words are looked at.
        const isWhole = (word: SpokenWord) =>
          chunks.some(({ startMs, endMs }) => word.startMs >= startMs && word.endMs <= endMs);
        const heard = chunks.flatMap((chunk) =>
          wordsOnTimeLine(
            chunk,
            words
              .filter(({ startMs, endMs }) => startMs >= chunk.startMs && endMs <= chunk.endMs)
              .map((word) => ({
                ...word,
                startMs: word.startMs - chunk.startMs,
                endMs: word.endMs - chunk.startMs,
              })),
          ),
        );
        expect(heard).toEqual(words.filter(isWhole));
      }),
    );
  });

  it('give nothing that is outside of them', () => {
    const heard = [
      { text: 'a', startMs: -50, endMs: 20, confidence: 1 },
      { text: 'b', startMs: 990, endMs: 1500, confidence: 1 },
      { text: 'c', startMs: 1200, endMs: 1500, confidence: 1 },
    ];
    expect(wordsOnTimeLine({ startMs: 5000, endMs: 6000 }, heard)).toEqual([
      { text: 'a', startMs: 5000, endMs: 5020, confidence: 1 },
      { text: 'b', startMs: 5990, endMs: 6000, confidence: 1 },
    ]);
  });
});

describe('runs of FFmpeg', () => {
  const part = { path: 'input-0', startSeconds: 0, durationSeconds: 9.5, beginsLate: false, threads: 2 };
  const threads = ['-filter_threads', '2', '-threads', '2'];
  it.each([
    ['a whole file', {}, [...threads, '-t', '9.5', '-i', 'input-0']],
    ['a clip', { startSeconds: 1.5 }, [...threads, '-ss', '1.5', '-t', '9.5', '-i', 'input-0']],
    [
      'a stream that begins later than its file',
      { beginsLate: true },
      [...threads, '-noaccurate_seek', '-ss', '0.000001', '-t', '9.5', '-i', 'input-0'],
    ],
    ['a file of unknown length', { durationSeconds: 0 }, [...threads, '-i', 'input-0']],
  ])('read %s', (_name, changes, expected) => {
    expect(inputArguments({ ...part, ...changes })).toEqual(expected);
  });

  it('read the track that was chosen, and seek for a few thumbnails at a time', () => {
    const listening = listeningRun(part, 3);
    expect(listening.arguments.slice(listening.arguments.indexOf('-map'), -4).slice(0, 2)).toEqual([
      '-map',
      '0:3',
    ]);
    expect(listening.writes).toEqual(['speech.pcm']);
    const thumbnails = Array.from({ length: 10 }, (_, shot) => ({
      name: `${shot}.jpg`,
      shot,
      atMs: shot * 1000,
    }));
    const runs = thumbnailRuns({ ...part, startSeconds: 2 }, 1, thumbnails);
    expect(runs.map(({ writes }) => writes.length)).toEqual([8, 2]);
    expect(runs[1]?.arguments.slice(0, 6)).toEqual(['-ss', '9.998500', '-threads', '2', '-i', 'input-0']);
    expect(runs[1]?.arguments).toEqual(expect.arrayContaining(['-map', '1:1', '9.jpg']));
  });
});

describe("what FFmpeg's filters tell", () => {
  it('is read frame by frame, and what is no number is passed over', () => {
    const text =
      'frame:75   pts:3000000 pts_time:3\nlavfi.scd.time=3\nframe:9 pts:NOPTS pts_time:NOPTS\nlavfi.scd.time=nan\nx\nframe:163  pts:6520000 pts_time:6.52\nlavfi.scd.time=6.52\n';
    expect(frameNotes(text)).toEqual([
      { pts: 3_000_000, value: 3 },
      { pts: 6_520_000, value: 6.52 },
    ]);
    expect(lastValue('a\nk=1\nk=-2.5\nkk=3\n', 'k')).toBe(-2.5);
    expect(lastValue('k=1', 'k')).toBeUndefined();
  });

  it.each<[string, number[], number[], [number, number][]]>([
    [
      'pairs',
      [10, 50],
      [20, 70],
      [
        [10, 20],
        [50, 70],
      ],
    ],
    [
      'one that has not ended',
      [10, 50],
      [20],
      [
        [10, 20],
        [50, 100],
      ],
    ],
    ['one that began before it was looked at', [-30], [20], [[0, 20]]],
    ['an end without a beginning', [50], [20, 60], [[50, 60]]],
    [
      'a beginning whose end is missing',
      [10, 50],
      [70],
      [
        [10, 50],
        [50, 70],
      ],
    ],
    ['nothing', [], [], []],
  ])('%s', (_name, starts, ends, expected) => {
    expect(intervalsOf(starts, ends, 100)).toEqual(expected.map(([startMs, endMs]) => ({ startMs, endMs })));
  });

  it('of sound is silence, pauses and loudness', () => {
    const at = (key: string, seconds: number) => `frame:1 pts:1 pts_time:1\nlavfi.${key}=${seconds}\n`;
    const notes = {
      silenceStarts: at('silence_start', 1) + at('silence_start', 3) + at('silence_start', 8.2),
      silenceEnds: at('silence_end', 1.4) + at('silence_end', 5.00006),
      loudness: 'frame:1 x\nlavfi.r128.I=-21.726\nlavfi.r128.LRA=4.990\nlavfi.r128.true_peak=0.157\n',
      soundBytes: 10_000 * 32,
    };
    expect(readListening(notes)).toEqual({
      durationMs: 10_000,
      pauses: [
        { startMs: 1000, endMs: 1400 },
        { startMs: 3000, endMs: 5000 },
        { startMs: 8200, endMs: 10_000 },
      ],
      silences: [
        { startMs: 3000, endMs: 5000 },
        { startMs: 8200, endMs: 10_000 },
      ],
      loudness: { integratedLufs: -21.726, rangeLu: 4.99, truePeakDbtp: -16.1 },
    });
    expect(readListening({ ...notes, loudness: '\nlavfi.r128.I=-70.000\n' }).loudness).toBeUndefined();
    const empty = { silenceStarts: '', silenceEnds: '', loudness: '', soundBytes: 0 };
    expect(readListening(empty)).toEqual({ durationMs: 0, pauses: [], silences: [], loudness: undefined });
  });

  it('of a picture is shots with the frame that has most to see, black and standing pictures', () => {
    const at = (pts: number, value = 0) => `frame:1 pts:${pts} pts_time:1\nlavfi.x=${value}\n`;
    const notes = {
      cuts: at(3_000_000) + at(5_000_000) + at(5_040_000) + at(12_000_000),
      blackStarts: at(5_000_000) + at(7_000_000),
      blackEnds: at(6_520_000) + at(7_040_000),
      frozenStarts: at(5_000_000, 3),
      frozenEnds: at(5_000_000, 5),
      detail: at(0, 4.1) + at(520_000, 4.6) + at(2_960_000, 4.5) + at(3_120_000, 1) + at(5_600_000, 0),
    };
    const findings = readWatching(notes, { durationMs: 8500, frameMs: 40 });
    expect(findings).toEqual({
      shots: [
        { startMs: 0, endMs: 3000, keyFrames: [{ startMs: 520, endMs: 560, thumbnail: undefined }] },
        { startMs: 3000, endMs: 5000, keyFrames: [{ startMs: 3120, endMs: 3160, thumbnail: undefined }] },
        { startMs: 5000, endMs: 5040, keyFrames: [{ startMs: 5020, endMs: 5040, thumbnail: undefined }] },
        { startMs: 5040, endMs: 8500, keyFrames: [{ startMs: 5600, endMs: 5640, thumbnail: undefined }] },
      ],
      black: [{ startMs: 5000, endMs: 6520 }],
      frozen: [{ startMs: 3000, endMs: 5000 }],
    });
    const thumbnails = thumbnailsOf(findings.shots);
    expect(thumbnails.map(({ name, atMs }) => [name, atMs])).toEqual([
      ['thumbnail000001.jpg', 520],
      ['thumbnail000002.jpg', 3120],
      ['thumbnail000003.jpg', 5020],
      ['thumbnail000004.jpg', 5600],
    ]);
    const shown = withThumbnails(findings, thumbnails, (name) => name !== 'thumbnail000002.jpg');
    expect(shown.shots.map(({ keyFrames }) => keyFrames[0]?.thumbnail)).toEqual([
      'thumbnail000001.jpg',
      undefined,
      'thumbnail000003.jpg',
      'thumbnail000004.jpg',
    ]);
  });

  it('has thumbnails of the longest shots when there are too many', () => {
    const shots = Array.from({ length: THUMBNAILS_MAX + 2 }, (_, index) => ({
      startMs: index * 1000,
      endMs: index * 1000 + (index === 1 || index === 5 ? 10 : 1000),
      keyFrames: [{ startMs: index * 1000, endMs: index * 1000 + 40, thumbnail: undefined }],
    }));
    const chosen = thumbnailsOf(shots).map(({ shot }) => shot);
    expect(chosen).toHaveLength(THUMBNAILS_MAX);
    expect(chosen.filter((shot) => shot === 1 || shot === 5)).toEqual([]);
    expect(chosen).toEqual([...chosen].sort((left, right) => left - right));
  });
});

describe('insights', () => {
  it.each([
    [0, '00:00:00'],
    [510, '00:00:00.5100000'],
    [3_661_002, '01:01:01.0020000'],
    [90_000_000, '1.01:00:00'],
  ])('%d ms are %s', (ms, text) => {
    expect(timeSpan(ms)).toBe(text);
  });

  it('have the shape of the original', () => {
    const json = insightsJson({
      durationMs: 8500,
      speech: {
        transcript: {
          language: 'en-US',
          words: [
            { text: 'good', startMs: 510, endMs: 700, confidence: 0.5 },
            { text: 'morning', startMs: 710, endMs: 1200, confidence: 1 },
          ],
        },
        engine: { name: 'E', version: '1', expectedWordErrorRate: '26 %', notes: ['n'] },
        isLanguageDetected: false,
      },
      silences: [{ startMs: 3000, endMs: 5000 }],
      loudness: { integratedLufs: -21.7, rangeLu: 5, truePeakDbtp: -16.1 },
      video: {
        shots: [{ startMs: 0, endMs: 8500, keyFrames: [{ startMs: 520, endMs: 560, thumbnail: 't.jpg' }] }],
        black: [{ startMs: 5000, endMs: 6520 }],
        frozen: [],
      },
      notExtracted: [{ insight: 'ocr', reason: 'r' }],
    });
    expect(JSON.parse(json)).toEqual({
      version: '1.0.0.0',
      duration: '00:00:08.5000000',
      sourceLanguage: 'en-US',
      language: 'en-US',
      isLanguageDetected: false,
      engine: { name: 'E', version: '1', expectedWordErrorRate: '26 %', notes: ['n'] },
      transcript: [
        {
          id: 0,
          text: 'good morning',
          confidence: 0.75,
          language: 'en-US',
          instances: [{ start: '00:00:00.5100000', end: '00:00:01.2000000' }],
          words: [
            { text: 'good', start: '00:00:00.5100000', end: '00:00:00.7000000', confidence: 0.5 },
            { text: 'morning', start: '00:00:00.7100000', end: '00:00:01.2000000', confidence: 1 },
          ],
        },
      ],
      audioEffects: [{ id: 0, type: 'Silence', instances: [{ start: '00:00:03', end: '00:00:05' }] }],
      loudness: { integratedLufs: -21.7, rangeLu: 5, truePeakDbtp: -16.1 },
      shots: [
        {
          id: 0,
          keyFrames: [
            {
              id: 0,
              instances: [{ start: '00:00:00.5200000', end: '00:00:00.5600000', thumbnail: 't.jpg' }],
            },
          ],
          instances: [{ start: '00:00:00', end: '00:00:08.5000000' }],
        },
      ],
      blackFrames: [{ id: 0, instances: [{ start: '00:00:05', end: '00:00:06.5200000' }] }],
      frozenPictures: [],
      statistics: {
        correspondenceCount: 0,
        wordCount: 2,
        speechDuration: '00:00:00.6900000',
        speechRatio: 0.0812,
      },
      notExtracted: [{ insight: 'ocr', reason: 'r' }],
    });
  });
});
