import { findBox, readBoxes } from '../formats/isobmff/box-reader.ts';
import { type MovieFragment, parseMovieFragment } from '../formats/isobmff/fragment-reader.ts';
import { MalformedFragment } from '../formats/isobmff/malformed-fragment.ts';
import { parseMovieHeader, type TrackHeader } from '../formats/isobmff/movie-header-reader.ts';
import type { WebVttCue } from '../formats/webvtt.ts';
import { parseTtml } from '../manifests/ttml-reader.ts';
import { boxHeader } from './mp4-file.ts';

const UNKNOWN_LANGUAGE = 'und';
const CUES_MAX = 50_000;
const UTF8 = new TextDecoder();

export interface FragmentedCaptions {
  readonly cues: readonly WebVttCue[];
  /** ISO 639-2, or what its documents say. */
  readonly language: string | undefined;
}

interface TextSample {
  readonly startMs: number;
  readonly endMs: number;
  readonly data: Uint8Array;
}

type ShownCue = WebVttCue & { readonly source: number | undefined };

/**
 * The text of a whole file of one track in fragments (CMAF, ISO/IEC 14496-30): WebVTT cues, or TTML documents whose times
 * are the track's. Throws `MalformedFragment` and `MalformedXml`.
 */
export function readFragmentedCaptions(bytes: Uint8Array): FragmentedCaptions {
  const { header, samples } = readTextSamples(bytes);
  let language = header.language === UNKNOWN_LANGUAGE ? undefined : header.language;
  const shown = samples.flatMap((sample): ShownCue[] => {
    if (header.codec === 'wvtt') return webVttCues(sample);
    if (header.codec !== 'stpp')
      throw new MalformedFragment(`text of the codec '${header.codec}' is not read`);
    const document = parseTtml(UTF8.decode(sample.data));
    language ??= document.language;
    return document.paragraphs.map((paragraph) => ({ ...within(paragraph, sample), source: undefined }));
  });
  return { cues: joined(shown.filter(({ startMs, endMs }) => endMs > startMs)), language };
}

function readTextSamples(bytes: Uint8Array): {
  readonly header: TrackHeader;
  readonly samples: readonly TextSample[];
} {
  let header: TrackHeader | undefined;
  let elapsed = 0;
  const samples: TextSample[] = [];
  for (let offset = 0; ; ) {
    const box = boxHeader(bytes.subarray(offset));
    if (box === undefined) break;
    const { sizeBytes } = box;
    if (box.type === 'moov') header = textHeader(bytes.subarray(offset, offset + sizeBytes));
    if (box.type === 'moof' && header !== undefined) {
      const fragment = fragmentAt(bytes, { offset, sizeBytes }, header);
      const startTime = fragment.tfdt === undefined ? elapsed : Number(fragment.tfdt);
      const read = samplesOf(fragment, { header, startTime, bytes: bytes.subarray(offset) });
      samples.push(...read.samples);
      elapsed = read.endTime;
    }
    offset += sizeBytes;
  }
  if (header === undefined) throw new MalformedFragment('the file has no text that is read: wvtt or stpp');
  return { header, samples };
}

const textHeader = (moov: Uint8Array): TrackHeader | undefined =>
  parseMovieHeader(moov).find(({ codec }) => codec === 'wvtt' || codec === 'stpp');

/** `bytes` from the fragment's first one on. */
function samplesOf(
  { samples }: MovieFragment,
  of: { readonly header: TrackHeader; readonly startTime: number; readonly bytes: Uint8Array },
): { readonly samples: readonly TextSample[]; readonly endTime: number } {
  const toMs = (time: number) => Math.round((time * 1000) / of.header.timescale);
  let endTime = of.startTime;
  const read = samples.map(({ offset, sizeBytes, durationTicks }) => {
    const startMs = toMs(endTime);
    endTime += durationTicks;
    return { startMs, endMs: toMs(endTime), data: of.bytes.subarray(offset, offset + sizeBytes) };
  });
  return { samples: read, endTime };
}

function fragmentAt(
  bytes: Uint8Array,
  moof: { readonly offset: number; readonly sizeBytes: number },
  header: TrackHeader,
): MovieFragment {
  const after = moof.offset + moof.sizeBytes;
  const mdat = boxHeader(bytes.subarray(after));
  if (mdat?.type !== 'mdat' || after + mdat.sizeBytes > bytes.length) {
    throw new MalformedFragment('a moof without its mdat');
  }
  const payload = { offset: moof.sizeBytes, sizeBytes: mdat.sizeBytes };
  return parseMovieFragment(bytes.subarray(moof.offset, after), payload, () => header.defaults);
}

/** §6.6: a `vttc` for each cue that is shown while the sample is. */
function webVttCues({ startMs, endMs, data }: TextSample): ShownCue[] {
  return readBoxes(data).flatMap((box): ShownCue[] => {
    if (box.type !== 'vttc') return [];
    const parts = readBoxes(box.body);
    const textOf = (type: string) => {
      const part = findBox(parts, type);
      return part && UTF8.decode(part.body);
    };
    const [payload, identifier, settings] = ['payl', 'iden', 'sttg'].map(textOf);
    if (payload === undefined || payload.trim() === '') return [];
    const vsid = findBox(parts, 'vsid')?.body;
    const source = vsid === undefined || vsid.length < 4 ? undefined : Buffer.from(vsid).readInt32BE();
    const said = { ...(identifier ? { identifier } : {}), ...(settings ? { settings } : {}) };
    return [{ startMs, endMs, payload, ...said, source }];
  });
}

/** A document may say more than is shown of it. */
function within<T extends { readonly startMs: number; readonly endMs: number }>(
  cue: T,
  sample: TextSample,
): T {
  const { startMs, endMs } = sample;
  return { ...cue, startMs: Math.max(cue.startMs, startMs), endMs: Math.min(cue.endMs, endMs) };
}

/** What goes on in the next sample, or is in it once more, is one cue. */
function joined(shown: readonly ShownCue[]): readonly WebVttCue[] {
  const cues: { cue: WebVttCue; endMs: number }[] = [];
  const lasting = new Map<string, { endMs: number }>();
  for (const { source, ...cue } of shown) {
    const { startMs, endMs, payload, identifier, settings } = cue;
    const key = JSON.stringify([payload, identifier, settings, source]);
    const before = lasting.get(key);
    if (before !== undefined && startMs <= before.endMs) {
      before.endMs = Math.max(before.endMs, endMs);
      continue;
    }
    const one = { cue, endMs };
    cues.push(one);
    lasting.set(key, one);
    if (cues.length > CUES_MAX) throw new MalformedFragment(`more than ${CUES_MAX} cues`);
  }
  return cues.map(({ cue, endMs }) => ({ ...cue, endMs }));
}
