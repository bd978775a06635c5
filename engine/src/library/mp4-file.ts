import { findBox, readBoxes } from '../formats/isobmff/box-reader.ts';
import { MalformedFragment } from '../formats/isobmff/malformed-fragment.ts';
import { type FileTrack, parseSampleTables } from '../formats/isobmff/sample-table-reader.ts';
import type { LibraryContainer } from './library-container.ts';

const MOOV_BYTES_MAX = 128 * 1024 * 1024;
/** `moov` is among the first boxes of a file, or behind one `mdat`. */
const BOXES_LOOKED_AT_MAX = 64;
const BOX_HEADER_BYTES = 16;

/** The tracks of an MP4 file in a container, read by ranges. */
export interface Mp4File {
  readonly tracks: readonly FileTrack[];
  /** Samples are in fragments, and not in the tables of the tracks. */
  readonly isFragmented: boolean;
}

/** Undefined: no such blob. Throws `MalformedFragment`. */
export async function readMp4File(container: LibraryContainer, name: string): Promise<Mp4File | undefined> {
  const moov = await readMoov(container, name);
  if (moov === undefined) return undefined;
  const [box] = readBoxes(moov);
  const isFragmented = box !== undefined && findBox(readBoxes(box.body), 'mvex') !== undefined;
  const tracks = parseSampleTables(moov);
  if (isFragmented && tracks.some(({ samples }) => samples.sizes.length > 0)) {
    throw new MalformedFragment('a file with samples before its fragments');
  }
  return { tracks, isFragmented };
}

/** The moov (a whole box) of a file; goes from box to box, so that the media are not read. Throws `MalformedFragment`. */
export async function readMoov(container: LibraryContainer, name: string): Promise<Uint8Array | undefined> {
  let offset = 0;
  for (let looked = 0; looked < BOXES_LOOKED_AT_MAX; looked += 1) {
    const bytes = await container.read(name, { offset, sizeBytes: BOX_HEADER_BYTES });
    if (bytes === undefined) return undefined;
    const box = boxHeader(bytes);
    if (box === undefined) break;
    if (box.type === 'moov') {
      if (box.sizeBytes > MOOV_BYTES_MAX) {
        throw new MalformedFragment(`a moov of ${box.sizeBytes} bytes exceeds ${MOOV_BYTES_MAX}`);
      }
      return container.read(name, { offset, sizeBytes: box.sizeBytes });
    }
    offset += box.sizeBytes;
  }
  throw new MalformedFragment('there is no moov where one is looked for');
}

/** ISO/IEC 14496-12 §4.2; undefined at the end of the file, or where the last box reaches to it. */
export function boxHeader(
  bytes: Uint8Array,
): { readonly type: string; readonly sizeBytes: number } | undefined {
  if (bytes.length < 8) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const type = Buffer.from(bytes.subarray(4, 8)).toString('latin1');
  const short = view.getUint32(0);
  if (short !== 1) return short < 8 ? undefined : { type, sizeBytes: short };
  const long = bytes.length < BOX_HEADER_BYTES ? 0n : view.getBigUint64(8);
  if (long < BigInt(BOX_HEADER_BYTES) || long > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
  return { type, sizeBytes: Number(long) };
}
