import { ByteWriter } from '../bits/byte-writer.ts';
import { type Box, getBox, readBoxes } from '../formats/isobmff/box-reader.ts';
import { MalformedFragment, parsingFragment } from '../formats/isobmff/malformed-fragment.ts';
import type { ProtectionKey } from '../model/protection.ts';
import { isVideoFormat, type Track } from '../model/track.ts';
import { keyIdBytes } from './content-key.ts';
import { constantIv, SAMPLE_IV_SIZE_BYTES } from './initialization-vector.ts';
import { CBCS_CRYPT_BLOCKS, CBCS_SKIP_BLOCKS, type SampleScheme } from './sample-scheme.ts';

export interface HeaderEncryption {
  readonly track: Track;
  /** Of the track's formats: whose header it is. */
  readonly formatIndex: number;
  readonly scheme: SampleScheme;
  readonly key: Pick<ProtectionKey, 'id'>;
  /** Of the recording: the constant IV of `cbcs` is told here. */
  readonly ivSalt: Uint8Array;
  /** Whole boxes, for the end of the moov. */
  readonly psshBoxes: readonly Uint8Array[];
}

const SCHEME_VERSION = 0x1_0000;
/** ISO/IEC 14496-12 §8.12: the sample entries of encrypted tracks. */
const ENCRYPTED_ENTRY = { vide: 'encv', soun: 'enca' } as const;
const STSD_HEAD_SIZE_BYTES = 8;

/**
 * A CMAF header (`ftyp`, `moov`) whose samples are encrypted: sample entries become `encv` or `enca` with `sinf`
 * (`frma`, `schm`, `schi`/`tenc`, ISO/IEC 23001-7 §4 and §8.2), the `pssh` boxes go into the moov, everything else stays.
 * Throws `MalformedFragment`, or a RangeError for text and for a key id that is none.
 */
export function encryptHeader(header: Uint8Array, o: HeaderEncryption): Uint8Array {
  const format = o.track.formats[o.formatIndex];
  if (format === undefined) throw new RangeError(`no format ${o.formatIndex} of ${o.track.formats.length}`);
  if (format.kind === 'data' || format.kind === 'wvtt') throw new RangeError('text is not encrypted');
  const protection = writeProtection(o, isVideoFormat(format));
  return parsingFragment('header', () => {
    const writer = new ByteWriter(header.length + 1024);
    for (const box of readBoxes(header)) {
      if (box.type !== 'moov') writer.bytes(wholeBox(header, box));
      else writer.box('moov', (moov) => writeMoov(moov, box, { protection, psshBoxes: o.psshBoxes }));
    }
    return writer.finish();
  });
}

interface MoovAdditions {
  /** What `sinf` holds after `frma`. */
  readonly protection: Uint8Array;
  readonly psshBoxes: readonly Uint8Array[];
}

function writeMoov(moov: ByteWriter, { body }: Box, additions: MoovAdditions): void {
  const boxes = readBoxes(body);
  getBox(boxes, 'trak'); // CMAF: one track
  for (const box of boxes) {
    if (box.type === 'trak') rewriteBox(moov, box, ['mdia', 'minf', 'stbl'], additions.protection);
    else moov.bytes(wholeBox(body, box));
  }
  for (const pssh of additions.psshBoxes) moov.bytes(pssh);
}

/** Copies a box and, down the path, all that is in it; the `stsd` at its end is written anew. */
function rewriteBox(writer: ByteWriter, box: Box, path: readonly string[], protection: Uint8Array): void {
  const [next = 'stsd', ...rest] = path;
  const children = readBoxes(box.body);
  getBox(children, next);
  writer.box(box.type, (copy) => {
    for (const child of children) {
      if (child.type !== next) copy.bytes(wholeBox(box.body, child));
      else if (next === 'stsd') writeSampleDescriptions(copy, child, protection);
      else rewriteBox(copy, child, rest, protection);
    }
  });
}

function writeSampleDescriptions(writer: ByteWriter, { body }: Box, protection: Uint8Array): void {
  const entries = readBoxes(body.subarray(STSD_HEAD_SIZE_BYTES));
  if (entries.length === 0) throw new MalformedFragment('a track without a sample entry');
  writer.box('stsd', (stsd) => {
    stsd.bytes(body.subarray(0, STSD_HEAD_SIZE_BYTES));
    for (const entry of entries) writeEntry(stsd, entry, protection);
  });
}

function writeEntry(writer: ByteWriter, entry: Box, protection: Uint8Array): void {
  const type = ENCRYPTED_ENTRY[handlerOf(entry.type)];
  writer.box(type, (copy) => {
    copy.bytes(entry.body);
    copy.box('sinf', (sinf) => sinf.box('frma', (frma) => frma.ascii(entry.type)).bytes(protection));
  });
}

const HANDLER_OF: Readonly<Record<string, keyof typeof ENCRYPTED_ENTRY>> = {
  ...{ avc1: 'vide', avc3: 'vide', hvc1: 'vide', hev1: 'vide', mp4a: 'soun' },
};

function handlerOf(type: string): keyof typeof ENCRYPTED_ENTRY {
  const handler = HANDLER_OF[type];
  if (handler === undefined) throw new MalformedFragment(`sample entry ${JSON.stringify(type)} to encrypt`);
  return handler;
}

function writeProtection(o: HeaderEncryption, isVideo: boolean): Uint8Array {
  const { scheme } = o;
  const writer = new ByteWriter();
  writer.fullBox('schm', { version: 0, flags: 0 }, (schm) => schm.ascii(scheme).u32(SCHEME_VERSION));
  writer.box('schi', (schi) => {
    // ISO/IEC 23001-7 §8.2: version 1 tells the pattern; without NAL units there is none, §9.7.
    const version = scheme === 'cbcs' ? 1 : 0;
    schi.fullBox('tenc', { version, flags: 0 }, (tenc) => {
      const pattern = scheme === 'cbcs' && isVideo ? CBCS_CRYPT_BLOCKS * 16 + CBCS_SKIP_BLOCKS : 0;
      tenc.u8(0).u8(pattern).u8(1); // reserved, pattern, isProtected
      tenc.u8(scheme === 'cenc' ? SAMPLE_IV_SIZE_BYTES : 0).bytes(keyIdBytes(o.key.id));
      if (scheme === 'cbcs') {
        const iv = constantIv(o);
        tenc.u8(iv.length).bytes(iv);
      }
    });
  });
  return writer.finish();
}

function wholeBox(parent: Uint8Array, { offset, sizeBytes }: Box): Uint8Array {
  return parent.subarray(offset, offset + sizeBytes);
}
