import type { Channel, ChannelSettings } from '../domain/channel.ts';
import { channelState } from '../domain/channel.ts';
import { Problem } from '../domain/errors.ts';
import { STOPPED_HEALTH } from '../domain/health.ts';
import { isWithoutResult, type Operation, type OperationKind } from '../domain/operation.ts';
import type { Program } from '../domain/program.ts';
import { programState } from '../domain/program.ts';
import type { ProfileStore, ProfileUsers } from './protection-ports.ts';
import type {
  ChannelStore,
  Clock,
  DueIndex,
  OperationStore,
  ProgramStore,
  Stored,
  Timeline,
} from './stores.ts';
import { timelineId } from './timeline-entries.ts';

const ATTEMPTS_MAX = 8;

export interface ApiDependencies {
  readonly channels: ChannelStore;
  readonly programs: ProgramStore;
  readonly operations: OperationStore;
  readonly timeline: Timeline;
  readonly due: DueIndex;
  readonly profiles: ProfileStore;
  readonly profileUsers: ProfileUsers;
  readonly clock: Clock;
  readonly random: { guid(): string };
}

export interface Caller {
  readonly by: string;
  /** The entity tag the caller insists on. */
  readonly ifMatch: string | undefined;
}

export const etagOf = (resource: { readonly id: string; readonly generation: number }): string =>
  `"${resource.id.slice(0, 8)}-${resource.generation}"`;

export function checkIfMatch(
  caller: Caller,
  resource: { readonly id: string; readonly generation: number } | undefined,
): void {
  if (caller.ifMatch === undefined) return;
  const accepted = caller.ifMatch.split(',').map((tag) => tag.trim());
  if (resource !== undefined && (accepted.includes('*') || accepted.includes(etagOf(resource)))) return;
  throw new Problem('etagMismatch', {
    detail:
      resource === undefined ? 'There is no such resource.' : `The resource’s ETag is ${etagOf(resource)}.`,
  });
}

/** Reads, changes and writes until nobody was in between; the due mark comes first, so a crash after it loses nothing. */
export async function changeChannel(
  name: string,
  change: (channel: Channel) => Channel | Promise<Channel>,
  { caller, deps }: { caller: Caller; deps: ApiDependencies },
): Promise<Channel> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const stored = await getChannel(name, deps);
    checkIfMatch(caller, stored.value);
    const next = await change(stored.value);
    if (next === stored.value) return next;
    await deps.due.set(name, deps.clock.now());
    if ((await deps.channels.save(next, stored.etag)) !== undefined) return next;
  }
  throw new Problem('busy', { detail: 'The channel changes faster than this call could follow.' });
}

export async function getChannel(
  name: string,
  { channels }: Pick<ApiDependencies, 'channels'>,
): Promise<Stored<Channel>> {
  const stored = await channels.find(name);
  if (stored === undefined) throw new Problem('channelNotFound', { detail: `There is no channel ${name}.` });
  return stored;
}

/** Stores what is wanted of a channel; resolves to whether it is new. */
export async function putChannel(
  name: string,
  settings: ChannelSettings,
  { caller, deps }: { caller: Caller; deps: ApiDependencies },
): Promise<{ channel: Channel; created: boolean }> {
  const existing = await deps.channels.find(name);
  if (existing !== undefined) {
    const channel = await changeChannel(name, (before) => withSettings(before, settings), { caller, deps });
    return { channel, created: false };
  }
  checkIfMatch(caller, undefined);
  const channel = newChannel(name, settings, deps);
  await deps.due.set(name, deps.clock.now());
  if ((await deps.channels.save(channel, undefined)) === undefined)
    return putChannel(name, settings, { caller, deps });
  await note(
    channel.name,
    { type: 'channel.created', by: caller.by, effect: 'The channel is wanted.' },
    deps,
  );
  return { channel, created: true };
}

const FIXED = ['keyFrameInterval', 'encoding', 'ingest'] as const;
const isEqual = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

