import type { AudioFormat, VideoFormat } from '../../model/track.ts';
import { ADTS_HEADER_SIZE_BYTES } from './adts.ts';
import { toByteStream } from './byte-stream.ts';
import { PACKET_SIZE_BYTES, type PacketMemory, packetMemory } from './packet-memory.ts';
import {
  COUNTER_VALUES,
  PesPacketWriter,
  packetCount,
  pesHeaderSizeBytes,
  putPesHeader,
} from './pes-packets.ts';
import { PID, programTables, type StreamKind, TABLES_SIZE_BYTES } from './program-tables.ts';
import {
  type PictureUnit,
  planPictures,
  planSound,
  type SoundUnit,
  type TsFragment,
} from './segment-plan.ts';
import { wrap } from './timestamps.ts';

export interface TsSegmentToWrite {
  /** Counts up by one from segment to segment. */
  readonly number: number;
  readonly video: readonly TsFragment<VideoFormat>[];
  /** Undefined: the program has no sound. Of fragments that reach beyond the picture only what lies beside it. */
  readonly audio: readonly TsFragment<AudioFormat>[] | undefined;
  /** Which sound is in it, by where its frames begin; absent: all. */
  readonly soundSpan?: { readonly startTicks: number; readonly endTicks: number };
  /** Of the picture only the first, for key-frame playlists. */
  readonly isFirstPictureOnly?: boolean;
}

const STREAM_ID = { video: 0xe0, audio: 0xc0 } as const;
/** The clock is this far behind the decode time (90 kHz): what a decoder has to collect data. */
const CLOCK_LEAD = 45_000;
/** Packets are handed on in pieces of about this size, which the processor still has at hand then. */
const PIECE_SIZE_BYTES = 64 * 1024;

type Unit = PictureUnit | SoundUnit;

interface SizedUnit {
  readonly unit: Unit;
  /** Of its PES packet. */
  readonly sizeBytes: number;
  readonly clock: number | undefined;
}

/** A segment whose size is known before it is made. */
export interface PlannedTsSegment {
  readonly sizeBytes: number;
  /** Whole packets, piece by piece; each is good until `put` returns, which must not be asynchronous. */
  write(put: (packets: Uint8Array) => void): void;
}

/**
 * One MPEG-TS segment (ISO/IEC 13818-1, H.264 and HEVC in byte streams, AAC with ADTS) of CMAF fragments. Each can be
 * made for itself: times are those of the timeline, counters of the streams go round exactly, those of the tables follow
 * `number`. Throws `MalformedFragment`, `MalformedCodecConfiguration`, and a RangeError for what is too large.
 */
export function planTsSegment(segment: TsSegmentToWrite): PlannedTsSegment {
  const pictures = planPictures(segment.video);
  const sound = planSound(segment.audio ?? [], segment.soundSpan);
  const units = interleave(segment.isFirstPictureOnly === true ? pictures.slice(0, 1) : pictures, sound);
  const sized = units.map((unit) => sizedUnit(unit, pictures.length > 0));
  const extra = extraPackets(sized);
  const sizeBytes = outputSizeBytes(sized, extra);
  return { sizeBytes, write: (put) => writeUnits({ sized, extra, segment }, put) };
}

/** Sound comes before the picture that it is heard with. */
function interleave(pictures: readonly PictureUnit[], sound: readonly SoundUnit[]): Unit[] {
  const units: Unit[] = [];
  let next = 0;
  for (const picture of pictures) {
    for (let unit = sound[next]; unit !== undefined && unit.ticks <= picture.ticks; unit = sound[next]) {
      units.push(unit);
      next += 1;
    }
    units.push(picture);
  }
  return [...units, ...sound.slice(next)];
}

function sizedUnit(unit: Unit, hasPictures: boolean): SizedUnit {
  if (unit.kind === 'aac') {
    const clock = hasPictures ? undefined : wrap(unit.pts - CLOCK_LEAD);
    return { unit, sizeBytes: pesHeaderSizeBytes({ pts: unit.pts, dts: unit.pts }) + unit.sizeBytes, clock };
  }
  const { accessUnitDelimiter, parameterSets } = unit.format;
  const before = accessUnitDelimiter.length + (unit.needsParameterSets ? parameterSets.length : 0);
  return {
    unit,
    sizeBytes: pesHeaderSizeBytes(unit) + before + unit.bytes.length,
    clock: wrap(unit.dts - CLOCK_LEAD),
  };
}

function outputSizeBytes(sized: readonly SizedUnit[], extra: ReadonlyMap<number, number>): number {
  let packets = 0;
  let tables = TABLES_SIZE_BYTES;
  let kind = pictureKindOf(sized);
  sized.forEach((each, position) => {
    packets += packetCount(each) + (extra.get(position) ?? 0);
    if (each.unit.kind !== 'aac' && each.unit.kind !== kind) {
      kind = each.unit.kind;
      tables += TABLES_SIZE_BYTES;
    }
  });
  return packets * PACKET_SIZE_BYTES + tables;
}

