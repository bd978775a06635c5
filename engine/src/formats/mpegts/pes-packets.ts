import { PACKET_PAYLOAD_SIZE_BYTES, PACKET_SIZE_BYTES, type PacketMemory } from './packet-memory.ts';

const CLOCK_FIELD_SIZE_BYTES = 8;
const HEADER_WITHOUT_DTS_BYTES = 14;
const HEADER_WITH_DTS_BYTES = 19;
/** Bytes of a PES packet that stay together in its first packet: its header. */
const FIRST_PAYLOAD_BYTES_MIN = 32;
export const COUNTER_VALUES = 16;

export interface PesPacket {
  readonly pid: number;
  /** Program clock reference, 90 kHz. */
  readonly clock: number | undefined;
  readonly isRandomAccessPoint: boolean;
  readonly sizeBytes: number;
  /** More packets than it takes: they carry a byte or so each. */
  readonly extraPackets: number;
}

/** How many transport packets carry a PES packet. */
export function packetCount(of: Pick<PesPacket, 'clock' | 'sizeBytes'>): number {
  const fixed = of.clock === undefined ? 0 : CLOCK_FIELD_SIZE_BYTES;
  return Math.ceil((of.sizeBytes + fixed) / PACKET_PAYLOAD_SIZE_BYTES);
}

export function pesHeaderSizeBytes({ pts, dts }: { readonly pts: number; readonly dts: number }): number {
  return pts === dts ? HEADER_WITHOUT_DTS_BYTES : HEADER_WITH_DTS_BYTES;
}

/** ISO/IEC 13818-1 §2.4.3.6. `payloadSizeBytes` undefined: not told, as is allowed for video. Returns where it ends. */
export function putPesHeader(
  bytes: Uint8Array,
  at: number,
  of: {
    readonly streamId: number;
    readonly pts: number;
    readonly dts: number;
    readonly payloadSizeBytes: number | undefined;
  },
): number {
  const { pts, dts, streamId, payloadSizeBytes } = of;
  const hasDts = pts !== dts;
  const size = pesHeaderSizeBytes(of);
  const length = payloadSizeBytes === undefined ? 0 : payloadSizeBytes + size - 6;
  bytes.set([0, 0, 1, streamId, length >>> 8, length & 0xff, 0x84, hasDts ? 0xc0 : 0x80, size - 9], at);
  putTimestamp(bytes, at + 9, pts, hasDts ? 3 : 2);
  if (hasDts) putTimestamp(bytes, at + HEADER_WITHOUT_DTS_BYTES, dts, 1);
  return at + size;
}

function putTimestamp(bytes: Uint8Array, at: number, timestamp: number, marker: number): void {
  const high = Math.floor(timestamp / 2 ** 30) & 7;
  const low = timestamp % 2 ** 30;
  bytes[at] = (marker << 4) | (high << 1) | 1;
  bytes[at + 1] = (low >>> 22) & 0xff;
  bytes[at + 2] = ((low >>> 14) & 0xfe) | 1;
  bytes[at + 3] = (low >>> 7) & 0xff;
  bytes[at + 4] = ((low << 1) & 0xfe) | 1;
}

/** Writes the packets of one PES packet after another; continuity counters begin with 0. */
export class PesPacketWriter {
  readonly #memory: PacketMemory;
  readonly #counters = new Map<number, number>();
  #at: number;
  #pes: PesPacket | undefined;
  #isFirst = false;
  #packetsLeft = 0;
  #sizeLeft = 0;
  #stuffingLeft = 0;
  /** Of the packet that is being filled. */
  #payloadAt = 0;
  #room = 0;

  constructor(memory: PacketMemory, at: number) {
    this.#memory = memory;
    this.#at = at;
  }

  /** Where the next packet goes. */
  get at(): number {
    return this.#at;
  }

  /** What was written is no longer needed: the next packet goes there. Not within a PES packet. */
  restartAt(at: number): void {
    this.#at = at;
  }

  /** Whole packets of somebody else. */
  copy(packets: Uint8Array): void {
    this.#memory.bytes.set(packets, this.#at);
    this.#at += packets.length;
  }

  /** Begins a PES packet; `append` has to bring its `sizeBytes`, beginning with its header. */
  begin(pes: PesPacket): void {
    this.#pes = pes;
    this.#isFirst = true;
    this.#packetsLeft = packetCount(pes) + pes.extraPackets;
    this.#sizeLeft = pes.sizeBytes;
    const fixed = pes.clock === undefined ? 0 : CLOCK_FIELD_SIZE_BYTES;
    this.#stuffingLeft = this.#packetsLeft * PACKET_PAYLOAD_SIZE_BYTES - fixed - pes.sizeBytes;
    this.#room = 0;
  }

