import type { AudioFormat, VideoFormat } from '../../model/track.ts';
import { ADTS_HEADER_SIZE_BYTES } from './adts.ts';
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
  type LoadedFragment,
  load,
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
/** For headers, and for the frames of sound that share a PES packet. */
const SCRATCH_SIZE_BYTES = 128 * 1024;
const UNALIGNED_BYTES = 64;

type Unit = PictureUnit | SoundUnit;

interface SizedUnit {
  readonly unit: Unit;
  /** Of its PES packet. */
  readonly sizeBytes: number;
  readonly clock: number | undefined;
}

/**
 * One MPEG-TS segment (ISO/IEC 13818-1, H.264 and HEVC in byte streams, AAC with ADTS) of CMAF fragments. Each can be
 * made for itself: times are those of the timeline, counters of the streams go round exactly, those of the tables follow
 * `number`. `use` gets the bytes, which are good until it returns: it must not be asynchronous. Throws
 * `MalformedFragment`, `MalformedCodecConfiguration`, and a RangeError for what is too large.
 */
export function withTsSegment<T>(segment: TsSegmentToWrite, use: (bytes: Uint8Array) => T): T {
  const { video, audio } = segment;
  const sourceBytes = [...video, ...(audio ?? [])].reduce((sum, { bytes }) => sum + bytes.length, 0);
  const outputAt = SCRATCH_SIZE_BYTES + sourceBytes + UNALIGNED_BYTES;
  const loading = packetMemory(outputAt);
  let at = SCRATCH_SIZE_BYTES;
  const loadAll = <F extends VideoFormat | AudioFormat>(fragments: readonly TsFragment<F>[]) =>
    fragments.map((fragment): LoadedFragment<F> => {
      const loaded = load(fragment, loading, at);
      at += fragment.bytes.length;
      return loaded;
    });
  const pictures = planPictures(loadAll(video), loading);
  const sound = planSound(loadAll(audio ?? []), segment.soundSpan);
  const units = interleave(segment.isFirstPictureOnly === true ? pictures.slice(0, 1) : pictures, sound);
  const sized = units.map((unit) => sizedUnit(unit, pictures.length > 0));
  const memory = loading.grow(outputAt + outputSizeBytes(sized));
  const writer = new PesPacketWriter(memory, outputAt);
  writeUnits(writer, memory, { sized, segment });
  return use(memory.bytes.subarray(outputAt, writer.at));
}

/** The same, in a buffer of its own. */
export function writeTsSegment(segment: TsSegmentToWrite): Uint8Array {
  return withTsSegment(segment, (bytes) => {
    const copy = new Uint8Array(Buffer.allocUnsafeSlow(bytes.length).buffer);
    copy.set(bytes);
    return copy;
  });
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
    sizeBytes: pesHeaderSizeBytes(unit) + before + unit.sizeBytes,
    clock: wrap(unit.dts - CLOCK_LEAD),
  };
}

function outputSizeBytes(sized: readonly SizedUnit[]): number {
  let packets = 2 * COUNTER_VALUES;
  let tables = TABLES_SIZE_BYTES;
  let kind: Unit['kind'] | undefined;
  for (const each of sized) {
    packets += packetCount(each);
    if (each.unit.kind !== 'aac' && each.unit.kind !== kind) {
      kind = each.unit.kind;
      tables += TABLES_SIZE_BYTES;
    }
  }
  return packets * PACKET_SIZE_BYTES + tables;
}

function writeUnits(
  writer: PesPacketWriter,
  memory: PacketMemory,
  { sized, segment }: { readonly sized: readonly SizedUnit[]; readonly segment: TsSegmentToWrite },
): void {
  const extra = extraPackets(sized);
  const audioKinds: StreamKind[] = segment.audio === undefined ? [] : ['aac'];
  let pictureKind = sized.map(({ unit }) => unit.kind).find((kind) => kind !== 'aac');
  let counter = segment.number;
  const writeTables = () => {
    writer.copy(programTables([...(pictureKind === undefined ? [] : [pictureKind]), ...audioKinds], counter));
    counter += 1;
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
    if (unit.kind === 'aac') appendSound(writer, memory, unit);
    else appendPicture(writer, memory, unit);
  });
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

function appendPicture(writer: PesPacketWriter, { bytes }: PacketMemory, unit: PictureUnit): void {
  const { accessUnitDelimiter, parameterSets } = unit.format;
  const { pts, dts } = unit;
  let end = putPesHeader(bytes, 0, { streamId: STREAM_ID.video, pts, dts, payloadSizeBytes: undefined });
  bytes.set(accessUnitDelimiter, end);
  end += accessUnitDelimiter.length;
  if (unit.needsParameterSets) {
    bytes.set(parameterSets, end);
    end += parameterSets.length;
  }
  writer.append(0, end);
  writer.append(unit.at, unit.sizeBytes);
}

function appendSound(writer: PesPacketWriter, { bytes }: PacketMemory, unit: SoundUnit): void {
  const { pts, frames, sizeBytes } = unit;
  let end = putPesHeader(bytes, 0, {
    streamId: STREAM_ID.audio,
    pts,
    dts: pts,
    payloadSizeBytes: sizeBytes,
  });
  for (const frame of frames) {
    frame.putHeader(bytes, end, frame.sizeBytes);
    end += ADTS_HEADER_SIZE_BYTES;
    bytes.copyWithin(end, frame.at, frame.at + frame.sizeBytes);
    end += frame.sizeBytes;
  }
  writer.append(0, end);
}
