import type { AudioFormat, VideoFormat } from '../../model/track.ts';
import { TICKS_PER_SECOND } from '../../time/timescale.ts';
import { type ParsedSample, parseFragment } from '../isobmff/fragment-reader.ts';
import { ADTS_HEADER_SIZE_BYTES, adtsHeaders, type PutAdtsHeader } from './adts.ts';
import { type ByteStreamFormat, byteStreamFormat, findAccessUnit } from './byte-stream.ts';
import { CLOCK_HZ, timestampOf, wrap } from './timestamps.ts';

export interface TsFragment<F extends VideoFormat | AudioFormat> {
  readonly format: F;
  /** moof + mdat, in the clear; times in ticks. */
  readonly bytes: Uint8Array;
}

interface ReadFragment<F extends VideoFormat | AudioFormat> extends TsFragment<F> {
  readonly decodeTimeTicks: number;
  readonly samples: readonly ParsedSample[];
}

export interface PictureUnit {
  readonly kind: VideoFormat['kind'];
  readonly ticks: number;
  readonly pts: number;
  readonly dts: number;
  readonly isKeyFrame: boolean;
  readonly format: ByteStreamFormat;
  readonly needsParameterSets: boolean;
  /** Its length-prefixed NAL units. */
  readonly bytes: Uint8Array;
}

/** Frames of sound that share a PES packet. */
export interface SoundUnit {
  readonly kind: 'aac';
  readonly ticks: number;
  readonly pts: number;
  readonly frames: readonly SoundFrame[];
  /** With the ADTS headers. */
  readonly sizeBytes: number;
}

interface SoundFrame {
  readonly bytes: Uint8Array;
  readonly putHeader: PutAdtsHeader;
}

/** Longer ones delay what is beside them, shorter ones cost a header and half a packet each. */
const FRAMES_PER_PES_MAX = 8;
/** Decode times are put back by a multiple of this: one that fits all segments of an encoder. */
const DECODE_SHIFT_TICKS = TICKS_PER_SECOND / 4;
const JITTER_TICKS = TICKS_PER_SECOND / 1000;

function read<F extends VideoFormat | AudioFormat>(fragment: TsFragment<F>): ReadFragment<F> {
  const { decodeTimeTicks, samples } = parseFragment(fragment.bytes);
  return { ...fragment, decodeTimeTicks, samples };
}

/**
 * Access units in decode order. A picture must not be shown before it is decoded (ISO/IEC 13818-1 §2.4.3.7), which CMAF
 * with negative composition offsets has: decode times are put back then, presentation times stay what those of the sound
 * are measured by.
 */
export function planPictures(video: readonly TsFragment<VideoFormat>[]): PictureUnit[] {
  const fragments = video.map(read);
  const shift = decodeShift(fragments);
  const units: PictureUnit[] = [];
  for (const { format, bytes, decodeTimeTicks, samples } of fragments) {
    const byteStream = byteStreamFormat(format);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let ticks = decodeTimeTicks;
    for (const sample of samples) {
      const place = findAccessUnit(view, { at: sample.offset, sizeBytes: sample.sizeBytes }, byteStream);
      units.push({
        kind: format.kind,
        ticks,
        pts: timestampOf(ticks + sample.compositionOffsetTicks),
        dts: wrap(timestampOf(ticks) - shift),
        isKeyFrame: sample.isRandomAccessPoint,
        format: byteStream,
        needsParameterSets: sample.isRandomAccessPoint && !place.hasParameterSets,
        bytes: bytes.subarray(place.at, place.at + place.sizeBytes),
      });
      ticks += sample.durationTicks;
    }
  }
  return units;
}

/** 90 kHz */
function decodeShift(fragments: readonly ReadFragment<VideoFormat>[]): number {
  let earliest = 0;
  for (const { samples } of fragments) {
    for (const { compositionOffsetTicks } of samples) earliest = Math.min(earliest, compositionOffsetTicks);
  }
  return (Math.ceil(-earliest / DECODE_SHIFT_TICKS) * DECODE_SHIFT_TICKS * CLOCK_HZ) / TICKS_PER_SECOND;
}

type Span = { readonly startTicks: number; readonly endTicks: number };

/** Frames that begin within the span (undefined: all), in PES packets of several without a gap between them. */
export function planSound(audio: readonly TsFragment<AudioFormat>[], span: Span | undefined): SoundUnit[] {
  const units: SoundUnit[] = [];
  let frames: TimedSoundFrame[] = [];
  let nextTicks = Number.NaN;
  for (const frame of audio.flatMap((fragment) => framesOf(read(fragment), span))) {
    const follows = Math.abs(frame.ticks - nextTicks) <= JITTER_TICKS;
    if (!follows || frames.length === FRAMES_PER_PES_MAX) {
      units.push(...soundUnit(frames));
      frames = [];
    }
    frames.push(frame);
    nextTicks = frame.ticks + frame.durationTicks;
  }
  units.push(...soundUnit(frames));
  return units;
}

interface TimedSoundFrame extends SoundFrame {
  readonly ticks: number;
  readonly durationTicks: number;
}

function framesOf(
  { format, bytes, decodeTimeTicks, samples }: ReadFragment<AudioFormat>,
  span: Span | undefined,
): TimedSoundFrame[] {
  const putHeader = adtsHeaders(format);
  const frames: TimedSoundFrame[] = [];
  let ticks = decodeTimeTicks;
  for (const { offset, sizeBytes, durationTicks } of samples) {
    const isInside = span === undefined || (ticks >= span.startTicks && ticks < span.endTicks);
    if (isInside) {
      const frame = bytes.subarray(offset, offset + sizeBytes);
      frames.push({ bytes: frame, putHeader, ticks, durationTicks });
    }
    ticks += durationTicks;
  }
  return frames;
}

/** None of no frames. */
function soundUnit(frames: readonly TimedSoundFrame[]): SoundUnit[] {
  const [first] = frames;
  if (first === undefined) return [];
  const sizeBytes = frames.reduce((sum, { bytes }) => sum + ADTS_HEADER_SIZE_BYTES + bytes.length, 0);
  return [{ kind: 'aac', ticks: first.ticks, pts: timestampOf(first.ticks), frames, sizeBytes }];
}
