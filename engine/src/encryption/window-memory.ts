import {
  compileModule,
  constant,
  instantiate,
  MODULE_HEAD,
  name,
  section,
  unsigned,
} from '../bits/web-assembly.ts';
import { BLOCK_SIZE_BYTES } from './initialization-vector.ts';

export const BATCH_BLOCKS = 2048;
const BATCH_SIZE_BYTES = BATCH_BLOCKS * BLOCK_SIZE_BYTES;
/** What a batch of blocks of the 1:9 pattern spans, and more. */
export const WINDOW_SIZE_BYTES = 384 * 1024;
const PLACE_SIZE_BYTES = 4;
const PLACES_AT = BATCH_SIZE_BYTES;
const WINDOW_AT = PLACES_AT + BATCH_BLOCKS * PLACE_SIZE_BYTES;
const PAGE_SIZE_BYTES = 65_536;

/** A part of a fragment, and blocks for a cipher: what it makes a key stream of, or what was gathered from the part. */
interface WindowMemory {
  readonly window: Uint8Array;
  readonly blocks: Uint8Array;
  /** Of blocks, in the window. */
  readonly places: Uint32Array;
  /** Block `at` and the `count - 1` that follow: the two words of a vector, and a block counter from 0. */
  writeCounters(at: number, count: number, high: number, low: number): void;
  /** XOR of `sizeBytes` of the window and of the blocks, from these places in them on. */
  addStream(to: number, from: number, sizeBytes: number): void;
  /** XOR of the first `count` blocks and those in the window `offset` bytes after their places. */
  gather(count: number, offset: number): void;
  /** Puts them there. */
  scatter(count: number, offset: number): void;
}

interface WasmExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly writeCounters: (to: number, count: number, high: number, low: number) => void;
  readonly addStream: (to: number, from: number, sizeBytes: number) => void;
  readonly gather: (place: number, count: number, offset: number, block: number) => void;
  readonly scatter: (place: number, count: number, offset: number, block: number) => void;
}

let memory: WindowMemory | undefined;

/** The one there is: nothing may be awaited while it is used. */
export function windowMemory(): WindowMemory {
  memory ??= newMemory();
  return memory;
}

function newMemory(): WindowMemory {
  // What moduleBytes() exports.
  const wasm = instantiate(compileModule(moduleBytes())) as WasmExports;
  const { buffer } = wasm.memory;
  return {
    window: new Uint8Array(buffer, WINDOW_AT, WINDOW_SIZE_BYTES),
    blocks: new Uint8Array(buffer, 0, BATCH_SIZE_BYTES),
    places: new Uint32Array(buffer, PLACES_AT, BATCH_BLOCKS),
    writeCounters: (at, count, high, low) => wasm.writeCounters(at * BLOCK_SIZE_BYTES, count, high, low),
    addStream: (to, from, size) => wasm.addStream(WINDOW_AT + to, from, size),
    gather: (count, offset) => wasm.gather(PLACES_AT, count, WINDOW_AT + offset, 0),
    scatter: (count, offset) => wasm.scatter(PLACES_AT, count, WINDOW_AT + offset, 0),
  };
}

const I32 = 0x7f;
const V128 = 0x7b;
const NO_RESULT = 0;
const OP = {
  block: [0x02, 0x40],
  loop: [0x03, 0x40],
  end: 0x0b,
  branch: 0x0c,
  branchIf: 0x0d,
  get: 0x20,
  set: 0x21,
  tee: 0x22,
  load32: [0x28, 0, 0],
  load8: [0x2d, 0, 0],
  store8: [0x3a, 0, 0],
  isZero: 0x45,
  isLess: 0x49,
  add: 0x6a,
  subtract: 0x6b,
  xor: 0x73,
  vector: {
    load: [0xfd, 0x00, 0, 0],
    store: [0xfd, 0x0b, 0, 0],
    constant: [0xfd, 0x0c],
    shuffle: [0xfd, 0x0d],
    splat32: [0xfd, 0x11],
    replace32: [0xfd, 0x1c],
    xor: [0xfd, 0x51],
    add32: [0xfd, 0xae, 0x01],
  },
} as const;

const increase = (local: number, by: number) => [OP.get, local, ...constant(by), OP.add, OP.set, local];
const decrease = (local: number, by: number) => [OP.get, local, ...constant(by), OP.subtract, OP.set, local];

