import type { WebVttCue } from './webvtt.ts';

/** What stands before the cues, without the blank line at its end. */
export function writeWebVttHead(blocks: readonly string[]): string {
  return ['WEBVTT', ...blocks].join('\n\n');
}

/**
 * A WebVTT file of cues as `parseWebVtt` gives them; `head` as `writeWebVttHead`. `timestampMap` is what HLS puts in the
 * line below the signature (RFC 8216bis §3.1.4).
 */
export function writeWebVtt(
  head: string,
  cues: readonly WebVttCue[],
  timestampMap?: { readonly localMs: number; readonly mpegTimestamp: number },
): string {
  const mapped =
    timestampMap === undefined
      ? head
      : head.replace(
          /^WEBVTT[^\n]*/,
          `WEBVTT\nX-TIMESTAMP-MAP=LOCAL:${webVttTime(timestampMap.localMs)},MPEGTS:${timestampMap.mpegTimestamp}`,
        );
  return [mapped, ...cues.map(writeCue)].map((block) => `${block}\n`).join('\n');
}

function writeCue({ startMs, endMs, identifier, settings, payload }: WebVttCue): string {
  const times = `${webVttTime(startMs)} --> ${webVttTime(endMs)}`;
  return [
    ...(identifier === undefined ? [] : [identifier]),
    settings === undefined ? times : `${times} ${settings}`,
    payload,
  ].join('\n');
}

/** §4.1 WebVTT timestamp; hours are always there, since HLS wants them. */
export function webVttTime(ms: number): string {
  const digits = (value: number, length = 2) => String(Math.floor(value)).padStart(length, '0');
  const seconds = ms / 1000;
  return `${digits(seconds / 3600)}:${digits((seconds / 60) % 60)}:${digits(seconds % 60)}.${digits(ms % 1000, 3)}`;
}
