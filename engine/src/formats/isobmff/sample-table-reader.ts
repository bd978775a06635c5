import { type Box, findBox, getBox, readBoxes } from './box-reader.ts';
import { MalformedFragment, parsingFragment } from './malformed-fragment.ts';
import { parseMovieHeader, type TrackHeader } from './movie-header-reader.ts';

/** The samples of one track of a file that is not fragmented, in decoding order; all lists are equally long. */
export interface SampleTable {
  /** In the file. */
  readonly offsets: Float64Array;
  readonly sizes: Uint32Array;
  /** Times in the track's timescale, on the presentation's timeline: what edits cut off or delay is in them. */
  readonly decodeTimes: Float64Array;
  readonly durations: Uint32Array;
  readonly compositionOffsets: Int32Array;
  /** 1: decoding can begin here. */
  readonly isSync: Uint8Array;
}

export interface FileTrack {
  readonly header: TrackHeader;
  /** What edits add to times, in the track's timescale; those of `samples` have it already. */
  readonly editShift: number;
  readonly samples: SampleTable;
}

/** About 37 h of 30 pictures a second; a table takes 25 bytes a sample. */
const SAMPLES_PER_TRACK_MAX = 4_000_000;
const EDITS_LOOKED_AT_MAX = 64;

/** The tracks of a moov (a whole box) with their samples, ISO/IEC 14496-12 §8.6 and §8.7. Throws `MalformedFragment`. */
export function parseSampleTables(moov: Uint8Array): readonly FileTrack[] {
  return parsingFragment('moov', () => {
    const headers = parseMovieHeader(moov);
    const boxes = readBoxes(getBox(readBoxes(moov), 'moov').body);
    const movieTimescale = timescaleOf(getBox(boxes, 'mvhd'));
    const traks = boxes.filter(({ type }) => type === 'trak');
    return headers.flatMap((header, at) => {
      const trak = traks[at];
      if (trak === undefined) return [];
      const shift = editShift(readBoxes(trak.body), { movieTimescale, timescale: header.timescale });
      return [{ header, editShift: shift, samples: readSamples(trak, shift) }];
    });
  });
}

function timescaleOf({ body }: Box): number {
  const view = viewOf(body);
  return view.getUint32(view.getUint8(0) === 1 ? 20 : 12);
}

function readSamples(trak: Box, shift: number): SampleTable {
  const mdia = readBoxes(getBox(readBoxes(trak.body), 'mdia').body);
  const stbl = readBoxes(getBox(readBoxes(getBox(mdia, 'minf').body), 'stbl').body);
  const sizes = readSizes(stbl);
  const count = sizes.length;
  const { decodeTimes, durations } = readTimes(getBox(stbl, 'stts'), count);
  if (shift !== 0) for (let at = 0; at < count; at += 1) decodeTimes[at] = (decodeTimes[at] ?? 0) + shift;
  return {
    offsets: readOffsets(stbl, sizes),
    sizes,
    decodeTimes,
    durations,
    compositionOffsets: readCompositionOffsets(findBox(stbl, 'ctts'), count),
    isSync: readSyncSamples(findBox(stbl, 'stss'), count),
  };
}

/** §8.7.3 */
function readSizes(stbl: readonly Box[]): Uint32Array {
  const stz2 = findBox(stbl, 'stz2');
  if (stz2 !== undefined) return readCompactSizes(stz2);
  const view = viewOf(getBox(stbl, 'stsz').body);
  const shared = view.getUint32(4);
  const count = checkCount(view.getUint32(8));
  const sizes = new Uint32Array(count);
  if (shared !== 0) return sizes.fill(shared);
  for (let at = 0; at < count; at += 1) sizes[at] = view.getUint32(12 + at * 4);
  return sizes;
}

function readCompactSizes({ body }: Box): Uint32Array {
  const view = viewOf(body);
  const bits = view.getUint8(7);
  const count = checkCount(view.getUint32(8));
  const read = (at: number): number => {
    if (bits === 16) return view.getUint16(12 + at * 2);
    if (bits === 8) return view.getUint8(12 + at);
    const pair = view.getUint8(12 + (at >> 1));
    return at % 2 === 0 ? pair >> 4 : pair & 15;
  };
  if (bits !== 4 && bits !== 8 && bits !== 16) throw new MalformedFragment(`sample sizes of ${bits} bits`);
  return Uint32Array.from({ length: count }, (_, at) => read(at));
}

function checkCount(count: number): number {
  if (count > SAMPLES_PER_TRACK_MAX) {
    throw new MalformedFragment(`${count} samples exceed ${SAMPLES_PER_TRACK_MAX}`);
  }
  return count;
}

/** §8.6.1.2; the sum of the deltas is where each sample begins. */
function readTimes({ body }: Box, count: number): { decodeTimes: Float64Array; durations: Uint32Array } {
  const decodeTimes = new Float64Array(count);
  const durations = new Uint32Array(count);
  let time = 0;
  forEachRun(body, count, (at, view, offset) => {
    const delta = view.getUint32(offset);
    decodeTimes[at] = time;
    durations[at] = delta;
    time += delta;
  });
  if (!Number.isSafeInteger(time)) throw new MalformedFragment('a track is longer than can be counted');
  return { decodeTimes, durations };
}

