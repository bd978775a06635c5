import type { Snapshot } from './api.ts';
import { field, listAt, numberAt, textAt } from './json.ts';

export type PlaybackStatus = 'unknown' | 'waiting' | 'live' | 'onDemand' | 'ended';

export interface Step {
  readonly name: 'EncoderConnected' | 'KeyPolicyReady' | 'DeliveryPolicyReady' | 'Published';
  readonly title: string;
  readonly explanation: string;
  readonly isDone: boolean;
  /** Why not, when the service said so. */
  readonly problem: string | undefined;
  /** How long the step itself took. */
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

const ENCODER_UP = /EncoderConnected|IncomingStreamReceived/;
const EVENT_NAMESPACE = /^(Microsoft|Headend)\.Media\./;
const ENCODER_GONE = /EncoderDisconnected/;

/** What one snapshot means for a viewer of the page. */
export function modelOf({ channel, program, timeline }: Snapshot): Model {
  const entries = listAt(timeline, 'items');
  return {
    channel: textAt(channel, 'name') ?? '',
    program: textAt(program, 'name') ?? '',
    status: statusOf(program),
    hls: textAt(program, 'playback', 'hls') ?? '',
    dash: textAt(program, 'playback', 'dash') ?? '',
    steps: STEPS.map((step) => stepOf(step, program, entries)),
    health: healthOf(channel),
    recordedSeconds: parseDuration(textAt(program, 'recording', 'duration')),
    timeline: entries.map(rowOf),
  };
}

function statusOf(program: unknown): PlaybackStatus {
  const status = textAt(program, 'playback', 'status');
  if (status === 'live' || status === 'onDemand') return status;
  if (status === 'unpublished' || status === 'ended') return 'ended';
  return status === undefined ? 'unknown' : 'waiting';
}

function stepOf(step: (typeof STEPS)[number], program: unknown, entries: readonly unknown[]): Step {
  if (step.name === 'EncoderConnected') {
    // Newest first: the first word about the encoder is the last one.
    const last = entries.find(
      (entry) => ENCODER_UP.test(eventOf(entry)) || ENCODER_GONE.test(eventOf(entry)),
    );
    const isDone = last !== undefined && ENCODER_UP.test(eventOf(last));
    return { ...step, isDone, problem: undefined, tookMs: isDone ? tookMsOf(last) : undefined };
  }
  const condition = listAt(program, 'conditions').find((item) => textAt(item, 'type') === step.name);
  const isDone = field(condition, 'status') === true;
  const entry = entries.find(
    (item) => eventOf(item).includes(step.name) || effectOf(item).includes(step.name),
  );
  return {
    ...step,
    isDone,
    problem: isDone ? undefined : textAt(condition, 'message'),
    tookMs: isDone ? (numberAt(condition, 'tookMs') ?? tookMsOf(entry)) : undefined,
  };
}

function healthOf(channel: unknown): Model['health'] {
  const level = textAt(channel, 'health', 'level');
  const sentence = textAt(channel, 'health', 'message');
  if (level === 'ok' || level === 'info' || level === 'warning' || level === 'error') {
    return { level, sentence: sentence ?? level };
  }
  return { level: 'unknown', sentence: sentence ?? 'Nothing is known yet.' };
}

function rowOf(entry: unknown): TimelineRow {
  const effect = effectOf(entry);
  return {
    at: textAt(entry, 'at') ?? textAt(entry, 'time') ?? '',
    text: [eventOf(entry).replace(EVENT_NAMESPACE, ''), effect].filter((part) => part !== '').join(' → '),
    tookMs: tookMsOf(entry),
  };
}

function eventOf(entry: unknown): string {
  return textAt(entry, 'event') ?? textAt(entry, 'what') ?? '';
}

function effectOf(entry: unknown): string {
  return textAt(entry, 'effect') ?? '';
}

function tookMsOf(entry: unknown): number | undefined {
  return numberAt(entry, 'tookMs') ?? numberAt(entry, 'durationMs');
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
