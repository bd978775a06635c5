import { writeFragment } from '../../src/formats/isobmff/fragment-writer.ts';
import type { FragmentEntry, PresentationIndex, TrackIndex } from '../../src/model/presentation.ts';
import type { Protection } from '../../src/model/protection.ts';
import type { TimedSample } from '../../src/model/sample.ts';
import type { Track } from '../../src/model/track.ts';
import { writeMediaPlaylist } from '../../src/packager/hls-media-playlist.ts';
import type { StreamingForm } from '../../src/packager/streaming-path.ts';
import { packageTsSegment } from '../../src/packager/ts-packager.ts';
import { tsSegmentOf } from '../../src/packager/ts-segments.ts';

/** One track with the bytes of its fragments. */
export interface TsShowTrack {
  readonly index: TrackIndex;
  readonly bytesOf: (entry: FragmentEntry) => Uint8Array;
}

/** Samples cut into fragments of that many, each at the next random access point, all of them later by `startTicks`. */
export function tsShowTrack(
  track: Track,
  samples: readonly TimedSample[],
  o: { readonly startTicks: number; readonly samplesPerFragment: number },
): TsShowTrack {
  const entries: FragmentEntry[] = [];
  const bytes = new Map<FragmentEntry, Uint8Array>();
  for (let at = 0; at < samples.length; ) {
    const next = samples.findIndex(
      (sample, index) => index >= at + o.samplesPerFragment && sample.isRandomAccessPoint,
    );
    const part = samples.slice(at, next === -1 ? samples.length : next);
    const decodeTimeTicks = (part[0]?.dtsTicks ?? 0) + o.startTicks;
    const { head, payload, sizeBytes } = writeFragment({
      ...{ track, sequence: entries.length, decodeTimeTicks, samples: part },
    });
    const entry: FragmentEntry = {
      sequence: entries.length,
      decodeTimeTicks,
      durationTicks: part.reduce((sum, { durationTicks }) => sum + durationTicks, 0),
      sizeBytes,
      sampleCount: part.length,
      firstSample: at,
      discontinuity: 0,
      formatIndex: 0,
      committedAtMs: 1_000,
    };
    entries.push(entry);
    bytes.set(entry, new Uint8Array(Buffer.concat([head, ...payload], sizeBytes)));
    at += part.length;
  }
  return {
    index: { track, fragments: entries },
    bytesOf: (entry) => bytes.get(entry) ?? new Uint8Array(),
  };
}

export interface ListedTsSegment {
  readonly uri: string;
  readonly durationSeconds: number;
  readonly bytes: Uint8Array;
}

/** The playlist of a track, and every segment in it, made from its address. */
export function listTsSegments(
  index: PresentationIndex,
  tracks: readonly TsShowTrack[],
  o: { readonly track: TsShowTrack; readonly form: StreamingForm; readonly protection?: Protection },
): { readonly playlist: string; readonly segments: readonly ListedTsSegment[] } {
  const { track, form, protection } = o;
  const playlist = writeMediaPlaylist(index, track.index, { form, protection, isKeyFrames: false });
  const bytesOf = (of: Track, entry: FragmentEntry) =>
    tracks.find(({ index: { track: candidate } }) => candidate === of)?.bytesOf(entry) ?? new Uint8Array();
  const segments = [...playlist.matchAll(/#EXTINF:([\d.]+),\n(Fragments\(\w+=(\d+),.*\))$/gm)].map(
    ([, duration, uri = '', ticks]) => {
      const found = tsSegmentOf(index, track.index, { decodeTimeTicks: Number(ticks), form });
      if (found.kind !== 'found') throw new Error(`${uri} is listed and ${found.kind}`);
      const bytes = packageTsSegment(found.segment, bytesOf, protection);
      return { uri, durationSeconds: Number(duration), bytes };
    },
  );
  return { playlist, segments };
}
