import { unsupportedSoundFormat, unsupportedVideoCodec } from '../formats/flv.ts';
import type { TrackType } from '../model/track.ts';
import { type Amf0Value, amf0Property } from '../protocols/rtmp/amf0.ts';

/** What `onMetaData` says that counts; undefined where it says nothing that can be believed. */
export interface StreamMetadata {
  /** A codec that this service does not take. */
  readonly unsupported: { readonly type: TrackType; readonly name: string } | undefined;
  /** Of a track of Enhanced RTMP; the only track outside of it is 0. */
  bitrateBps(type: TrackType, trackId: number): number | undefined;
  frameRate(trackId: number): number | undefined;
}

/** FFmpeg divides the bitrates of `onMetaData` by 1024, everybody else by 1000. */
const LAVF_KILO = 1024;
/** FourCCs, which Enhanced RTMP writes as numbers and some encoders as text, of codecs that are not taken. */
const UNSUPPORTED_FOUR_CCS: ReadonlySet<string> = new Set([
  ...['av01', 'vp08', 'vp09', 'vvc1', 'VP6F', 'VP6A', 'flv1'],
  ...['Opus', 'ac-3', 'ec-3', '.mp3', 'fLaC'],
]);

export function readStreamMetadata(metadata: Amf0Value): StreamMetadata {
  const encoder = amf0Property(metadata, 'encoder');
  const kilo = typeof encoder === 'string' && encoder.startsWith('Lavf') ? LAVF_KILO : 1000;
  // Track 0 is described by the top level, the others by `audioTrackIdInfoMap` and `videoTrackIdInfoMap`.
  const propertiesOf = (type: TrackType, trackId: number): Amf0Value =>
    trackId === 0 ? metadata : amf0Property(amf0Property(metadata, `${type}TrackIdInfoMap`), String(trackId));
  return {
    unsupported: unsupportedIn(metadata, 'video') ?? unsupportedIn(metadata, 'audio'),
    bitrateBps(type, trackId) {
      const kbps = positive(amf0Property(propertiesOf(type, trackId), `${type}datarate`));
      return kbps === undefined ? undefined : Math.round(kbps * kilo);
    },
    frameRate: (trackId) => positive(amf0Property(propertiesOf('video', trackId), 'framerate')),
  };
}

function unsupportedIn(metadata: Amf0Value, type: TrackType): StreamMetadata['unsupported'] {
  const codecId = amf0Property(metadata, `${type}codecid`);
  const name = typeof codecId === 'number' ? nameOf(type, codecId) : codecId;
  const isNumbered = typeof codecId === 'number' && codecId <= 0xff;
  if (typeof name !== 'string' || !(isNumbered || UNSUPPORTED_FOUR_CCS.has(name))) return undefined;
  return { type, name };
}

/** Numbers of FLV are small; larger ones are four characters. Sound format 0 is what encoders without audio write. */
function nameOf(type: TrackType, codecId: number): string | undefined {
  if (codecId <= 0xff) {
    if (type === 'video') return unsupportedVideoCodec(codecId);
    return codecId === 0 ? undefined : unsupportedSoundFormat(codecId);
  }
  const bytes = [24, 16, 8, 0].map((shift) => (codecId >>> shift) & 0xff);
  return String.fromCharCode(...bytes);
}

function positive(value: Amf0Value): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : undefined;
}