/** Undefined: there are none. */
function pictureKindOf(sized: readonly SizedUnit[]): PictureUnit['kind'] | undefined {
  for (const { unit } of sized) if (unit.kind !== 'aac') return unit.kind;
  return undefined;
}

interface UnitsToWrite {
  readonly sized: readonly SizedUnit[];
  readonly extra: ReadonlyMap<number, number>;
  readonly segment: TsSegmentToWrite;
}

function writeUnits({ sized, extra, segment }: UnitsToWrite, put: (packets: Uint8Array) => void): void {
  const { memory, packetsAt } = memoryFor(sized);
  const writer = new PesPacketWriter(memory, packetsAt);
  const audioKinds: StreamKind[] = segment.audio === undefined ? [] : ['aac'];
  let pictureKind = pictureKindOf(sized);
  let counter = segment.number;
  const writeTables = () => {
    writer.copy(programTables([...(pictureKind === undefined ? [] : [pictureKind]), ...audioKinds], counter));
    counter += 1;
  };
  const handOn = () => {
    put(memory.bytes.subarray(packetsAt, writer.at));
    writer.restartAt(packetsAt);
  };
  writeTables();
  sized.forEach((each, position) => {
    const { unit } = each;
    if (unit.kind !== 'aac' && unit.kind !== pictureKind) {
      pictureKind = unit.kind;
      writeTables();
    }
    writer.begin({
      pid: unit.kind === 'aac' ? PID.audio : PID.video,
      clock: each.clock,
      isRandomAccessPoint: unit.kind === 'aac' || unit.isKeyFrame,
      sizeBytes: each.sizeBytes,
      extraPackets: extra.get(position) ?? 0,
    });
    writer.append(0, unit.kind === 'aac' ? putSound(memory, unit) : putPicture(memory, unit));
    if (writer.at - packetsAt >= PIECE_SIZE_BYTES) handOn();
  });
  handOn();
}

/** Room for one PES packet, and behind it for the packets of it and of what has not been handed on. */
function memoryFor(sized: readonly SizedUnit[]): { memory: PacketMemory; packetsAt: number } {
  const largest = sized.reduce((most, { sizeBytes }) => Math.max(most, sizeBytes), 0);
  const packets = packetCount({ sizeBytes: largest, clock: 0 }) + COUNTER_VALUES;
  const packetsAt = largest + PACKET_SIZE_BYTES;
  const sizeBytes = packetsAt + PIECE_SIZE_BYTES + 2 * TABLES_SIZE_BYTES + packets * PACKET_SIZE_BYTES;
  return { memory: packetMemory(sizeBytes), packetsAt };
}

/**
 * The last PES packet of each stream gets more packets than it needs, so that their number is a multiple of what the
 * continuity counter goes round with: the next segment goes on with 0, though nobody knows what was in this one.
 */
function extraPackets(sized: readonly SizedUnit[]): ReadonlyMap<number, number> {
  const counts = { picture: 0, sound: 0 };
  const last = { picture: -1, sound: -1 };
  sized.forEach((each, position) => {
    const stream = each.unit.kind === 'aac' ? 'sound' : 'picture';
    counts[stream] += packetCount(each);
    last[stream] = position;
  });
  return new Map(
    (['picture', 'sound'] as const).map((stream) => [
      last[stream],
      (COUNTER_VALUES - (counts[stream] % COUNTER_VALUES)) % COUNTER_VALUES,
    ]),
  );
}

/** Its PES packet, at the beginning of the memory; returns its size. */
function putPicture({ bytes, view }: PacketMemory, unit: PictureUnit): number {
  const { accessUnitDelimiter, parameterSets } = unit.format;
  const { pts, dts } = unit;
  let end = putPesHeader(bytes, 0, { streamId: STREAM_ID.video, pts, dts, payloadSizeBytes: undefined });
  bytes.set(accessUnitDelimiter, end);
  end += accessUnitDelimiter.length;
  if (unit.needsParameterSets) {
    bytes.set(parameterSets, end);
    end += parameterSets.length;
  }
  bytes.set(unit.bytes, end);
  toByteStream(view, { at: end, sizeBytes: unit.bytes.length }, unit.format);
  return end + unit.bytes.length;
}

function putSound({ bytes }: PacketMemory, unit: SoundUnit): number {
  const { pts, frames, sizeBytes } = unit;
  let end = putPesHeader(bytes, 0, {
    streamId: STREAM_ID.audio,
    pts,
    dts: pts,
    payloadSizeBytes: sizeBytes,
  });
  for (const frame of frames) {
    frame.putHeader(bytes, end, frame.bytes.length);
    end += ADTS_HEADER_SIZE_BYTES;
    bytes.set(frame.bytes, end);
    end += frame.bytes.length;
  }
  return end;
}