  /** Bytes that lie in the memory. */
  append(from: number, sizeBytes: number): void {
    let at = from;
    let left = sizeBytes;
    while (left > 0) {
      if (this.#room === 0 && this.#canFill(left)) {
        const count = Math.floor(left / PACKET_PAYLOAD_SIZE_BYTES);
        this.#fill(at, count);
        at += count * PACKET_PAYLOAD_SIZE_BYTES;
        left -= count * PACKET_PAYLOAD_SIZE_BYTES;
        continue;
      }
      if (this.#room === 0) this.#open();
      const some = Math.min(this.#room, left);
      this.#memory.bytes.copyWithin(this.#payloadAt, at, at + some);
      this.#payloadAt += some;
      this.#room -= some;
      this.#sizeLeft -= some;
      at += some;
      left -= some;
    }
  }

  #canFill(left: number): boolean {
    return !this.#isFirst && this.#stuffingLeft === 0 && left >= PACKET_PAYLOAD_SIZE_BYTES;
  }

  #fill(from: number, count: number): void {
    const pid = this.#pes?.pid ?? 0;
    const counter = this.#counters.get(pid) ?? 0;
    const header = 0x47 | ((pid >>> 8) << 8) | ((pid & 0xff) << 16) | (0x10 << 24);
    this.#memory.writePackets(from, this.#at, count, header, counter);
    this.#counters.set(pid, (counter + count) % COUNTER_VALUES);
    this.#at += count * PACKET_SIZE_BYTES;
    this.#packetsLeft -= count;
    this.#sizeLeft -= count * PACKET_PAYLOAD_SIZE_BYTES;
  }

  /** A packet that is more than a header and payload. */
  #open(): void {
    const { pid = 0, clock, isRandomAccessPoint = false } = this.#pes ?? {};
    const { bytes } = this.#memory;
    const fixed = this.#isFirst && clock !== undefined ? CLOCK_FIELD_SIZE_BYTES : 0;
    const othersTake = this.#packetsLeft - 1;
    const payloadMin = this.#isFirst
      ? Math.max(1, Math.min(FIRST_PAYLOAD_BYTES_MIN, this.#sizeLeft - othersTake))
      : 1;
    const stuffing = Math.min(this.#stuffingLeft, PACKET_PAYLOAD_SIZE_BYTES - fixed - payloadMin);
    const counter = this.#counters.get(pid) ?? 0;
    const at = this.#at;
    bytes[at] = 0x47;
    bytes[at + 1] = (this.#isFirst ? 0x40 : 0) | (pid >>> 8);
    bytes[at + 2] = pid & 0xff;
    bytes[at + 3] = (fixed + stuffing > 0 ? 0x30 : 0x10) | counter;
    if (fixed > 0 && clock !== undefined) putClock(bytes, at + 4, { clock, isRandomAccessPoint, stuffing });
    else if (stuffing > 0) bytes[at + 4] = stuffing - 1;
    if (fixed === 0 && stuffing > 1) bytes[at + 5] = 0;
    const payloadAt = at + 4 + fixed + stuffing;
    const filled = fixed > 0 ? at + 4 + fixed : at + 6;
    if (filled < payloadAt) bytes.fill(0xff, filled, payloadAt);
    this.#counters.set(pid, (counter + 1) % COUNTER_VALUES);
    this.#payloadAt = payloadAt;
    this.#room = PACKET_PAYLOAD_SIZE_BYTES - fixed - stuffing;
    this.#stuffingLeft -= stuffing;
    this.#packetsLeft -= 1;
    this.#isFirst = false;
    this.#at += PACKET_SIZE_BYTES;
  }
}

/** An adaptation field with a program clock reference, §2.4.3.4. */
function putClock(
  bytes: Uint8Array,
  at: number,
  of: { readonly clock: number; readonly isRandomAccessPoint: boolean; readonly stuffing: number },
): void {
  const { clock } = of;
  bytes[at] = CLOCK_FIELD_SIZE_BYTES - 1 + of.stuffing;
  bytes[at + 1] = (of.isRandomAccessPoint ? 0x40 : 0) | 0x10;
  const high = Math.floor(clock / 2);
  bytes[at + 2] = high >>> 24;
  bytes[at + 3] = (high >>> 16) & 0xff;
  bytes[at + 4] = (high >>> 8) & 0xff;
  bytes[at + 5] = high & 0xff;
  bytes[at + 6] = ((clock % 2) << 7) | 0x7e; // reserved bits, extension 0
  bytes[at + 7] = 0;
}
