import { ByteReader } from '../../bits/byte-reader.ts';
import { type Box, findBox, getBox, readBoxes } from './box-reader.ts';
import type { SampleDefaults } from './fragment-reader.ts';
import { MalformedFragment, parsingFragment } from './malformed-fragment.ts';

/** One track of an encoder's `moov`. */
export interface TrackHeader {
  readonly trackId: number;
  readonly timescale: number;
  /** `vide`, `soun`, `text`, …, ISO/IEC 14496-12 §8.4.3. */
  readonly handlerType: string;
  /** ISO 639-2/T of the media header. */
  readonly language: string;
  /** Of the first sample entry: `avc1`, `mp4a`, … */
  readonly codec: string;
  /** AVC or HEVC decoder configuration record, or AudioSpecificConfig, as the sample entry has it. A view. */
  readonly configurationRecord: Uint8Array | undefined;
  readonly defaults: SampleDefaults | undefined;
}

export const TRACKS_PER_MOVIE_MAX = 64;
const TIMESCALE_MAX = 2 ** 32 - 1;
/** ISO/IEC 14496-12 §12.1.3: what a visual sample entry holds before its boxes. */
const VISUAL_SAMPLE_ENTRY_BYTES = 78;
/** §12.2.3, and what QuickTime adds to it. */
const AUDIO_SAMPLE_ENTRY_BYTES = 28;
const QUICKTIME_VERSION_1_BYTES = 16;
const QUICKTIME_VERSION_2_BYTES = 36;
const VISUAL_CONFIGURATION_BOXES = ['avcC', 'hvcC'] as const;
const ES_DESCRIPTOR_TAG = 3;
const DECODER_CONFIG_DESCRIPTOR_TAG = 4;
const DECODER_SPECIFIC_INFO_TAG = 5;
const DESCRIPTOR_LENGTH_BYTES_MAX = 4;

/** The tracks of a moov (a whole box). Throws `MalformedFragment`. */
export function parseMovieHeader(bytes: Uint8Array): readonly TrackHeader[] {
  return parsingFragment('moov', () => {
    const boxes = readBoxes(getBox(readBoxes(bytes), 'moov').body);
    const traks = boxes.filter(({ type }) => type === 'trak');
    if (traks.length > TRACKS_PER_MOVIE_MAX) {
      throw new MalformedFragment(`${traks.length} tracks exceed ${TRACKS_PER_MOVIE_MAX}`);
    }
    const mvex = findBox(boxes, 'mvex');
    const defaults = new Map(mvex === undefined ? [] : readTrexes(mvex));
    const headers = traks.map((trak) => readTrak(trak, defaults));
    if (new Set(headers.map(({ trackId }) => trackId)).size < headers.length) {
      throw new MalformedFragment('two tracks with one track_ID');
    }
    return headers;
  });
}

function readTrexes(mvex: Box): [number, SampleDefaults][] {
  const trexes = readBoxes(mvex.body).filter(({ type }) => type === 'trex');
  return trexes.map(({ body }) => {
    const reader = new ByteReader(body);
    reader.skip(4);
    const trackId = reader.u32();
    reader.skip(4); // default_sample_description_index
    return [trackId, { durationTicks: reader.u32(), sizeBytes: reader.u32(), flags: reader.u32() }];
  });
}

function readTrak(trak: Box, defaults: ReadonlyMap<number, SampleDefaults>): TrackHeader {
  const trakBoxes = readBoxes(trak.body);
  const mdia = readBoxes(getBox(trakBoxes, 'mdia').body);
  const trackId = readTrackId(getBox(trakBoxes, 'tkhd'));
  const handlerType = readHandlerType(getBox(mdia, 'hdlr'));
  const stbl = readBoxes(getBox(readBoxes(getBox(mdia, 'minf').body), 'stbl').body);
  const entry = readSampleEntry(getBox(stbl, 'stsd'));
  return {
    trackId,
    ...readMediaHeader(getBox(mdia, 'mdhd')),
    handlerType,
    codec: entry?.type ?? '',
    configurationRecord: entry && readConfigurationRecord(handlerType, entry),
    defaults: defaults.get(trackId),
  };
}

