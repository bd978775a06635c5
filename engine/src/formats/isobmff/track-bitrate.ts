import { ByteReader } from '../../bits/byte-reader.ts';
import { type Box, findBox, getBox, readBoxes } from './box-reader.ts';
import { parsingFragment } from './malformed-fragment.ts';

const SAMPLES_MAX = 20_000_000;

/**
 * The mean bit rate of a track of a progressive file: the bytes of its samples over its duration, ISO/IEC 14496-12
 * §8.7.3.2 and §8.4.2. Undefined when the moov (a whole box) says nothing of them, as that of a fragmented file.
 */
export function readTrackBitrateBps(moov: Uint8Array, trackId: number): number | undefined {
  return parsingFragment('moov', () => {
    const traks = readBoxes(getBox(readBoxes(moov), 'moov').body).filter(({ type }) => type === 'trak');
    const trak = traks.map(({ body }) => readBoxes(body)).find((boxes) => idOf(boxes) === trackId);
    if (trak === undefined) return undefined;
    const mdia = readBoxes(getBox(trak, 'mdia').body);
    const stbl = readBoxes(getBox(readBoxes(getBox(mdia, 'minf').body), 'stbl').body);
    const durationSeconds = readDurationSeconds(getBox(mdia, 'mdhd'));
    const sizeBytes = readSampleBytes(findBox(stbl, 'stsz'));
    return durationSeconds > 0 && sizeBytes > 0 ? Math.round((sizeBytes * 8) / durationSeconds) : undefined;
  });
}

function idOf(trak: readonly Box[]): number {
  const reader = new ByteReader(getBox(trak, 'tkhd').body);
  const version = reader.u8();
  reader.skip(3 + (version === 1 ? 16 : 8));
  return reader.u32();
}

function readDurationSeconds({ body }: Box): number {
  const reader = new ByteReader(body);
  const isLong = reader.u8() === 1;
  reader.skip(3 + (isLong ? 16 : 8));
  const timescale = reader.u32();
  const durationTicks = isLong ? reader.u64() : reader.u32();
  return timescale === 0 ? 0 : durationTicks / timescale;
}

function readSampleBytes(stsz: Box | undefined): number {
  if (stsz === undefined) return 0;
  const reader = new ByteReader(stsz.body);
  reader.skip(4);
  const commonSizeBytes = reader.u32();
  const sampleCount = Math.min(reader.u32(), SAMPLES_MAX);
  if (commonSizeBytes > 0) return commonSizeBytes * sampleCount;
  let sizeBytes = 0;
  for (let sample = 0; sample < sampleCount; sample += 1) sizeBytes += reader.u32();
  return sizeBytes;
}
