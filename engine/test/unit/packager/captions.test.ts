import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readBoxes } from '../../../src/formats/isobmff/box-reader.ts';
import { writeCmafHeader } from '../../../src/formats/isobmff/cmaf-header-writer.ts';
import { parseFragment } from '../../../src/formats/isobmff/fragment-reader.ts';
import { parseWebVtt, type WebVttCue } from '../../../src/formats/webvtt.ts';
import { writeWebVtt, writeWebVttHead } from '../../../src/formats/webvtt-writer.ts';
import { captionFormat, captionTrack, readCaptions } from '../../../src/library/captions.ts';
import type { LibraryContainer } from '../../../src/library/library-container.ts';
import { parseTtml } from '../../../src/manifests/ttml-reader.ts';
import { MalformedXml } from '../../../src/manifests/xml-document.ts';
import type { FragmentEntry } from '../../../src/model/presentation.ts';
import { packageCaptions } from '../../../src/packager/caption-segments.ts';
import type { StreamingForm } from '../../../src/packager/streaming-path.ts';
import { SECOND, START_TICKS, track, trackIndex } from '../../support/presentations.ts';
import { clearForm } from '../../support/streaming-forms.ts';

const MS = SECOND / 1000;
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const file = (name: string, content: string): LibraryContainer => ({
  list: async () => [],
  read: async (wanted) => (wanted === name ? new TextEncoder().encode(content) : undefined),
});

/** A film of fragments of uneven length that begins at `zeroTicks`. */
function leadFrom(zeroTicks: number): readonly FragmentEntry[] {
  const video = track('video', { ordinal: 1, bitrateBps: 1, formats: [] });
  return trackIndex(video, [
    { startTicks: zeroTicks, count: 5, durationTicks: 19_199_000 },
    { startTicks: zeroTicks + 95_995_000, count: 5, durationTicks: 20_000_500 },
  ]).fragments;
}
const FILM_MS = Math.floor(9.5995 * 1000 + 5 * 2000.05);

async function captionsOf(cues: readonly WebVttCue[], zeroTicks: number) {
  const vtt = writeWebVtt(writeWebVttHead(['STYLE\n::cue { color: lime }']), cues);
  const captions = await readCaptions(file('a.vtt', vtt), 'a.vtt');
  if ('reason' in captions) throw new Error(captions.reason);
  const lead = leadFrom(zeroTicks);
  const own = {
    ...track('text', { ordinal: 9, bitrateBps: 100, formats: [captionFormat(captions, zeroTicks)] }),
    language: 'en',
  };
  return { own, lead, made: captionTrack(own, captions, { lead, zeroTicks }) };
}

/** Segments of `perSegment` fragments as they are delivered. */
async function segmentsOf(
  cues: readonly WebVttCue[],
  { zeroTicks, form, perSegment = 1 }: { zeroTicks: number; form: StreamingForm; perSegment?: number },
) {
  const { own, made } = await captionsOf(cues, zeroTicks);
  const stored = await Promise.all(
    made.index.fragments.map(async (entry) => ({
      entry,
      bytes: (await made.fragment(entry)) ?? new Uint8Array(),
    })),
  );
  const segments: { entry: FragmentEntry; bytes: Uint8Array }[] = [];
  for (let at = 0; at < stored.length; at += perSegment) {
    const [first, ...others] = stored.slice(at, at + perSegment);
    if (first === undefined) break;
    segments.push({ entry: first.entry, bytes: packageCaptions([first, ...others], { track: own, form }) });
  }
  return segments;
}

/** Cues as texts with a letter, so that each is another. */
const someCues = fc
  .array(
    fc.record({
      startMs: fc.integer({ min: 0, max: FILM_MS - 2 }),
      lengthMs: fc.integer({ min: 1, max: 8_000 }),
      settings: fc.constantFrom(undefined, 'line:0 align:start'),
      payload: fc.constantFrom('Hello', 'two\nlines', '<i>Grüße</i> &amp; <b>b</b>', '<00:00:01.000>sung'),
    }),
    { maxLength: 12 },
  )
  .map((cues) =>
    cues
      .map(
        ({ startMs, lengthMs, settings, payload }, at): WebVttCue => ({
          startMs,
          endMs: Math.min(startMs + lengthMs, FILM_MS),
          identifier: `c${at}`,
          ...(settings === undefined ? {} : { settings }),
          payload: `${payload} ${at}`,
        }),
      )
      .sort((a, b) => a.startMs - b.startMs),
  );
const zeros = fc.constantFrom(0, 213_333, START_TICKS, START_TICKS + 7);