export function withSettings(channel: Channel, settings: ChannelSettings): Channel {
  if (channel.desired === 'deleted')
    throw new Problem('channelDeleting', {
      detail: 'Wait until it is gone, then create it again.',
      current: { state: channelState(channel) },
    });
  const changed = FIXED.filter((field) => !isEqual(settings[field], channel.settings[field]));
  if (changed.length > 0) {
    throw new Problem('immutableField', {
      detail: `${changed.join(', ')}: fixed when the channel is made. Delete the channel and create it again.`,
      errors: changed.map((field) => ({ pointer: `/${field}`, message: 'cannot be changed' })),
      current: Object.fromEntries(changed.map((field) => [field, channel.settings[field]])),
    });
  }
  if (JSON.stringify(settings) === JSON.stringify(channel.settings)) return channel;
  return { ...channel, settings, generation: channel.generation + 1 };
}

function newChannel(name: string, settings: ChannelSettings, { clock, random }: ApiDependencies): Channel {
  const nowMs = clock.now();
  return {
    name,
    id: random.guid(),
    createdAtMs: nowMs,
    generation: 1,
    desired: 'stopped',
    settings,
    accessToken: random.guid().replaceAll('-', ''),
    previewLocator: random.guid(),
    previousKey: null,
    resetWanted: false,
    actual: null,
    previewAnswers: false,
    inputTracks: [],
    encoderNotice: null,
    connections: {},
    encoderSending: false,
    sendingSinceMs: null,
    recording: false,
    runningSinceMs: null,
    inputSeenAtMs: null,
    inputCheckedAtMs: null,
    inputFingerprint: null,
    reported: null,
    lasting: null,
    healthToldAtMs: null,
    health: { ...STOPPED_HEALTH, sinceMs: nowMs },
    openOperations: [],
    lastOperation: null,
    failure: null,
  };
}

export type ChannelVerb = 'start' | 'standby' | 'stop' | 'reset' | 'delete';

/** Asks for a verb; a second call while it is so gets the same operation. */
export async function runChannel(
  name: string,
  { verb, finishPrograms }: { verb: ChannelVerb; finishPrograms: boolean },
  { caller, deps }: { caller: Caller; deps: ApiDependencies },
): Promise<Operation> {
  const kind: OperationKind = `channel.${verb}`;
  const before = await getChannel(name, deps);
  checkIfMatch(caller, before.value);
  const repeated = await sameOperation(before.value, kind, deps);
  if (repeated !== undefined) return repeated;
  await checkVerb(before.value, { verb, finishPrograms }, deps);
  const operation = await newOperation({ kind, channel: name }, deps);
  await changeChannel(name, (channel) => wanting(channel, operation, verb), {
    caller: { ...caller, ifMatch: undefined },
    deps,
  });
  await note(name, { type: kind, by: caller.by, effect: `Asked for: ${verb}.` }, deps);
  return operation;
}

function wanting(channel: Channel, { id, kind }: Operation, verb: ChannelVerb): Channel {
  if (channel.desired === 'deleted' && verb !== 'delete')
    throw new Problem('channelDeleting', { detail: 'It is being deleted.' });
  const desired = (
    { start: 'running', standby: 'standby', stop: 'stopped', reset: 'running', delete: 'deleted' } as const
  )[verb];
  return {
    ...channel,
    desired,
    resetWanted: verb === 'reset',
    generation: channel.generation + 1,
    openOperations: [...channel.openOperations, { id, kind }],
    lastOperation: { id, kind },
    failure: null,
  };
}

async function sameOperation(
  channel: Channel,
  kind: OperationKind,
  { operations }: ApiDependencies,
): Promise<Operation | undefined> {
  if (channel.lastOperation?.kind !== kind) return undefined;
  const operation = await operations.find(channel.lastOperation.id);
  if (operation === undefined || isWithoutResult(operation)) return undefined;
  const isSpent = operation.status === 'Succeeded' && !holdsFor(channel, kind);
  return isSpent ? undefined : operation;
}

const WANTED_AFTER: Readonly<Record<string, Channel['desired']>> = {
  'channel.start': 'running',
  'channel.standby': 'standby',
  'channel.stop': 'stopped',
};

function holdsFor(channel: Channel, kind: OperationKind): boolean {
  const wanted = WANTED_AFTER[kind];
  return wanted !== undefined && wanted === channel.desired;
}

