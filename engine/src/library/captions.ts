import { MalformedFragment } from '../formats/isobmff/malformed-fragment.ts';
import { MalformedWebVtt, parseWebVtt, type WebVttCue } from '../formats/webvtt.ts';
import { writeWebVtt, writeWebVttHead } from '../formats/webvtt-writer.ts';
import { parseTtml } from '../manifests/ttml-reader.ts';
import { MalformedXml } from '../manifests/xml-document.ts';
import type { FragmentEntry } from '../model/presentation.ts';
import type { CaptionFormat, Track } from '../model/track.ts';
import { TICKS_PER_MILLISECOND } from '../time/timescale.ts';
import { readFragmentedCaptions } from './fragmented-captions.ts';
import type { LibraryContainer, LibraryTrack } from './library-container.ts';

/** What a file of text says, whatever it is written in. */
export interface Captions {
  /** As `writeWebVttHead` writes it. */
  readonly head: string;
  /** By start. */
  readonly cues: readonly WebVttCue[];
  /** RFC 5646; undefined: the file does not say. */
  readonly language: string | undefined;
  readonly sizeBytes: number;
}

type Refused = { readonly reason: string };

const FILE_BYTES_MAX = 8 * 1024 * 1024;
const LANGUAGE = /^[a-z]{1,8}(?:-[a-z0-9]{1,8})*$/i;
/** Of what one fragment shows; there are no screens for more. */
const CUES_PER_FRAGMENT_MAX = 500;
/** What cues take in memory, in relation to their file. */
const MEMORY_FACTOR = 4;

/** A WebVTT or TTML file of a container, or one of either in CMAF, by its extension. `reason`: why it cannot be served. */
export async function readCaptions(
  container: LibraryContainer,
  fileName: string,
): Promise<Captions | Refused> {
  const bytes = await container.read(fileName, { offset: 0, sizeBytes: FILE_BYTES_MAX + 1 });
  if (bytes === undefined) return { reason: 'the file is not in the container' };
  if (bytes.length > FILE_BYTES_MAX) return { reason: `the file is larger than ${FILE_BYTES_MAX} bytes` };
  try {
    const read = readerFor(fileName)(bytes);
    return { ...read, cues: read.cues.toSorted((a, b) => a.startMs - b.startMs), sizeBytes: bytes.length };
  } catch (error) {
    if (MALFORMED.some((kind) => error instanceof kind)) {
      return { reason: String(Reflect.get(Object(error), 'message')) };
    }
    throw error;
  }
}

const MALFORMED = [MalformedWebVtt, MalformedXml, MalformedFragment];

function readerFor(fileName: string): (bytes: Uint8Array) => Read {
  if (/\.cmft$/i.test(fileName)) return readCmaf;
  return /\.(?:ttml|dfxp|xml)$/i.test(fileName) ? readTtml : readWebVtt;
}

type Read = Pick<Captions, 'head' | 'cues' | 'language'>;

function readWebVtt(bytes: Uint8Array): Read {
  const { metadata, blocks, cues } = parseWebVtt(bytes);
  return {
    head: writeWebVttHead(blocks),
    // One without text shows nothing.
    cues: cues.filter(({ payload }) => payload.trim() !== ''),
    language: languageOf(metadata.get('language')),
  };
}

function readTtml(bytes: Uint8Array): Read {
  const { language, paragraphs } = parseTtml(new TextDecoder().decode(bytes));
  return { head: writeWebVttHead([]), cues: paragraphs, language: languageOf(language) };
}

function readCmaf(bytes: Uint8Array): Read {
  const { cues, language } = readFragmentedCaptions(bytes);
  return { head: writeWebVttHead([]), cues, language: languageOf(language) };
}

const languageOf = (text: string | undefined): string | undefined =>
  text !== undefined && LANGUAGE.test(text) ? text : undefined;

/** `zeroTicks`: where time 0 of the file is on the timeline. */
export function captionFormat({ head }: Captions, zeroTicks: number): CaptionFormat {
  const configurationRecord = new TextEncoder().encode(head);
  return { kind: 'wvtt', configurationRecord, codecString: 'wvtt', zeroTicks };
}

/** Bits a second that no captions have more of; not measured, so that addresses outlive a file that is replaced. */
export const CAPTION_BITRATE_BPS = 4_000;

export interface CaptionPlace {
  readonly lead: readonly FragmentEntry[];
  /** As in `CaptionFormat`. */
  readonly zeroTicks: number;
}

/**
 * Captions as a track with a fragment wherever `lead` has one: each is a WebVTT file of all cues that are shown during
 * it, with the times of the file. `track` has a `CaptionFormat`.
 */
export function captionTrack(
  track: Track,
  captions: Captions,
  { lead, zeroTicks }: CaptionPlace,
): LibraryTrack {
  const { head, cues, sizeBytes } = captions;
  const longestMs = cues.reduce((longest, { startMs, endMs }) => Math.max(longest, endMs - startMs), 0);
  const sizeEach = Math.max(1, Math.round(sizeBytes / Math.max(1, lead.length)));
  const fragments = lead.map((entry) => ({
    ...entry,
    sizeBytes: sizeEach,
    sampleCount: 1,
    firstSample: entry.sequence,
    formatIndex: 0,
  }));
  return {
    index: { track, fragments },
    tableBytes: sizeBytes * MEMORY_FACTOR,
    fragment({ decodeTimeTicks, durationTicks }) {
      const startMs = (decodeTimeTicks - zeroTicks) / TICKS_PER_MILLISECOND;
      const endMs = startMs + durationTicks / TICKS_PER_MILLISECOND;
      const shown = cuesBetween(cues, { startMs, endMs, longestMs });
      return Promise.resolve(new TextEncoder().encode(writeWebVtt(head, shown)));
    },
  };
}

function cuesBetween(
  cues: readonly WebVttCue[],
  { startMs, endMs, longestMs }: { startMs: number; endMs: number; longestMs: number },
): readonly WebVttCue[] {
  const shown: WebVttCue[] = [];
  for (let at = firstFrom(cues, startMs - longestMs); at < cues.length; at += 1) {
    const cue = cues[at];
    if (cue === undefined || cue.startMs >= endMs || shown.length >= CUES_PER_FRAGMENT_MAX) break;
    if (cue.endMs > startMs) shown.push(cue);
  }
  return shown;
}

/** The first that begins no earlier. */
function firstFrom(cues: readonly WebVttCue[], ms: number): number {
  let low = 0;
  let high = cues.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((cues[middle]?.startMs ?? 0) < ms) low = middle + 1;
    else high = middle;
  }
  return low;
}
