import { ByteWriter } from '../../bits/byte-writer.ts';
import type { TimedSample } from '../../model/sample.ts';
import { TICKS_PER_MILLISECOND } from '../../time/timescale.ts';
import type { WebVttCue } from '../webvtt.ts';
import { webVttTime } from '../webvtt-writer.ts';

/** Of all samples of a fragment together; what is beyond it is not shown. */
const FRAGMENT_BYTES_MAX = 1024 * 1024;
const CUES_AT_ONCE_MAX = 64;
const UTF8 = new TextEncoder();
/** A cue with times in its text is drawn by what time it is. */
const INNER_TIME = /<\d/;

export interface CaptionSpan {
  readonly startTicks: number;
  readonly endTicks: number;
  /** Where time 0 of the cues is. */
  readonly zeroTicks: number;
}

/**
 * The samples of a fragment that shows these cues, ISO/IEC 14496-30 §6.6: one from each time at which something appears
 * or disappears to the next, without gaps. A cue that lasts longer than a sample is in all of them, with one `vsid`.
 */
export function writeCaptionSamples(cues: readonly WebVttCue[], span: CaptionSpan): readonly TimedSample[] {
  const placed = cues.flatMap((cue) => {
    const startTicks = Math.max(span.startTicks, span.zeroTicks + cue.startMs * TICKS_PER_MILLISECOND);
    const endTicks = Math.min(span.endTicks, span.zeroTicks + cue.endMs * TICKS_PER_MILLISECOND);
    return startTicks < endTicks ? [{ cue, startTicks, endTicks }] : [];
  });
  const borders = new Set([span.startTicks, span.endTicks]);
  for (const { startTicks, endTicks } of placed) borders.add(startTicks).add(endTicks);
  const times = [...borders].sort((a, b) => a - b);
  let bytesLeft = FRAGMENT_BYTES_MAX;
  return times.slice(0, -1).map((startTicks, index) => {
    const endTicks = times[index + 1] ?? span.endTicks;
    const shown = placed
      .filter((one) => one.startTicks <= startTicks && one.endTicks >= endTicks)
      .slice(0, CUES_AT_ONCE_MAX);
    const textLength = shown.reduce((sum, { cue }) => sum + cue.payload.length, 0);
    const nowMs = Math.round((startTicks - span.zeroTicks) / TICKS_PER_MILLISECOND);
    const fitting = textLength <= bytesLeft ? shown.map(({ cue }) => cue) : [];
    const data = writeSample(fitting, nowMs);
    bytesLeft -= data.length;
    return {
      dtsTicks: startTicks,
      compositionOffsetTicks: 0,
      isRandomAccessPoint: true,
      durationTicks: endTicks - startTicks,
      data,
    };
  });
}

function writeSample(cues: readonly WebVttCue[], nowMs: number): Uint8Array {
  const writer = new ByteWriter();
  if (cues.length === 0) return writer.box('vtte', () => undefined).finish();
  for (const cue of cues) {
    writer.box('vttc', (vttc) => {
      vttc.box('vsid', (vsid) => vsid.u32(sourceIdOf(cue)));
      if (cue.identifier !== undefined) writeText(vttc, 'iden', cue.identifier);
      if (INNER_TIME.test(cue.payload)) writeText(vttc, 'ctim', webVttTime(nowMs));
      if (cue.settings !== undefined) writeText(vttc, 'sttg', cue.settings);
      writeText(vttc, 'payl', cue.payload);
    });
  }
  return writer.finish();
}

function writeText(writer: ByteWriter, type: string, text: string): void {
  writer.box(type, (body) => body.bytes(UTF8.encode(text)));
}

/** The same in every fragment that shows the cue: FNV-1a over all of it, without the sign. */
function sourceIdOf({ startMs, endMs, identifier = '', payload }: WebVttCue): number {
  let hash = 0x811c_9dc5;
  for (const byte of UTF8.encode(`${startMs}!${endMs}!${identifier}!${payload}`)) {
    hash = Math.imul(hash ^ byte, 0x0100_0193) >>> 0;
  }
  return hash >>> 1;
}
