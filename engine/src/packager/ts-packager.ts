import { segmentIv } from '../encryption/initialization-vector.ts';
import { allocateOutput } from '../encryption/output-buffer.ts';
import { encryptSegmentOf } from '../encryption/segment-encryption.ts';
import type { TsFragment } from '../formats/mpegts/segment-plan.ts';
import { planTsSegment, type TsSegmentToWrite } from '../formats/mpegts/segment-writer.ts';
import type { FragmentEntry } from '../model/presentation.ts';
import type { Protection, ProtectionKey } from '../model/protection.ts';
import { type AudioFormat, isVideoFormat, type Track, type VideoFormat } from '../model/track.ts';
import { extentOf, type TsSegment, tsSegmentKey } from './ts-segments.ts';

/** What a segment is made of. */
export interface NeededFragment {
  readonly track: Track;
  readonly entry: FragmentEntry;
}

/** Every fragment whose bytes `packageTsSegment` asks for. */
export function fragmentsOfTsSegment({ trackIndex, entries, sound }: TsSegment): readonly NeededFragment[] {
  return [
    ...entries.map((entry) => ({ track: trackIndex.track, entry })),
    ...(sound?.entries.map((entry) => ({ track: sound.trackIndex.track, entry })) ?? []),
  ];
}

/**
 * The bytes of a segment, encrypted as a whole when one of its tracks has a key; `bytesOf` gives stored fragments
 * (moof + mdat, in the clear). Sample encryption has no form in MPEG-TS here: throws a RangeError for another scheme than
 * `aes128`, else what `planTsSegment` throws.
 */
export function packageTsSegment(
  segment: TsSegment,
  bytesOf: (track: Track, entry: FragmentEntry) => Uint8Array,
  protection?: Protection,
): Uint8Array {
  const { trackIndex, entries, sound, number } = segment;
  const { track } = trackIndex;
  const own = entries.map((entry) => ({ format: formatOf(track, entry), bytes: bytesOf(track, entry) }));
  const beside = sound?.entries.map((entry) => ({
    format: formatOf(sound.trackIndex.track, entry),
    bytes: bytesOf(sound.trackIndex.track, entry),
  }));
  const isPicture = track.type === 'video';
  const { startTicks, endTicks } = extentOf(segment);
  const toWrite: TsSegmentToWrite = {
    number,
    video: isPicture ? own.filter(isVideo) : [],
    audio: isPicture ? beside?.filter(isAudio) : own.filter(isAudio),
    ...(isPicture ? { soundSpan: { startTicks, endTicks } } : {}),
  };
  const key = protection && tsSegmentKey(segment, protection);
  return write(toWrite, { track, entry: entries[0], protection, key });
}

/** The key frame that a stored fragment begins with, as a segment by itself. Throws as `packageTsSegment` does. */
export function packageTsKeyFrame(
  stored: Uint8Array,
  of: { readonly track: Track; readonly entry: FragmentEntry; readonly protection?: Protection | undefined },
): Uint8Array {
  const { track, entry, protection } = of;
  const video = [{ format: formatOf(track, entry), bytes: stored }].filter(isVideo);
  const toWrite = { number: entry.sequence, video, audio: undefined, isFirstPictureOnly: true };
  return write(toWrite, { track, entry, protection, key: protection?.keyOf(track) });
}

function write(
  toWrite: TsSegmentToWrite,
  of: {
    readonly track: Track;
    readonly entry: FragmentEntry;
    readonly protection: Protection | undefined;
    readonly key: ProtectionKey | undefined;
  },
): Uint8Array {
  const { track, entry, protection, key } = of;
  const { sizeBytes, write: writePackets } = planTsSegment(toWrite);
  if (protection === undefined || key === undefined) {
    const output = allocateOutput(sizeBytes, undefined);
    let at = 0;
    writePackets((packets) => {
      output.set(packets, at);
      at += packets.length;
    });
    return output;
  }
  if (protection.scheme !== 'aes128') throw new RangeError(`MPEG-TS has no ${protection.scheme}`);
  const iv = segmentIv({ track, entry, ivSalt: protection.ivSalt });
  return encryptSegmentOf(sizeBytes, { key, iv }, writePackets);
}

function formatOf(track: Track, { formatIndex }: FragmentEntry): Track['formats'][number] {
  const format = track.formats[formatIndex];
  if (format === undefined) throw new RangeError(`no format ${formatIndex} of ${track.formats.length}`);
  return format;
}

type AnyFragment = { readonly format: Track['formats'][number]; readonly bytes: Uint8Array };

const isVideo = (fragment: AnyFragment): fragment is TsFragment<VideoFormat> =>
  isVideoFormat(fragment.format);
const isAudio = (fragment: AnyFragment): fragment is TsFragment<AudioFormat> =>
  fragment.format.kind === 'aac';
