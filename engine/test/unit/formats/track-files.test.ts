import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readTrackBitrateBps } from '../../../src/formats/isobmff/track-bitrate.ts';
import { MalformedWebVtt, parseWebVtt } from '../../../src/formats/webvtt.ts';
import { parseServerManifest } from '../../../src/manifests/server-manifest-reader.ts';
import { writeServerManifest } from '../../../src/manifests/smooth.ts';
import { MalformedXml, parseXml } from '../../../src/manifests/xml-document.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

describe('WebVTT', () => {
  it('is read with its header, cues, comments and styles', () => {
    const file = parseWebVtt(
      bytes(
        '\uFEFFWEBVTT - made by hand\r\nKind: captions\r\nLanguage: en-GB\r\n\r\nNOTE\r\nnothing\r\n\r\nSTYLE\r\n::cue {}\r\n\r\none\r\n00:01.500 --> 100:00:02.000 line:0\r\nHello\r\nagain\r\n\r\n00:00:03.000 --> 00:00:04.000\r\n\r\n',
      ),
    );
    expect(Object.fromEntries(file.metadata)).toEqual({ kind: 'captions', language: 'en-GB' });
    expect(file.cues).toEqual([
      {
        startMs: 1500,
        endMs: 360_002_000,
        identifier: 'one',
        settings: 'line:0',
        payload: 'Hello\nagain',
      },
      { startMs: 3000, endMs: 4000, payload: '' },
    ]);
    expect(file.blocks).toEqual(['STYLE\n::cue {}']);
  });

  it.each([
    ['nothing', ''],
    ['another signature', 'WEBVTTX\n'],
    ['SubRip', '1\n00:00:01,000 --> 00:00:02,000\nHello\n'],
    ['commas in times', 'WEBVTT\n\n00:00:01,000 --> 00:00:02,000\nHello\n'],
    ['a cue that ends before it begins', 'WEBVTT\n\n00:02.000 --> 00:01.000\nHello\n'],
    ['61 minutes', 'WEBVTT\n\n00:61:00.000 --> 01:02:00.000\nHello\n'],
    ['text where a cue belongs', 'WEBVTT\n\nHello\n'],
  ])('is not %s', (_name, text) => expect(() => parseWebVtt(bytes(text))).toThrow(MalformedWebVtt));

  it('of any bytes is read or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (tail, isSigned) => {
        const input = isSigned ? Uint8Array.from([...bytes('WEBVTT\n\n'), ...tail]) : tail;
        try {
          parseWebVtt(input);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedWebVtt);
        }
      }),
    );
  });
});

describe('XML', () => {
  it.each([
    ['a document type', '<!DOCTYPE x [<!ENTITY a "b">]><x/>'],
    ['an open element', '<a><b></a>'],
    ['two roots', '<a/><b/>'],
    ['no XML', 'hello'],
    ['nothing', ''],
  ])('is not %s', (_name, text) => expect(() => parseXml(text)).toThrow(MalformedXml));

  it('of any text is read or refused', () => {
    const parts = fc.constantFrom(
      '<',
      '>',
      '/',
      'a',
      '=',
      '"',
      '&',
      ';',
      ' ',
      '<!--',
      '-->',
      '<![CDATA[',
      ']]>',
      '<a>',
      '</a>',
      '?',
    );
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 40 }), (texts) => {
        try {
          parseXml(texts.join(''));
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedXml);
        }
      }),
    );
  });
});

describe('a server manifest', () => {
  it('is read as it was written', () => {
    const text = writeServerManifest({
      clientManifestName: 'film.ismc',
      formats: 'live-fmp4',
      tracks: [
        { type: 'video', folder: 'video_1', streamName: 'video', bitrateBps: 2_500_000, trackId: 1 },
        {
          type: 'audio',
          folder: 'ton',
          streamName: 'ton & "mehr"',
          bitrateBps: 128_000,
          language: 'de',
          trackId: 2,
        },
        { type: 'text', folder: 'text', streamName: 'marken', bitrateBps: 0, trackId: 3 },
      ],
    });
    expect(parseServerManifest(text)).toEqual({
      isLive: true,
      tracks: [
        {
          type: 'video',
          source: 'video_1',
          name: 'video',
          language: undefined,
          bitrateBps: 2_500_000,
          trackId: 1,
        },
        {
          type: 'audio',
          source: 'ton',
          name: 'ton & "mehr"',
          language: 'de',
          bitrateBps: 128_000,
          trackId: 2,
        },
        {
          type: 'text',
          source: 'text',
          name: 'marken',
          language: undefined,
          bitrateBps: undefined,
          trackId: 3,
        },
      ],
    });
  });

  it('of a file on demand is not live', () => {
    const text = '<smil><head><meta name="formats" content="mp4-v3"/></head><body><switch/></body></smil>';
    expect(parseServerManifest(text)).toEqual({ isLive: false, tracks: [] });
  });
});

describe('the bit rate of a track', () => {
  const box = (type: string, ...content: Uint8Array[]): Uint8Array => {
    const body = Buffer.concat(content);
    const size = Buffer.alloc(4);
    size.writeUInt32BE(body.length + 8);
    return Buffer.concat([size, Buffer.from(type), body]);
  };
  const words = (...values: number[]): Uint8Array => {
    const view = Buffer.alloc(values.length * 4);
    for (const [index, value] of values.entries()) view.writeUInt32BE(value, index * 4);
    return view;
  };
  const moov = (sizes: Uint8Array) =>
    box(
      'moov',
      box(
        'trak',
        box('tkhd', words(0, 0, 0, 7)),
        box('mdia', box('mdhd', words(0, 0, 0, 1000, 4000, 0)), box('minf', box('stbl', box('stsz', sizes)))),
      ),
    );

  it('is that of its samples over its duration', () => {
    expect(readTrackBitrateBps(moov(words(0, 0, 2, 1000, 3000)), 7)).toBe(8000);
    expect(readTrackBitrateBps(moov(words(0, 500, 4)), 7)).toBe(4000);
  });

  it('is not known of a fragmented file, nor of another track', () => {
    expect(readTrackBitrateBps(moov(words(0, 0, 0)), 7)).toBeUndefined();
    expect(readTrackBitrateBps(moov(words(0, 0, 2, 1000, 3000)), 8)).toBeUndefined();
  });

  it('of a table that is cut off is refused', () => {
    expect(() => readTrackBitrateBps(moov(words(0, 0, 9, 1000)), 7)).toThrow(/moov/);
  });
});
