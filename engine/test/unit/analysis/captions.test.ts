import { describe, expect, it } from '@jest/globals';
import { parse } from '@plussub/srt-vtt-parser';
import fc from 'fast-check';
import { CUE_MS_MAX, cuesOf, LINE_LENGTH_MAX } from '../../../src/analysis/captions.ts';
import { joinedText, orderedWords, phrasesOf, type SpokenWord } from '../../../src/analysis/transcript.ts';
import { writeTtml } from '../../../src/analysis/ttml-writer.ts';
import { clockTime, writeWebVtt } from '../../../src/analysis/web-vtt-writer.ts';
import { parseWebVtt } from '../../../src/formats/webvtt.ts';
import { parseXml } from '../../../src/manifests/xml-document.ts';

const word = (text: string, startMs: number, endMs: number, confidence?: number): SpokenWord => ({
  text,
  startMs,
  endMs,
  confidence,
});

/** Words of 300 ms, 50 ms apart, from `startMs` on. */
const said = (text: string, startMs = 0): SpokenWord[] =>
  text.split(' ').map((part, index) => word(part, startMs + index * 350, startMs + index * 350 + 300));

const cues = (words: readonly SpokenWord[]) => cuesOf(phrasesOf(orderedWords(words)));

/** Of the independent reader, whose types are not found by this module system. */
interface ReadEntry {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/** What a recogniser may give: any times, any characters. */
const anyWords = fc.array(
  fc.record({
    text: fc.string({ unit: 'binary', maxLength: 60 }),
    startMs: fc.integer({ min: -1000, max: 200_000_000 }),
    length: fc.oneof(fc.integer({ min: -50, max: 1500 }), fc.constant(1_000_000)),
    confidence: fc.option(fc.double({ min: -1, max: 2, noNaN: true }), { nil: undefined }),
  }),
  { maxLength: 60 },
);
const spoken = anyWords.map((words) =>
  orderedWords(words.map(({ length, ...rest }) => ({ ...rest, endMs: rest.startMs + length }))),
);

describe('words', () => {
  it('are in order, do not overlap, have a length and can be printed', () => {
    const words = [
      word('b', 900, 900, 1.7),
      word('a\u0000\nc', -20, 500, -1),
      word(' \t', 510, 520),
      word('late', 400, 800.4),
    ];
    expect(orderedWords(words)).toEqual([
      word('a c', 0, 500, 0),
      word('late', 500, 800),
      word('b', 900, 901, 1),
    ]);
  });

  it('stand apart where their script has spaces', () => {
    const text = (...words: string[]) => joinedText(words.map((one) => ({ text: one })));
    expect(text('good', 'morning')).toBe('good morning');
    expect(text('今日', 'は', 'Azure', 'です', '。')).toBe('今日は Azure です。');
    expect(text('안녕', '하세요')).toBe('안녕 하세요');
  });
});

describe('phrases', () => {
  it.each([
    ['a pause', [...said('one two'), ...said('three', 2000)], ['one two', 'three']],
    ['the end of a sentence', said('we all go home. then we sleep'), ['we all go home.', 'then we sleep']],
    ['a full stop that ends no sentence', said('Mr. Smith is here'), ['Mr. Smith is here']],
    ['nothing', [], []],
  ])('end at %s', (_name, words, texts) => {
    expect(phrasesOf(words).map(({ text }) => text)).toEqual(texts);
  });

  it('have the mean confidence of their words, or none', () => {
    expect(phrasesOf([word('a', 0, 10, 0.5), word('b', 10, 20, 1)])[0]?.confidence).toBe(0.75);
    expect(phrasesOf([word('a', 0, 10, 0.5), word('b', 10, 20)])[0]?.confidence).toBeUndefined();
  });

  it('hold every word once, and none goes on for longer than 20 s but a word that does', () => {
    fc.assert(
      fc.property(spoken, (words) => {
        const phrases = phrasesOf(words);
        expect(phrases.flatMap((phrase) => phrase.words)).toEqual(words);
        for (const phrase of phrases) {
          if (phrase.words.length > 1) expect(phrase.endMs - phrase.startMs).toBeLessThanOrEqual(20_000);
        }
      }),
    );
  });
});

describe('captions', () => {
  it('break into two lines of about one length, and at pauses', () => {
    const words = [
      ...said('the committee will meet on tuesday to discuss the new budget'),
      ...said('for the city library', 6000),
    ];
    expect(cues(words)).toEqual([
      {
        startMs: 0,
        endMs: 3800,
        lines: ['the committee will meet on', 'tuesday to discuss the new budget'],
        confidence: undefined,
      },
      { startMs: 6000, endMs: 7350, lines: ['for the city library'], confidence: undefined },
    ]);
  });

  it('of a single word stay for a second, or until the next one', () => {
    expect(cues([word('yes', 0, 200), word('no', 900, 1000), word('so', 5000, 5200)])).toMatchObject([
      { startMs: 0, endMs: 900 },
      { startMs: 900, endMs: 1900 },
      { startMs: 5000, endMs: 6000 },
    ]);
  });

  it('of any words keep to their limits, in order', () => {
    fc.assert(
      fc.property(spoken, (words) => {
        let freeFromMs = 0;
        for (const cue of cues(words)) {
          expect(cue.startMs).toBeGreaterThanOrEqual(freeFromMs);
          expect(cue.endMs).toBeGreaterThan(cue.startMs);
          expect(cue.endMs - cue.startMs).toBeLessThanOrEqual(CUE_MS_MAX);
          expect(cue.lines.length).toBeGreaterThan(0);
          expect(cue.lines.length).toBeLessThanOrEqual(2);
          for (const line of cue.lines) expect([...line].length).toBeLessThanOrEqual(LINE_LENGTH_MAX);
          freeFromMs = cue.endMs;
        }
      }),
    );
  });
});

describe('WebVTT', () => {
  const file = (words: readonly SpokenWord[]) =>
    writeWebVtt({ language: 'en-US', madeBy: 'PocketSphinx', cues: cues(words) });

  it('is what the original wrote, with a header that says the language', () => {
    expect(
      file([word('a<b', 0, 700, 0.5), word('&', 700, 800, 1), word('-->', 3_725_004, 3_726_004, 0.25)]),
    ).toBe(
      [
        'WEBVTT',
        'Kind: captions',
        'Language: en-US',
        '',
        'NOTE language:en-US',
        '',
        'NOTE recognizer:PocketSphinx',
        '',
        'NOTE Confidence: 0.75',
        '',
        '00:00:00.000 --> 00:00:01.000',
        'a&lt;b &amp;',
        '',
        'NOTE Confidence: 0.25',
        '',
        '01:02:05.004 --> 01:02:06.004',
        '--&gt;',
        '',
      ].join('\n'),
    );
  });

  it.each([
    [0, '00:00:00.000'],
    [59_999, '00:00:59.999'],
    [3_600_000, '01:00:00.000'],
    [359_999_999, '99:59:59.999'],
    [360_000_000, '100:00:00.000'],
  ])('%d ms are %s', (ms, text) => {
    expect(clockTime(ms)).toBe(text);
  });

  it('says the same to the reader of text tracks and to one that others wrote', () => {
    const unescaped = (text: string) =>
      text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
    fc.assert(
      fc.property(spoken, (words) => {
        const written = cues(words).map(({ startMs, endMs, lines }) => ({
          startMs,
          endMs,
          text: lines.join('\n'),
        }));
        const text = file(words);
        const ours = parseWebVtt(new TextEncoder().encode(text));
        expect(ours.metadata.get('language')).toBe('en-US');
        expect(
          ours.cues.map(({ startMs, endMs, payload }) => ({ startMs, endMs, text: unescaped(payload) })),
        ).toEqual(written);
        const entries: readonly ReadEntry[] = parse(text).entries;
        expect(
          entries.map(({ from, to, text }) => ({ startMs: from, endMs: to, text: unescaped(text) })),
        ).toEqual(written);
      }),
      { numRuns: 60 },
    );
  });

  it('without a word is a file without cues', () => {
    expect(parseWebVtt(new TextEncoder().encode(file([]))).cues).toEqual([]);
  });
});

describe('TTML', () => {
  it('has a paragraph for each cue and says its language', () => {
    const words = said('"to be" & not <to> be that is the question here');
    const text = writeTtml({ language: 'en-GB', madeBy: "it's", cues: cues(words) });
    expect(text).toContain(
      '<p begin="00:00:00.000" end="00:00:03.800">&quot;to be&quot; &amp; not &lt;to&gt; be<br/>that is the question here</p>',
    );
    expect(parseXml(text)).toMatchObject({ name: 'tt', attributes: { lang: 'en-GB' } });
  });

  it('is XML whatever is said', () => {
    fc.assert(
      fc.property(spoken, (words) => {
        const text = writeTtml({ language: 'en-US', madeBy: 'x', cues: cues(words) });
        expect(parseXml(text).name).toBe('tt');
      }),
      { numRuns: 60 },
    );
  });
});
