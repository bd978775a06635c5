import { type Box, readBoxes } from '../formats/isobmff/box-reader.ts';
import { type MovieFragment, parseMovieFragment } from '../formats/isobmff/fragment-reader.ts';
import { MalformedFragment } from '../formats/isobmff/malformed-fragment.ts';
import type { TrackHeader } from '../formats/isobmff/movie-header-reader.ts';
import type { TimedSample } from '../model/sample.ts';
import { rescale, TICKS_PER_SECOND } from '../time/timescale.ts';

/** Of one blob: a fragment, or several chunks of one. */
export interface ArchivedSamples {
  /** What the first chunk says of its time, in the track's timescale; undefined: it says nothing. */
  readonly time: bigint | undefined;
  /** Ticks, counted from the blob's own start. */
  readonly samples: readonly TimedSample[];
  readonly durationTicks: number;
}

/**
 * Any number of moof + mdat, with other boxes between them; of those of several tracks, `trackId`'s. Throws
 * `MalformedFragment`.
 */
export function readArchivedSamples(
  bytes: Uint8Array,
  header: TrackHeader,
  trackId?: number,
): ArchivedSamples {
  const boxes = readBoxes(bytes);
  const samples: TimedSample[] = [];
  let time: bigint | undefined;
  /** In the track's timescale, from the blob's start. */
  let elapsed = 0;
  for (const [at, box] of boxes.entries()) {
    if (box.type !== 'moof') continue;
    const chunk = readChunk(bytes, box, { mdat: boxes[at + 1], header, trackId });
    if (trackId !== undefined && chunk.trackId !== trackId) continue;
    if (samples.length === 0) time = chunk.tfdt ?? chunk.tfxd?.absoluteTime;
    for (const sample of chunk.samples) {
      const { timescale } = header;
      const dtsTicks = toTicks(elapsed, timescale);
      const presented = toTicks(elapsed + sample.compositionOffsetTicks, timescale);
      elapsed += sample.durationTicks;
      const start = box.offset + sample.offset;
      samples.push({
        dtsTicks,
        compositionOffsetTicks: presented - dtsTicks,
        isRandomAccessPoint: sample.isRandomAccessPoint,
        durationTicks: toTicks(elapsed, timescale) - dtsTicks,
        data: bytes.subarray(start, start + sample.sizeBytes),
      });
    }
  }
  if (samples.length === 0) throw new MalformedFragment('a blob without a fragment');
  return { time, samples, durationTicks: toTicks(elapsed, header.timescale) };
}

function readChunk(
  bytes: Uint8Array,
  moof: Box,
  chunk: {
    readonly mdat: Box | undefined;
    readonly header: TrackHeader;
    readonly trackId: number | undefined;
  },
): MovieFragment {
  const { mdat, header, trackId } = chunk;
  if (mdat?.type !== 'mdat') throw new MalformedFragment('a moof without its mdat');
  const offset = mdat.offset + mdat.sizeBytes - mdat.body.length - moof.offset;
  const whole = bytes.subarray(moof.offset, moof.offset + moof.sizeBytes);
  return parseMovieFragment(whole, { offset, sizeBytes: mdat.body.length }, (id) =>
    trackId === undefined || id === trackId ? header.defaults : undefined,
  );
}

const toTicks = (time: number, timescale: number): number =>
  rescale(time, { from: timescale, to: TICKS_PER_SECOND });