/** §8.6.1.3; version 0 is unsigned by the text, and signed in what writers write. */
function readCompositionOffsets(ctts: Box | undefined, count: number): Int32Array {
  const offsets = new Int32Array(count);
  if (ctts === undefined) return offsets;
  forEachRun(ctts.body, count, (at, view, offset) => {
    offsets[at] = view.getInt32(offset);
  });
  return offsets;
}

/** Tables of runs: how many samples, and what they share. */
function forEachRun(
  body: Uint8Array,
  count: number,
  visit: (at: number, view: DataView, offset: number) => void,
): void {
  const view = viewOf(body);
  const runs = view.getUint32(4);
  let at = 0;
  for (let run = 0; run < runs && at < count; run += 1) {
    const end = Math.min(count, at + view.getUint32(8 + run * 8));
    for (; at < end; at += 1) visit(at, view, 12 + run * 8);
  }
  if (at < count) throw new MalformedFragment(`a table of ${at} samples where there are ${count}`);
}

/** §8.6.2; without the table every sample is one. */
function readSyncSamples(stss: Box | undefined, count: number): Uint8Array {
  if (stss === undefined) return new Uint8Array(count).fill(1);
  const isSync = new Uint8Array(count);
  const view = viewOf(stss.body);
  const entries = Math.min(view.getUint32(4), count);
  for (let entry = 0; entry < entries; entry += 1) {
    const number = view.getUint32(8 + entry * 4);
    if (number >= 1 && number <= count) isSync[number - 1] = 1;
  }
  return isSync;
}

/** §8.7.4 and §8.7.5: chunks of samples that lie one behind the other. */
function readOffsets(stbl: readonly Box[], sizes: Uint32Array): Float64Array {
  const { chunkCount, offsetOf } = readChunkOffsets(stbl);
  const stsc = viewOf(getBox(stbl, 'stsc').body);
  const runs = stsc.getUint32(4);
  const offsets = new Float64Array(sizes.length);
  let sample = 0;
  for (let run = 0; run < runs; run += 1) {
    const perChunk = stsc.getUint32(12 + run * 12);
    if (perChunk === 0) throw new MalformedFragment('a chunk without samples');
    const next = run + 1 < runs ? stsc.getUint32(20 + run * 12) : chunkCount + 1;
    for (let chunk = stsc.getUint32(8 + run * 12); chunk < next && sample < sizes.length; chunk += 1) {
      const chunkOffset = offsetOf(chunk);
      sample = placeChunk(offsets, { sizes, sample, perChunk, chunkOffset });
    }
  }
  if (sample < sizes.length) throw new MalformedFragment(`chunks of ${sample} samples, not ${sizes.length}`);
  return offsets;
}

/** Chunks count from 1. */
function readChunkOffsets(stbl: readonly Box[]): {
  readonly chunkCount: number;
  readonly offsetOf: (chunk: number) => number;
} {
  const co64 = findBox(stbl, 'co64');
  const view = viewOf((co64 ?? getBox(stbl, 'stco')).body);
  const offsetOf =
    co64 === undefined
      ? (chunk: number) => view.getUint32(4 + chunk * 4)
      : (chunk: number) => Number(view.getBigUint64(chunk * 8));
  return { chunkCount: view.getUint32(4), offsetOf };
}

/** Returns the first sample of the next chunk. */
function placeChunk(
  offsets: Float64Array,
  chunk: {
    readonly sizes: Uint32Array;
    readonly sample: number;
    readonly perChunk: number;
    readonly chunkOffset: number;
  },
): number {
  const end = Math.min(chunk.sample + chunk.perChunk, chunk.sizes.length);
  let offset = chunk.chunkOffset;
  for (let sample = chunk.sample; sample < end; sample += 1) {
    offsets[sample] = offset;
    offset += chunk.sizes[sample] ?? 0;
  }
  return end;
}

/**
 * §8.6.6: what leading empty edits delay, less what the first edit with media cuts off. Later edits are not followed:
 * nothing that packages for streaming writes them.
 */
function editShift(
  trak: readonly Box[],
  { movieTimescale, timescale }: { readonly movieTimescale: number; readonly timescale: number },
): number {
  const edts = findBox(trak, 'edts');
  const elst = edts && findBox(readBoxes(edts.body), 'elst');
  if (elst === undefined) return 0;
  const view = viewOf(elst.body);
  const isLong = view.getUint8(0) === 1;
  const edits = Math.min(view.getUint32(4), EDITS_LOOKED_AT_MAX);
  let delay = 0;
  for (let edit = 0; edit < edits; edit += 1) {
    const at = 8 + edit * (isLong ? 20 : 12);
    const duration = isLong ? Number(view.getBigUint64(at)) : view.getUint32(at);
    const mediaTime = isLong ? Number(view.getBigInt64(at + 8)) : view.getInt32(at + 4);
    if (mediaTime !== -1) return Math.round((delay * timescale) / Math.max(1, movieTimescale)) - mediaTime;
    delay += duration;
  }
  return 0;
}

function viewOf(body: Uint8Array): DataView {
  return new DataView(body.buffer, body.byteOffset, body.byteLength);
}