/** What `wvtt` samples show when, put together again by source id. */
function cuesOfSamples(segments: readonly { bytes: Uint8Array }[], zeroTicks: number) {
  const shown = new Map<string, { startTicks: number; endTicks: number; settings?: string }>();
  for (const { bytes } of segments) {
    const { decodeTimeTicks, samples } = parseFragment(bytes);
    let ticks = decodeTimeTicks - zeroTicks;
    for (const { offset, sizeBytes, durationTicks } of samples) {
      for (const box of readBoxes(bytes.subarray(offset, offset + sizeBytes))) {
        if (box.type !== 'vttc') continue;
        const parts = new Map(readBoxes(box.body).map(({ type, body }) => [type, body]));
        const key = `${text(parts.get('iden') ?? new Uint8Array())}!${text(parts.get('payl') ?? new Uint8Array())}`;
        const settings = parts.get('sttg');
        const known = shown.get(key) ?? {
          startTicks: ticks,
          endTicks: ticks,
          ...(settings && { settings: text(settings) }),
        };
        // One after the other without a hole, and never twice at one time.
        expect(known.endTicks).toBe(ticks);
        shown.set(key, { ...known, endTicks: ticks + durationTicks });
      }
      ticks += durationTicks;
    }
  }
  return shown;
}

describe('captions', () => {
  it('of DASH say what the file says, when it says it: nothing is lost or doubled where segments meet', async () => {
    await fc.assert(
      fc.asyncProperty(someCues, zeros, async (cues, zeroTicks) => {
        const segments = await segmentsOf(cues, { zeroTicks, form: clearForm('mpd-time-cmaf') });
        for (const { entry, bytes } of segments) {
          const { decodeTimeTicks, samples, sequence } = parseFragment(bytes);
          expect([sequence, decodeTimeTicks]).toEqual([entry.sequence, entry.decodeTimeTicks]);
          expect(samples.reduce((sum, one) => sum + one.durationTicks, 0)).toBe(entry.durationTicks);
        }
        const shown = cuesOfSamples(segments, zeroTicks);
        expect(Object.fromEntries(shown)).toEqual(
          Object.fromEntries(
            cues.map(({ startMs, endMs, identifier, settings, payload }) => [
              `${identifier}!${payload}`,
              { startTicks: startMs * MS, endTicks: endMs * MS, ...(settings && { settings }) },
            ]),
          ),
        );
      }),
      { numRuns: 60 },
    );
  });

  it('of HLS are in every segment during which they are shown, once and whole, with the clock of its media', async () => {
    const forms = [
      { form: clearForm('m3u8-cmaf'), perSegment: 1, baseTicks: 0 },
      { form: clearForm('m3u8-aapl'), perSegment: 3, baseTicks: 10 * SECOND },
    ];
    await fc.assert(
      fc.asyncProperty(
        someCues,
        zeros,
        fc.constantFrom(...forms),
        async (cues, zeroTicks, { form, perSegment, baseTicks }) => {
          const segments = await segmentsOf(cues, { zeroTicks, form, perSegment });
          for (const [at, { entry, bytes }] of segments.entries()) {
            const end = segments[at + 1]?.entry.decodeTimeTicks ?? Number.POSITIVE_INFINITY;
            const expected = cues.filter(
              ({ startMs, endMs }) =>
                zeroTicks + startMs * MS < end && zeroTicks + endMs * MS > entry.decodeTimeTicks,
            );
            const read = parseWebVtt(bytes);
            expect(
              read.cues.toSorted(
                (a, b) => a.startMs - b.startMs || (a.identifier ?? '').localeCompare(b.identifier ?? ''),
              ),
            ).toEqual(
              expected.toSorted(
                (a, b) => a.startMs - b.startMs || (a.identifier ?? '').localeCompare(b.identifier ?? ''),
              ),
            );
            expect(read.blocks).toEqual(['STYLE\n::cue { color: lime }']);
            const map = /^WEBVTT\nX-TIMESTAMP-MAP=LOCAL:(\d+):(\d\d):(\d\d)\.(\d{3}),MPEGTS:(\d+)\n/.exec(
              text(bytes),
            );
            const [hours = 0, minutes = 0, seconds = 0, ms = 0, mpeg = 0] = (map ?? []).slice(1).map(Number);
            const local = ((hours * 60 + minutes) * 60 + seconds) * 1000 + ms;
            // The clock of the media at that time, which goes round after 2^33.
            const media = ((zeroTicks + local * MS + baseTicks) * 9) / 1000;
            const away = (((mpeg - media) % 2 ** 33) + 2 ** 33) % 2 ** 33;
            expect(Math.min(away, 2 ** 33 - away)).toBeLessThan(1);
            expect(mpeg).toBeLessThan(2 ** 33);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('of Smooth Streaming are TTML that counts from its fragment', async () => {
    await fc.assert(
      fc.asyncProperty(someCues, zeros, async (cues, zeroTicks) => {
        const segments = await segmentsOf(cues, { zeroTicks, form: clearForm('fmp4') });
        const shown = segments.flatMap(({ entry, bytes }) => {
          const { samples, tfxd } = parseFragment(bytes);
          const [sample] = samples;
          if (sample === undefined || samples.length > 1) throw new Error('one sample is expected');
          expect(tfxd).toEqual({
            absoluteTimeTicks: entry.decodeTimeTicks,
            durationTicks: entry.durationTicks,
          });
          const { language, paragraphs } = parseTtml(
            text(bytes.subarray(sample.offset, sample.offset + sample.sizeBytes)),
          );
          expect(language).toBe('en');
          return paragraphs.map(({ startMs, endMs, payload }) => {
            const offset = (entry.decodeTimeTicks - zeroTicks) / MS;
            return { startMs: startMs + offset, endMs: endMs + offset, payload };
          });
        });
        for (const { startMs, endMs, payload } of cues) {
          const plain = payload.replace(/<[^>]*>/g, '');
          const own = shown.filter((one) => one.payload === plain);
          expect(Math.abs(Math.min(...own.map((one) => one.startMs)) - startMs)).toBeLessThanOrEqual(1);
          expect(Math.abs(Math.max(...own.map((one) => one.endMs)) - endMs)).toBeLessThanOrEqual(1);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('have a header with what stands before the cues, and fragments of nothing where nothing is said', async () => {
    const { own } = await captionsOf([], 0);
    expect(text(writeCmafHeader(own, 0))).toContain('vttCWEBVTT\n\nSTYLE\n::cue { color: lime }');
    const [first] = await segmentsOf([], { zeroTicks: 0, form: clearForm('mpd-time-csf') });
    const { samples } = parseFragment(first?.bytes ?? new Uint8Array());
    expect(samples.map(({ sizeBytes, durationTicks }) => ({ sizeBytes, durationTicks }))).toEqual([
      { sizeBytes: 8, durationTicks: 19_199_000 },
    ]);
  });

  it('that overwhelm a screen are bounded', async () => {
    const cues = Array.from({ length: 2_000 }, (_, at) => ({
      startMs: at,
      endMs: FILM_MS - at,
      payload: `${'x'.repeat(4_000)} ${at}`,
    }));
    const segments = await segmentsOf(cues.slice(0, 1_900), {
      zeroTicks: 0,
      form: clearForm('mpd-time-cmaf'),
    });
    for (const { bytes } of segments) expect(bytes.length).toBeLessThan(2 * 1024 * 1024);
  });
});

describe('TTML', () => {
  const tt = (body: string, attributes = '') =>
    `<?xml version="1.0"?><tt:tt xmlns:tt="http://www.w3.org/ns/ttml" xmlns:ttp="p" xmlns:tts="s" xml:lang="fr" ${attributes}><tt:body>${body}</tt:body></tt:tt>`;

  it.each([
    ['clock times', '', '<tt:p begin="00:00:01.5" end="00:00:02">a</tt:p>', [[1500, 2000, 'a']]],
    ['frames', 'ttp:frameRate="25"', '<tt:p begin="00:00:01:05" dur="10f">a</tt:p>', [[1200, 1600, 'a']]],
    ['ticks', 'ttp:tickRate="10000000"', '<tt:p begin="5000000t" end="1.5s">a</tt:p>', [[500, 1500, 'a']]],
    [
      'times within times',
      '',
      '<tt:div begin="10s" end="20s"><tt:p begin="1s" end="90s">a</tt:p></tt:div><tt:p begin="250ms" end="1m">b</tt:p>',
      [
        [250, 60_000, 'b'],
        [11_000, 20_000, 'a'],
      ],
    ],
    [
      'lines, styles and white space',
      '',
      '<tt:p begin="0s" end="1s">\n  Tom &amp; <tt:span tts:fontStyle="italic">J&#233;r&lt;</tt:span><tt:br/>  two </tt:p>',
      [[0, 1000, 'Tom &amp; <i>Jér&lt;</i>\ntwo']],
    ],
    [
      'spans with times of their own',
      '',
      '<tt:p begin="1s" end="9s"><tt:span begin="1s" end="2s">a</tt:span><tt:span begin="3s">b</tt:span></tt:p>',
      [
        [2000, 3000, 'a'],
        [4000, 9000, 'b'],
      ],
    ],
    ['no end, no text', '', '<tt:p begin="1s">a</tt:p><tt:p begin="1s" end="2s"> </tt:p>', []],
  ])('is read: %s', (_name, attributes, body, expected) => {
    const { language, paragraphs } = parseTtml(tt(body, attributes));
    expect(language).toBe('fr');
    expect(paragraphs.map(({ startMs, endMs, payload }) => [startMs, endMs, payload])).toEqual(expected);
  });

  it('of any text is read or refused', () => {
    const parts = fc.constantFrom(
      '<p ',
      'begin="',
      '1s',
      '00:00:01',
      '"',
      '>',
      '</p>',
      '<br/>',
      '&amp;',
      'x',
      ' ',
      'end="9f"',
    );
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 20 }), (list) => {
        try {
          parseTtml(`<tt><body>${list.join('')}</body></tt>`);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedXml);
        }
      }),
    );
  });
});