function readTrackId({ body }: Box): number {
  const reader = new ByteReader(body);
  const version = reader.u8();
  reader.skip(3 + (version === 1 ? 16 : 8)); // flags, creation and modification time
  return reader.u32();
}

function readMediaHeader({ body }: Box): { timescale: number; language: string } {
  const reader = new ByteReader(body);
  const isLong = reader.u8() === 1;
  reader.skip(3 + (isLong ? 16 : 8));
  const timescale = reader.u32();
  if (timescale === 0 || timescale > TIMESCALE_MAX)
    throw new MalformedFragment('a track without a timescale');
  reader.skip(isLong ? 8 : 4); // duration
  return { timescale, language: readLanguage(reader.u16()) };
}

/** §8.4.2.3: three times five bits, each a letter less 0x60. */
function readLanguage(packed: number): string {
  return String.fromCharCode(...[10, 5, 0].map((shift) => ((packed >> shift) & 0x1f) + 0x60));
}

function readHandlerType({ body }: Box): string {
  const reader = new ByteReader(body);
  reader.skip(8); // version, flags, pre_defined
  return reader.ascii(4);
}

function readSampleEntry({ body }: Box): Box | undefined {
  const reader = new ByteReader(body);
  reader.skip(8); // version, flags, entry_count
  return readBoxes(body.subarray(reader.offset))[0];
}

function readConfigurationRecord(handlerType: string, entry: Box): Uint8Array | undefined {
  if (handlerType === 'vide') {
    const boxes = readBoxes(entry.body.subarray(VISUAL_SAMPLE_ENTRY_BYTES));
    return boxes.find(({ type }) => VISUAL_CONFIGURATION_BOXES.some((name) => name === type))?.body;
  }
  return handlerType === 'soun' ? readAudioSpecificConfig(entry) : undefined;
}

function readAudioSpecificConfig(entry: Box): Uint8Array | undefined {
  const version = new DataView(entry.body.buffer, entry.body.byteOffset + 8).getUint16(0);
  const extra = [0, QUICKTIME_VERSION_1_BYTES, QUICKTIME_VERSION_2_BYTES][version] ?? 0;
  const boxes = readBoxes(entry.body.subarray(AUDIO_SAMPLE_ENTRY_BYTES + extra));
  const wave = findBox(boxes, 'wave');
  const esds = findBox(wave === undefined ? boxes : readBoxes(wave.body), 'esds');
  if (esds === undefined) return undefined;
  const stream = findDescriptor(esds.body.subarray(4), ES_DESCRIPTOR_TAG);
  const decoder = stream && findDescriptor(streamDescriptors(stream), DECODER_CONFIG_DESCRIPTOR_TAG);
  // ISO/IEC 14496-1 §7.2.6.6: 13 bytes before the descriptors within.
  return decoder && findDescriptor(decoder.subarray(13), DECODER_SPECIFIC_INFO_TAG);
}

/** ISO/IEC 14496-1 §7.2.6.5: what follows the optional fields of an ES_Descriptor. */
function streamDescriptors(stream: Uint8Array): Uint8Array {
  const reader = new ByteReader(stream);
  reader.skip(2); // ES_ID
  const flags = reader.u8();
  if ((flags & 0x80) !== 0) reader.skip(2); // dependsOn_ES_ID
  if ((flags & 0x40) !== 0) reader.skip(reader.u8()); // URL
  if ((flags & 0x20) !== 0) reader.skip(2); // OCR_ES_Id
  return stream.subarray(reader.offset);
}

/** §8.3.3: tag, length in groups of seven bits, payload. */
function findDescriptor(bytes: Uint8Array, wantedTag: number): Uint8Array | undefined {
  const reader = new ByteReader(bytes);
  while (reader.bytesLeft > 0) {
    const tag = reader.u8();
    const payload = reader.bytes(readDescriptorLength(reader));
    if (tag === wantedTag) return payload;
  }
  return undefined;
}

function readDescriptorLength(reader: ByteReader): number {
  let length = 0;
  for (let count = 0; count < DESCRIPTOR_LENGTH_BYTES_MAX; count += 1) {
    const byte = reader.u8();
    length = length * 128 + (byte & 0x7f);
    if (byte < 0x80) return length;
  }
  throw new MalformedFragment('a descriptor length of more than four bytes');
}
