import { type Actions, actionsOf, scaleUnitsOf } from './actions.ts';
import { field, listAt, numberAt, textAt } from './json.ts';
import type { Snapshot } from './snapshot.ts';

export type PlaybackStatus = 'unknown' | 'waiting' | 'live' | 'onDemand' | 'notPublished';

export interface Step {
  readonly name: 'EncoderConnected' | 'KeyPolicyReady' | 'DeliveryPolicyReady' | 'Published';
  readonly title: string;
  readonly explanation: string;
  readonly isDone: boolean;
  /** Why not, when the service said so. */
  readonly problem: string | undefined;
  /** Since what it waited for: the program's creation for the policies, the encoder for the publishing. */
  readonly tookMs: number | undefined;
}

export interface TimelineRow {
  readonly at: string;
  readonly text: string;
  readonly tookMs: number | undefined;
}

/** All that the page shows, made from answers of the API and nothing else. */
export interface Model {
  readonly channel: string;
  readonly program: string;
  readonly status: PlaybackStatus;
  /** Path of the program in the API; empty: there is none. */
  readonly href: string;
  /** Name of its protection profile. */
  readonly protection: string;
  readonly hls: string;
  readonly dash: string;
  readonly steps: readonly Step[];
  readonly health: {
    readonly level: 'unknown' | 'ok' | 'info' | 'warning' | 'error';
    readonly sentence: string;
  };
  /** Seconds. */
  readonly recordedSeconds: number | undefined;
  readonly timeline: readonly TimelineRow[];
  /** Names, the newest first. */
  readonly programs: readonly string[];
  readonly actions: Actions;
  readonly scaleUnits: number | undefined;
  /** Multivariant playlist of what the encoder sends now, published or not; undefined while nothing is taken in. */
  readonly previewHls: string | undefined;
}

const STEPS = [
  { name: 'EncoderConnected', title: 'Encoder connected', explanation: 'its picture arrives at the engine' },
  { name: 'KeyPolicyReady', title: 'Key policy', explanation: 'who may have the key' },
  {
    name: 'DeliveryPolicyReady',
    title: 'Delivery policy',
    explanation: 'how the picture is protected and packaged',
  },
  { name: 'Published', title: 'Published', explanation: 'the playback address answers' },
] as const;

const EVENT_NAMESPACE = /^(Microsoft|Headend)\.Media\./;
const ENCODER_CONNECTED = /\.LiveEvent(EncoderConnected|IncomingStreamReceived)$/;
/** Longer than this between cause and condition, and something else was waited for: a person, an encoder. */
const STEP_MS_MAX = 60_000;

/** What one snapshot means for a viewer of the page. */
export function modelOf(snapshot: Snapshot): Model {
  const { channel, program, timeline } = snapshot;
  const entries = listAt(timeline, 'items');
  return {
    channel: textAt(channel, 'name') ?? '',
    program: textAt(program, 'name') ?? '',
    status: statusOf(program),
    href: textAt(program, 'href') ?? '',
    protection: textAt(program, 'protection') ?? '',
    hls: textAt(program, 'playback', 'hls') ?? '',
    dash: textAt(program, 'playback', 'dash') ?? '',
    steps: STEPS.map((step) => stepOf(step, { channel, program, entries })),
    health: healthOf(channel),
    recordedSeconds: parseDuration(textAt(program, 'recording', 'duration')),
    timeline: withoutRepeats(entries.map(rowOf)),
    programs: programNames(snapshot.programs),
    actions: actionsOf(snapshot),
    scaleUnits: scaleUnitsOf(snapshot),
    previewHls: field(channel, 'ingest', 'sending') === true ? textAt(channel, 'preview', 'hls') : undefined,
  };
}

export function programNames(programs: unknown): string[] {
  const createdAt = (program: unknown) => textAt(program, 'createdAt') ?? '';
  return listAt(programs, 'items')
    .toSorted((a, b) => createdAt(b).localeCompare(createdAt(a)))
    .flatMap((program) => textAt(program, 'name') ?? []);
}

function statusOf(program: unknown): PlaybackStatus {
  const status = textAt(program, 'playback', 'status');
  if (status === 'live' || status === 'onDemand' || status === 'notPublished') return status;
  return status === undefined ? 'unknown' : 'waiting';
}

interface Facts {
  readonly channel: unknown;
  readonly program: unknown;
  /** Newest first. */
  readonly entries: readonly unknown[];
}

function stepOf(step: (typeof STEPS)[number], facts: Facts): Step {
  const { channel, program, entries } = facts;
  const connected = entries.find((entry) => ENCODER_CONNECTED.test(textAt(entry, 'type') ?? ''));
  if (step.name === 'EncoderConnected') {
    const isDone = field(channel, 'ingest', 'sending') === true;
    const problem = isDone ? undefined : textAt(channel, 'failure', 'message');
    return { ...step, isDone, problem, tookMs: isDone ? numberAt(connected, 'milliseconds') : undefined };
  }
  const condition = listAt(program, 'conditions').find((item) => textAt(item, 'type') === step.name);
  const isDone = field(condition, 'status') === true;
  // What each waits for: the policies for the program, the publishing for the encoder.
  const cause = step.name === 'Published' ? textAt(connected, 'at') : textAt(program, 'createdAt');
  return {
    ...step,
    isDone,
    problem: isDone || step.name !== 'Published' ? undefined : textAt(program, 'failure', 'message'),
    tookMs: isDone ? millisecondsBetween(cause, textAt(condition, 'since')) : undefined,
  };
}

function millisecondsBetween(from: string | undefined, to: string | undefined): number | undefined {
  const tookMs = Date.parse(to ?? '') - Date.parse(from ?? '');
  return tookMs >= 0 && tookMs <= STEP_MS_MAX ? tookMs : undefined;
}

function healthOf(channel: unknown): Model['health'] {
  const level = textAt(channel, 'health', 'level');
  const sentence = textAt(channel, 'health', 'message');
  if (level === 'ok' || level === 'info' || level === 'warning' || level === 'error') {
    return { level, sentence: sentence ?? level };
  }
  return { level: 'unknown', sentence: sentence ?? 'Nothing is known yet.' };
}

export function rowOf(entry: unknown): TimelineRow {
  const type = (textAt(entry, 'type') ?? '').replace(EVENT_NAMESPACE, '');
  return {
    at: textAt(entry, 'at') ?? '',
    text: textAt(entry, 'effect') ?? type,
    tookMs: numberAt(entry, 'milliseconds'),
  };
}

/** The newest of neighbours that say the same. */
export function withoutRepeats(rows: readonly TimelineRow[]): TimelineRow[] {
  return rows.filter((row, index) => row.text !== rows[index - 1]?.text);
}

/** Seconds of an ISO 8601 duration of days and smaller. */
export function parseDuration(text: string | undefined): number | undefined {
  const match = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/.exec(text ?? '');
  if (match === null || text === 'P' || text?.endsWith('T')) return undefined;
  const [, days = '0', hours = '0', minutes = '0', seconds = '0'] = match;
  return ((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds);
}

/** `1:02:03`, or `2:03` below an hour. */
export function clockText(totalSeconds: number): string {
  const whole = Math.max(0, Math.floor(totalSeconds));
  const two = (value: number) => String(value).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}
