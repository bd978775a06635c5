import { PACKET_SIZE_BYTES } from './packet-memory.ts';

export const PID = { map: 0x1000, video: 0x100, audio: 0x101 } as const;

export type StreamKind = 'h264' | 'hevc' | 'aac';

/** ISO/IEC 13818-1 table 2-34. */
const STREAM_TYPE = { h264: 0x1b, hevc: 0x24, aac: 0x0f } as const;
/** A registration descriptor, §2.6.8: some readers of HEVC want it. */
const HEVC_REGISTRATION = [0x05, 4, ...Buffer.from('HEVC')];
const PID_OF = { h264: PID.video, hevc: PID.video, aac: PID.audio } as const;
const PROGRAM = 1;
const CRC_SIZE_BYTES = 4;

export const TABLES_SIZE_BYTES = 2 * PACKET_SIZE_BYTES;

/** PAT and PMT (ISO/IEC 13818-1 §2.4.4) with these streams, a packet each; the first stream carries the clock. */
export function programTables(kinds: readonly StreamKind[], continuityCounter: number): Uint8Array {
  const [clock] = kinds;
  if (clock === undefined) throw new RangeError('a program has a stream');
  const packets = new Uint8Array(TABLES_SIZE_BYTES).fill(0xff);
  const pat = section(0, 1, [...u16(PROGRAM), ...u16(0xe000 | PID.map)], 0);
  const streams = kinds.flatMap((kind) => {
    const descriptors = kind === 'hevc' ? HEVC_REGISTRATION : [];
    return [
      STREAM_TYPE[kind],
      ...u16(0xe000 | PID_OF[kind]),
      ...u16(0xf000 | descriptors.length),
      ...descriptors,
    ];
  });
  const pmt = section(
    2,
    PROGRAM,
    [...u16(0xe000 | PID_OF[clock]), ...u16(0xf000), ...streams],
    versionOf(kinds),
  );
  putPacket(packets.subarray(0, PACKET_SIZE_BYTES), { pid: 0, continuityCounter, section: pat });
  putPacket(packets.subarray(PACKET_SIZE_BYTES), { pid: PID.map, continuityCounter, section: pmt });
  return packets;
}

/** The same for the same streams, another for others: §2.4.4.9 wants it to change with them. */
function versionOf(kinds: readonly StreamKind[]): number {
  return kinds.reduce((version, kind) => version + { h264: 1, hevc: 2, aac: 4 }[kind], 0);
}

function putPacket(
  packet: Uint8Array,
  of: { readonly pid: number; readonly continuityCounter: number; readonly section: readonly number[] },
): void {
  packet.set([
    0x47,
    0x40 | (of.pid >>> 8),
    of.pid & 0xff,
    0x10 | (of.continuityCounter & 15),
    0,
    ...of.section,
  ]);
}

function section(tableId: number, id: number, content: readonly number[], version: number): number[] {
  const length = 5 + content.length + CRC_SIZE_BYTES;
  const bytes = [
    tableId,
    ...u16(0xb000 | length),
    ...u16(id),
    0xc1 | (version << 1), // current_next_indicator
    ...[0, 0], // section 0 of 0
    ...content,
  ];
  const crc = crc32(bytes);
  return [...bytes, ...u16(crc >>> 16), ...u16(crc & 0xffff)];
}

function u16(value: number): number[] {
  return [(value >>> 8) & 0xff, value & 0xff];
}

/** ISO/IEC 13818-1 annex A: not reflected, not inverted. */
function crc32(bytes: readonly number[]): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte << 24;
    for (let bit = 0; bit < 8; bit += 1) crc = crc < 0 ? (crc << 1) ^ 0x04c1_1db7 : crc << 1;
  }
  return crc >>> 0;
}
