import {
  compileModule,
  constant,
  instantiate,
  MODULE_HEAD,
  name,
  section,
  unsigned,
} from '../../bits/web-assembly.ts';

export const PACKET_SIZE_BYTES = 188;
export const PACKET_PAYLOAD_SIZE_BYTES = 184;

const PAGE_SIZE_BYTES = 65_536;
/** A memory that had to be larger is not used again. */
const KEPT_SIZE_BYTES_MAX = 32 * 1024 * 1024;
const SIZE_BYTES_MAX = 1024 * 1024 * 1024;

/** Where packets are made: what they are made of lies beside them, so that they are filled without a call for each. */
export interface PacketMemory {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Makes `count` packets of 188 bytes at `to` from 184 bytes each at `from`. `header`: the first three bytes. */
  readonly writePackets: (
    from: number,
    to: number,
    count: number,
    header: number,
    continuityCounter: number,
  ) => void;
}

interface WasmExports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  readonly writePackets: PacketMemory['writePackets'];
}

let compiled: object | undefined;
let kept: WasmExports | undefined;

/**
 * A memory of at least `sizeBytes`, of any content, until somebody asks for the next one: nothing may be awaited in
 * between. Throws a RangeError for more than 1 GiB.
 */
export function packetMemory(sizeBytes: number): PacketMemory {
  if (sizeBytes > SIZE_BYTES_MAX) throw new RangeError(`a picture that takes ${sizeBytes} bytes`);
  kept ??= newInstance();
  const { memory, writePackets } = kept;
  const missing = sizeBytes - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE_SIZE_BYTES));
  if (memory.buffer.byteLength > KEPT_SIZE_BYTES_MAX) kept = undefined;
  return { bytes: new Uint8Array(memory.buffer), view: new DataView(memory.buffer), writePackets };
}

function newInstance(): WasmExports {
  compiled ??= compileModule(moduleBytes());
  // What moduleBytes() exports.
  return instantiate(compiled) as WasmExports;
}

const I32 = 0x7f;
const OP = {
  loop: [0x03, 0x40],
  end: 0x0b,
  branchIf: 0x0d,
  get: 0x20,
  set: 0x21,
  tee: 0x22,
  load64: 0x29,
  store32: 0x36,
  store64: 0x37,
  load128: [0xfd, 0x00],
  store128: [0xfd, 0x0b],
  add: 0x6a,
  subtract: 0x6b,
  and: 0x71,
  or: 0x72,
  shiftLeft: 0x74,
} as const;
const LOCAL = { from: 0, to: 1, count: 2, header: 3, counter: 4 } as const;
const WORD_SIZE_BYTES = 8;
const VECTOR_SIZE_BYTES = 16;
const VECTORS = Math.floor(PACKET_PAYLOAD_SIZE_BYTES / VECTOR_SIZE_BYTES);
const LAST_WORD_AT = PACKET_PAYLOAD_SIZE_BYTES - WORD_SIZE_BYTES;

/**
 * A WebAssembly module with one function and one memory: the loop over packets, its copy of 184 bytes unrolled, with
 * SIMD. A call of `TypedArray.set` or `copyWithin` for each packet takes several times as long as the copy itself.
 */
function moduleBytes(): Uint8Array {
  const both = [OP.get, LOCAL.to, OP.get, LOCAL.from];
  const copies = Array.from({ length: VECTORS }, (_, vector) => {
    const offset = vector * VECTOR_SIZE_BYTES;
    const load = [...OP.load128, 0, ...unsigned(offset)];
    return [...both, ...load, ...OP.store128, 0, ...unsigned(4 + offset)];
  });
  const lastWord = [OP.load64, 0, ...unsigned(LAST_WORD_AT), OP.store64, 0, ...unsigned(4 + LAST_WORD_AT)];
  const advance = (local: number, by: number) => [OP.get, local, ...constant(by), OP.add, OP.set, local];
  const body = [
    0, // no locals
    ...OP.loop,
    // Three bytes of header, then "payload only" is in it already; the counter is the low half of the fourth.
    ...[OP.get, LOCAL.to, OP.get, LOCAL.header, OP.get, LOCAL.counter, ...constant(24), OP.shiftLeft, OP.or],
    ...[OP.store32, 0, 0],
    ...[...copies.flat(), ...both, ...lastWord],
    ...advance(LOCAL.from, PACKET_PAYLOAD_SIZE_BYTES),
    ...advance(LOCAL.to, PACKET_SIZE_BYTES),
    ...[OP.get, LOCAL.counter, ...constant(1), OP.add, ...constant(15), OP.and, OP.set, LOCAL.counter],
    ...[OP.get, LOCAL.count, ...constant(1), OP.subtract, OP.tee, LOCAL.count, OP.branchIf, 0],
    OP.end,
    OP.end,
  ];
  return Uint8Array.from([
    ...MODULE_HEAD,
    ...section(1, [1, 0x60, 5, I32, I32, I32, I32, I32, 0]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0, 1]),
    ...section(7, [2, ...name('memory'), 2, 0, ...name('writePackets'), 0, 0]),
    ...section(10, [1, ...unsigned(body.length), ...body]),
  ]);
}
