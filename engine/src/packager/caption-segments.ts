import { writeCaptionSamples } from '../formats/isobmff/caption-samples.ts';
import { writeFragment } from '../formats/isobmff/fragment-writer.ts';
import { toSmoothFragment } from '../formats/isobmff/smooth-fragment.ts';
import { CLOCK_HZ, timestampOf, wrap } from '../formats/mpegts/timestamps.ts';
import { parseWebVtt, type WebVttCue } from '../formats/webvtt.ts';
import { writeWebVtt } from '../formats/webvtt-writer.ts';
import { writeTtml } from '../manifests/ttml-writer.ts';
import type { FragmentEntry } from '../model/presentation.ts';
import type { CaptionFormat, Track } from '../model/track.ts';
import { rescale, TICKS_PER_MILLISECOND, TICKS_PER_SECOND } from '../time/timescale.ts';
import { endTicksOf } from './fragment-window.ts';
import { isTsForm } from './hls-media-playlist.ts';
import type { StreamingForm } from './streaming-path.ts';

const LANGUAGE_UNKNOWN = 'und';
const HOUR_MS = 3_600_000;

/** A stored fragment of captions with its entry. */
export interface StoredCaptions {
  readonly entry: FragmentEntry;
  /** A WebVTT file, as `CaptionFormat` has it. */
  readonly bytes: Uint8Array;
}

/**
 * A segment of captions in the form that is asked for: of HLS a WebVTT file of whole cues (RFC 8216bis §3.1.4), of DASH
 * `wvtt` in CMAF, of Smooth Streaming a TTML document. Several fragments are one segment in HLS only.
 */
export function packageCaptions(
  stored: readonly [StoredCaptions, ...StoredCaptions[]],
  { track, form }: { readonly track: Track; readonly form: StreamingForm },
): Uint8Array {
  const format = captionFormatOf(track);
  if (form.format.startsWith('m3u8')) return webVttSegment(stored, format, form);
  const [{ entry, bytes }] = stored;
  const { cues } = parseWebVtt(bytes);
  return form.format.startsWith('mpd')
    ? wvttFragment(cues, { track, entry, format })
    : ttmlFragment(cues, { track, entry, format });
}

function captionFormatOf({ formats: [format] }: Track): CaptionFormat {
  if (format?.kind !== 'wvtt') throw new RangeError('the track has no captions');
  return format;
}

/**
 * Times at which a millisecond begins, so that what maps the clocks onto each other is exact; and the same ones for an
 * hour, since players add it up in fractions: a cue that is in two segments would else not come out the same in both.
 */
function webVttSegment(
  stored: readonly [StoredCaptions, ...StoredCaptions[]],
  { configurationRecord, zeroTicks }: CaptionFormat,
  form: StreamingForm,
): Uint8Array {
  const [{ entry }] = stored;
  const hours = Math.floor((entry.decodeTimeTicks - zeroTicks) / (TICKS_PER_MILLISECOND * HOUR_MS));
  const localMs = Math.max(0, hours) * HOUR_MS;
  const ticks = zeroTicks + localMs * TICKS_PER_MILLISECOND;
  const mpegTimestamp = isTsForm(form)
    ? timestampOf(ticks)
    : wrap(rescale(ticks, { from: TICKS_PER_SECOND, to: CLOCK_HZ }));
  const head = new TextDecoder().decode(configurationRecord);
  return new TextEncoder().encode(
    writeWebVtt(head, identified(cuesOfAll(stored)), { localMs, mpegTimestamp }),
  );
}

/**
 * Players drop what they have had by identifier; by times alone hls.js would not know a cue again in the next segment,
 * since they are sums of fractions that differ in their last digits.
 */
function identified(cues: readonly WebVttCue[]): readonly WebVttCue[] {
  const counts = new Map<string, number>();
  return cues.map((cue) => {
    const times = `${cue.startMs}-${cue.endMs}`;
    const count = (counts.get(times) ?? 0) + 1;
    counts.set(times, count);
    return cue.identifier === undefined
      ? { ...cue, identifier: count === 1 ? times : `${times}-${count}` }
      : cue;
  });
}

/** Each once, though it is in every fragment during which it is shown. */
function cuesOfAll(stored: readonly StoredCaptions[]): readonly WebVttCue[] {
  let known = new Map<string, number>();
  const all: WebVttCue[] = [];
  for (const { bytes } of stored) {
    const inThis = new Map<string, number>();
    for (const cue of parseWebVtt(bytes).cues) {
      const key = JSON.stringify([cue.startMs, cue.endMs, cue.identifier, cue.settings, cue.payload]);
      const count = (inThis.get(key) ?? 0) + 1;
      inThis.set(key, count);
      // A file may have one twice, then each fragment has.
      if (count > (known.get(key) ?? 0)) all.push(cue);
    }
    known = new Map([...known, ...inThis]);
  }
  return all;
}

interface Place {
  readonly track: Track;
  readonly entry: FragmentEntry;
  readonly format: CaptionFormat;
}

function wvttFragment(cues: readonly WebVttCue[], { track, entry, format }: Place): Uint8Array {
  const { sequence, decodeTimeTicks } = entry;
  const span = {
    startTicks: decodeTimeTicks,
    endTicks: endTicksOf(entry),
    zeroTicks: format.zeroTicks,
  };
  const samples = writeCaptionSamples(cues, span);
  const { head, payload } = writeFragment({ track, sequence, decodeTimeTicks, samples });
  return Buffer.concat([head, ...payload]);
}

/** Its times count from the fragment's own, as players of Smooth Streaming take them; cues are cut at its borders. */
function ttmlFragment(cues: readonly WebVttCue[], { track, entry, format }: Place): Uint8Array {
  const { sequence, decodeTimeTicks, durationTicks } = entry;
  const offsetMs = (decodeTimeTicks - format.zeroTicks) / TICKS_PER_MILLISECOND;
  const lastMs = Math.ceil(durationTicks / TICKS_PER_MILLISECOND);
  const texts = cues.flatMap(({ startMs, endMs, payload }) => {
    const from = Math.max(0, Math.floor(startMs - offsetMs));
    const to = Math.min(lastMs, Math.ceil(endMs - offsetMs));
    return from < to ? [{ startMs: from, endMs: to, lines: plainLines(payload) }] : [];
  });
  const data = new TextEncoder().encode(writeTtml(track.language ?? LANGUAGE_UNKNOWN, texts));
  const sample = {
    dtsTicks: decodeTimeTicks,
    compositionOffsetTicks: 0,
    isRandomAccessPoint: true,
    durationTicks,
    data,
  };
  const fragment = writeFragment({ track, sequence, decodeTimeTicks, samples: [sample] });
  const stored = Buffer.concat([fragment.head, ...fragment.payload]);
  const time = { startTicks: decodeTimeTicks, durationTicks };
  const { head, payload } = toSmoothFragment(stored, { time, following: [] });
  return Buffer.concat([head, payload]);
}

const CHARACTERS: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  nbsp: '\u00a0',
  lrm: '\u200e',
  rlm: '\u200f',
};

/** WebVTT cue text (§4.2.2) without its tags. */
function plainLines(payload: string): readonly string[] {
  return payload
    .replace(/<[^>\n]*>/g, '')
    .replace(/&(amp|lt|gt|nbsp|lrm|rlm);/g, (whole, name: string) => CHARACTERS[name] ?? whole)
    .split('\n');
}
