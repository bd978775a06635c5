/** A part of a file that is uploaded with one call. */
export interface Block {
  /** Base64; all of a blob's are equally long. */
  readonly id: string;
  readonly start: number;
  readonly end: number;
}

export interface NamedFile {
  readonly name: string;
  readonly size: number;
  readonly lastModified: number;
}

const BLOCK_BYTES_MIN = 256 * 1024;
const BLOCK_BYTES_USUAL_MAX = 8 * 1024 * 1024;
/** So many, that a bar moves, until blocks are as large as is good for one call. */
const BLOCKS_WANTED = 100;
const INDEX_DIGITS = 6;

/**
 * Cuts a file into blocks of 256 KiB to 8 MiB, larger only where there may not be so many. The same file gives the same
 * blocks with the same ids, so that an upload that was cut off knows which of them are there.
 */
export function planBlocks(file: NamedFile, limits: { blocksMax: number; blockBytesMax: number }): Block[] {
  const wanted = Math.ceil(file.size / BLOCKS_WANTED);
  const usual = Math.min(Math.max(wanted, BLOCK_BYTES_MIN), BLOCK_BYTES_USUAL_MAX);
  const bytes = Math.max(usual, Math.ceil(file.size / limits.blocksMax));
  if (bytes > limits.blockBytesMax) throw new RangeError(`The file is too large: ${file.size} bytes.`);
  const print = fingerprintOf(`${file.name}\n${file.size}\n${file.lastModified}\n${bytes}`);
  return Array.from({ length: Math.ceil(file.size / bytes) }, (_, index) => ({
    id: btoa(`${print}-${String(index).padStart(INDEX_DIGITS, '0')}`),
    start: index * bytes,
    end: Math.min((index + 1) * bytes, file.size),
  }));
}

/** FNV-1a, 32 bits: tells files apart that are called the same. */
function fingerprintOf(text: string): string {
  let hash = 0x811c9dc5;
  for (const character of new TextEncoder().encode(text)) {
    hash = Math.imul(hash ^ character, 0x01000193);
  }
  return (hash >>> 0).toString(16).padStart(8, '0');
}

/** The body that makes a blob of its blocks. */
export function blockListXml(blocks: readonly Block[]): string {
  const entries = blocks.map(({ id }) => `<Latest>${id}</Latest>`).join('');
  return `<?xml version="1.0" encoding="utf-8"?><BlockList>${entries}</BlockList>`;
}

/** Sizes of the blocks that an answer of Get Block List names, by id. */
export function readBlockList(xml: string): ReadonlyMap<string, number> {
  const found = xml.matchAll(/<Name>([^<]*)<\/Name>\s*<Size>(\d+)<\/Size>/g);
  return new Map([...found].map(([, id = '', size = '']) => [id, Number(size)]));
}
