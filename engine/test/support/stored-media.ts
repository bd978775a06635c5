import { readFile } from 'node:fs/promises';
import { parseAacFormat } from '../../src/codecs/aac.ts';
import { parseH264Format } from '../../src/codecs/h264.ts';
import { parseHevcFormat } from '../../src/codecs/hevc.ts';
import { getBox, readBoxes } from '../../src/formats/isobmff/box-reader.ts';
import { writeCmafHeader } from '../../src/formats/isobmff/cmaf-header-writer.ts';
import { parseMovieFragment } from '../../src/formats/isobmff/fragment-reader.ts';
import { writeFragment } from '../../src/formats/isobmff/fragment-writer.ts';
import { parseMovieHeader } from '../../src/formats/isobmff/movie-header-reader.ts';
import type { TimedSample } from '../../src/model/sample.ts';
import type { Track, TrackFormat } from '../../src/model/track.ts';
import { rescale, TICKS_PER_SECOND } from '../../src/time/timescale.ts';
import { ffmpeg } from './programs.ts';

/** A track as a recording has it: header and fragments of our own writers, around samples that FFmpeg made. */
export interface StoredMedia {
  readonly track: Track;
  readonly header: Uint8Array;
  readonly fragments: readonly StoredMediaFragment[];
  readonly samples: readonly TimedSample[];
}

export interface StoredMediaFragment {
  readonly bytes: Uint8Array;
  readonly entry: { readonly formatIndex: 0; readonly firstSample: number; readonly sampleCount: number };
}

const FORMAT_OF: Readonly<Record<string, (configurationRecord: Uint8Array) => TrackFormat>> = {
  avc1: parseH264Format,
  hvc1: parseHevcFormat,
  hev1: parseHevcFormat,
  mp4a: parseAacFormat,
};

/** Encodes with FFmpeg (`encoding` makes one stream) and cuts what comes out at the first random access
 * point after every `samplesPerFragment` samples. */
export async function makeStoredMedia(
  file: string,
  encoding: readonly string[],
  o: { readonly ordinal: number; readonly samplesPerFragment: number },
): Promise<StoredMedia> {
  const complaints = await ffmpeg(
    ...['-y', ...encoding],
    ...['-movflags', 'frag_keyframe+empty_moov+default_base_moof', '-f', 'mp4', file],
  );
  if (complaints.includes('rror')) throw new Error(complaints);
  return storeMedia(await readFile(file), o);
}

/** The one track of a fragmented file. */
export function storeMedia(
  file: Uint8Array,
  o: { readonly ordinal: number; readonly samplesPerFragment: number },
): StoredMedia {
  const boxes = readBoxes(file);
  const moov = getBox(boxes, 'moov');
  const [movie] = parseMovieHeader(file.subarray(moov.offset, moov.offset + moov.sizeBytes));
  const parseFormat = FORMAT_OF[movie?.codec ?? ''];
  if (movie?.configurationRecord === undefined || parseFormat === undefined)
    throw new Error('no known track');
  const format = parseFormat(movie.configurationRecord);
  const type = movie.handlerType === 'vide' ? 'video' : 'audio';
  const track: Track = {
    ...{ type, ordinal: o.ordinal, streamName: type, bitrateBps: 1_000_000, folder: `${type}_1000000` },
    formats: [format],
  };
  const samples: TimedSample[] = [];
  const toTicks = (units: number) => rescale(units, { from: movie.timescale, to: TICKS_PER_SECOND });
  let units = 0;
  for (const [at, moof] of boxes.entries()) {
    const mdat = boxes[at + 1];
    if (moof.type !== 'moof' || mdat === undefined) continue;
    const payload = { offset: mdat.offset + 8 - moof.offset, sizeBytes: mdat.body.length };
    const bytes = file.subarray(moof.offset, moof.offset + moof.sizeBytes);
    for (const sample of parseMovieFragment(bytes, payload, () => movie.defaults).samples) {
      const start = moof.offset + sample.offset;
      samples.push({
        dtsTicks: toTicks(units),
        durationTicks: toTicks(units + sample.durationTicks) - toTicks(units),
        compositionOffsetTicks: toTicks(sample.compositionOffsetTicks),
        isRandomAccessPoint: sample.isRandomAccessPoint,
        data: file.slice(start, start + sample.sizeBytes),
      });
      units += sample.durationTicks;
    }
  }
  return { track, header: writeCmafHeader(track, 0), samples, fragments: cut(track, samples, o) };
}

function cut(
  track: Track,
  samples: readonly TimedSample[],
  { samplesPerFragment }: { readonly samplesPerFragment: number },
): StoredMediaFragment[] {
  const fragments: StoredMediaFragment[] = [];
  let at = 0;
  while (at < samples.length) {
    const next = samples.findIndex(
      (sample, index) => index >= at + samplesPerFragment && sample.isRandomAccessPoint,
    );
    const part = samples.slice(at, next === -1 ? samples.length : next);
    const decodeTimeTicks = part[0]?.dtsTicks ?? 0;
    const { head, payload } = writeFragment({
      track,
      sequence: fragments.length,
      decodeTimeTicks,
      samples: part,
    });
    fragments.push({
      bytes: new Uint8Array(Buffer.concat([head, ...payload])),
      entry: { formatIndex: 0, firstSample: at, sampleCount: part.length },
    });
    at += part.length;
  }
  return fragments;
}