/** Four words in the order of this machine, the last of them counting; stored with the bytes of each the other way. */
function writeCounters(): number[] {
  const [to, count, high, low, words] = [0, 1, 2, 3, 4];
  const { vector } = OP;
  const one = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
  const swapped = [3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12];
  return [
    ...[1, 1, V128],
    ...[OP.get, high, ...vector.splat32, OP.get, low, ...vector.replace32, 1],
    ...[...constant(0), ...vector.replace32, 2, ...constant(0), ...vector.replace32, 3, OP.set, words],
    ...OP.loop,
    ...[OP.get, to, OP.get, words, OP.get, words, ...vector.shuffle, ...swapped, ...vector.store],
    ...[OP.get, words, ...vector.constant, ...one, ...vector.add32, OP.set, words],
    ...increase(to, BLOCK_SIZE_BYTES),
    ...[OP.get, count, ...constant(1), OP.subtract, OP.tee, count, OP.branchIf, 0],
    OP.end,
    OP.end,
  ];
}

/** XOR, sixteen bytes at a time, then one by one. */
function addStream(): number[] {
  const [to, from, left] = [0, 1, 2];
  const { vector } = OP;
  const advance = (by: number) => [...increase(to, by), ...increase(from, by), ...decrease(left, by)];
  return [
    0, // no locals
    ...[...OP.block, ...OP.loop],
    ...[OP.get, left, ...constant(BLOCK_SIZE_BYTES), OP.isLess, OP.branchIf, 1],
    ...[OP.get, to, OP.get, to, ...vector.load, OP.get, from, ...vector.load, ...vector.xor, ...vector.store],
    ...[...advance(BLOCK_SIZE_BYTES), OP.branch, 0],
    ...[OP.end, OP.end],
    ...[...OP.block, ...OP.loop],
    ...[OP.get, left, OP.isZero, OP.branchIf, 1],
    ...[OP.get, to, OP.get, to, ...OP.load8, OP.get, from, ...OP.load8, OP.xor, ...OP.store8],
    ...[...advance(1), OP.branch, 0],
    ...[OP.end, OP.end],
    OP.end,
  ];
}

/** A loop over blocks: `work` with the address of one in the window first. */
function overBlocks(locals: readonly number[], work: readonly number[]): number[] {
  const [place, count, offset, block] = [0, 1, 2, 3];
  return [
    ...locals,
    ...OP.loop,
    ...[OP.get, place, ...OP.load32, OP.get, offset, OP.add],
    ...work,
    ...[...increase(place, PLACE_SIZE_BYTES), ...increase(block, BLOCK_SIZE_BYTES)],
    ...[OP.get, count, ...constant(1), OP.subtract, OP.tee, count, OP.branchIf, 0],
    OP.end,
    OP.end,
  ];
}

function gather(): number[] {
  const [block, gathered] = [3, 4];
  const { load, xor, store } = OP.vector;
  return overBlocks(
    [1, 1, V128],
    [
      ...[...load, OP.get, block, ...load, ...xor, OP.set, gathered],
      ...[OP.get, block, OP.get, gathered, ...store],
    ],
  );
}

function scatter(): number[] {
  const block = 3;
  return overBlocks([0], [OP.get, block, ...OP.vector.load, ...OP.vector.store]);
}

/**
 * A WebAssembly module of four loops and a memory, with SIMD: the same in JavaScript takes longer than the cipher, and
 * a call of the cipher for each sample longer than both.
 */
function moduleBytes(): Uint8Array {
  const functions = [writeCounters(), addStream(), gather(), scatter()];
  const bodies = functions.flatMap((body) => [...unsigned(body.length), ...body]);
  const pages = Math.ceil((WINDOW_AT + WINDOW_SIZE_BYTES) / PAGE_SIZE_BYTES);
  return Uint8Array.from([
    ...MODULE_HEAD,
    ...section(1, [2, 0x60, 4, I32, I32, I32, I32, NO_RESULT, 0x60, 3, I32, I32, I32, NO_RESULT]),
    ...section(3, [4, 0, 1, 0, 0]),
    ...section(5, [1, 0, ...unsigned(pages)]),
    ...section(7, [
      ...[5, ...name('memory'), 2, 0, ...name('writeCounters'), 0, 0, ...name('addStream'), 0, 1],
      ...[...name('gather'), 0, 2, ...name('scatter'), 0, 3],
    ]),
    ...section(10, [4, ...bodies]),
  ]);
}