async function checkVerb(
  channel: Channel,
  { verb, finishPrograms }: { verb: ChannelVerb; finishPrograms: boolean },
  deps: ApiDependencies,
): Promise<void> {
  const current = { state: channelState(channel), desired: channel.desired };
  if (verb === 'start') return;
  if (verb === 'reset' && channel.desired !== 'running') {
    throw new Problem('channelNotRunning', {
      detail: 'Only a running channel can be reset. Start it.',
      current,
    });
  }
  const programs = (await deps.programs.ofChannel(channel.name)).map(({ value }) => value);
  if (verb === 'delete') {
    const state = channelState(channel);
    if (channel.desired !== 'stopped' || (state !== 'stopped' && state !== 'pending')) {
      throw new Problem('channelNotStopped', { detail: 'Stop the channel first.', current });
    }
    if (programs.length === 0) return;
    const names = programs.map(({ name }) => name).slice(0, 10);
    throw new Problem('channelHasPrograms', {
      detail: 'Delete its programs first; their recordings are kept unless recording=delete.',
      current: { ...current, programs: names },
    });
  }
  const recording = programs.filter((program) => programState(program, channel) === 'recording');
  if (recording.length === 0) return;
  if (!finishPrograms) {
    throw new Problem('channelRecording', {
      detail: 'Finish its programs first, or send {"finishPrograms": true}.',
      current: { ...current, recording: recording.map(({ name }) => name) },
    });
  }
  await Promise.all(recording.map((program) => finishForGood(program, deps)));
}

async function finishForGood(program: Program, { programs }: ApiDependencies): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const stored = await programs.find(program.channel, program.name);
    if (stored === undefined || stored.value.recordingWanted === 'finished') return;
    const next: Program = {
      ...stored.value,
      recordingWanted: 'finished',
      generation: stored.value.generation + 1,
    };
    if ((await programs.save(next, stored.etag)) !== undefined) return;
  }
  throw new Problem('busy', {
    detail: `The program ${program.name} changes faster than this call could follow.`,
  });
}

/** How long the key of a running channel goes on working after a rotation, unless it is said. */
const OVERLAP_MS = 600_000;

/**
 * A new key. For `overlapMs` (10 minutes while the channel runs, else not at all) encoders may connect with the old one
 * as well; who is connected with it stays.
 */
export async function rotateStreamKey(
  name: string,
  asked: { overlapMs: number | undefined },
  { caller, deps }: { caller: Caller; deps: ApiDependencies },
): Promise<Channel> {
  const channel = await changeChannel(name, (before) => withNewKey(before, asked, deps), { caller, deps });
  const { previousKey } = channel;
  const effect =
    previousKey === null
      ? 'The old stream key is worthless.'
      : `The old stream key works until ${new Date(previousKey.validUntilMs).toISOString()}.`;
  await note(name, { type: 'streamKey.rotated', by: caller.by, effect }, deps);
  return channel;
}

function withNewKey(
  channel: Channel,
  { overlapMs }: { overlapMs: number | undefined },
  { clock, random }: ApiDependencies,
): Channel {
  if (channel.desired === 'deleted') throw new Problem('channelDeleting', { detail: 'It is being deleted.' });
  const isOpen = channel.desired === 'running' || channel.actual?.state === 'running';
  const validForMs = overlapMs ?? (isOpen ? OVERLAP_MS : 0);
  const previousKey =
    validForMs === 0 ? null : { token: channel.accessToken, validUntilMs: clock.now() + validForMs };
  const accessToken = random.guid().replaceAll('-', '');
  return { ...channel, accessToken, previousKey, generation: channel.generation + 1 };
}

export async function newOperation(
  of: Pick<Operation, 'kind' | 'channel' | 'program' | 'video' | 'streamingEndpoint' | 'encodingCapacity'> &
    Partial<Pick<Operation, 'status' | 'step'>>,
  { operations, random, clock }: Pick<ApiDependencies, 'operations' | 'random' | 'clock'>,
): Promise<Operation> {
  const operation: Operation = {
    status: 'Running',
    step: 'asked for',
    ...of,
    id: `op_${random.guid().replaceAll('-', '')}`,
    percentComplete: 0,
    error: null,
    createdAtMs: clock.now(),
  };
  await operations.save(operation);
  return operation;
}

export async function note(
  channel: string,
  entry: { type: string; by: string; effect: string; program?: string },
  { timeline, clock, random }: Pick<ApiDependencies, 'timeline' | 'clock' | 'random'>,
): Promise<void> {
  const atMs = clock.now();
  await timeline.add({
    id: timelineId(atMs, random.guid()),
    channel,
    atMs,
    source: 'api',
    milliseconds: null,
    program: null,
    ...entry,
  });
}
