import type { Channel } from '../domain/channel.ts';
import { parseDurationMs } from '../domain/duration.ts';
import { Problem } from '../domain/errors.ts';
import { isWithoutResult, type Operation, type OperationKind } from '../domain/operation.ts';
import { assetNameOf, type Program, type ProgramSettings, programState } from '../domain/program.ts';
import { wantsRecording } from '../domain/program-wants.ts';
import {
  type ApiDependencies,
  type Caller,
  changeChannel,
  checkIfMatch,
  getChannel,
  newOperation,
  note,
} from './api-channels.ts';
import { useProfile } from './api-protection.ts';
import type { Stored } from './stores.ts';

const ATTEMPTS_MAX = 8;
/** The media service's limit of live outputs of one live event. */
const RECORDING_PROGRAMS_MAX = { passthrough: 3, passthroughBasic: 1 } as const;
/** What a recording of a basic channel may hold at most. */
const BASIC_KEEP_MS_MAX = 8 * 3_600_000;
const PROGRAMS_PER_CHANNEL_MAX = 500;

interface Key {
  readonly channel: string;
  readonly program: string;
}

interface With {
  readonly caller: Caller;
  readonly deps: ApiDependencies;
}

export async function getProgram(
  { channel, program }: Key,
  { programs }: Pick<ApiDependencies, 'programs'>,
): Promise<Stored<Program>> {
  const stored = await programs.find(channel, program);
  if (stored === undefined)
    throw new Problem('programNotFound', { detail: `The channel ${channel} has no program ${program}.` });
  return stored;
}

/** Stores what is wanted of a program; its addresses are chosen here, once. */
export async function putProgram(
  key: Key,
  settings: ProgramSettings,
  { caller, deps }: With,
): Promise<{ program: Program; created: boolean; channel: Channel }> {
  const { value: channel } = await getChannel(key.channel, deps);
  if (channel.desired === 'deleted')
    throw new Problem('channelDeleting', { detail: 'The channel is being deleted.' });
  const existing = await deps.programs.find(key.channel, key.program);
  if (existing !== undefined) {
    const program = await changeProgram(key, (before) => withProgramSettings(before, settings), {
      caller,
      deps,
    });
    return { program, created: false, channel };
  }
  checkIfMatch(caller, undefined);
  await useProfile(settings.protection, key, deps);
  const program = newProgram(key, settings, deps);
  await checkRoom(program, deps);
  await deps.due.set(key.channel, deps.clock.now());
  if ((await deps.programs.save(program, undefined)) === undefined)
    return putProgram(key, settings, { caller, deps });
  await note(
    key.channel,
    {
      type: 'program.created',
      by: caller.by,
      effect: 'The program is wanted; its addresses are fixed.',
      program: key.program,
    },
    deps,
  );
  return { program, created: true, channel };
}

async function checkRoom(program: Program, deps: ApiDependencies): Promise<void> {
  const others = (await deps.programs.ofChannel(program.channel)).map(({ value }) => value);
  const nowMs = deps.clock.now();
  const recording = others.filter((other) => other.name !== program.name && wantsRecording(other, nowMs));
  const current = { recording: recording.map(({ name }) => name) };
  const { encoding } = (await getChannel(program.channel, deps)).value.settings;
  checkKeep(program, encoding);
  const recordingMax = RECORDING_PROGRAMS_MAX[encoding];
  if (wantsRecording(program, nowMs) && recording.length >= recordingMax) {
    throw new Problem('tooManyPrograms', {
      detail: `A channel records at most ${recordingMax} programs at a time: finish one first.`,
      current,
    });
  }
  if (others.length >= PROGRAMS_PER_CHANNEL_MAX) {
    throw new Problem('tooManyPrograms', {
      detail: `A channel holds at most ${PROGRAMS_PER_CHANNEL_MAX} programs: delete some (recordings are kept).`,
      current,
    });
  }
}

function checkKeep({ settings: { keep } }: Program, encoding: Channel['settings']['encoding']): void {
  if (encoding !== 'passthroughBasic' || keep === 'all') return;
  if ((parseDurationMs(keep) ?? 0) <= BASIC_KEEP_MS_MAX) return;
  throw new Problem('invalidBody', {
    detail: 'A recording of a passthroughBasic channel holds at most 8 hours.',
    errors: [{ pointer: '/keep', message: 'at most PT8H for this channel' }],
  });
}

const FIXED = ['rewind', 'keep'] as const;

export function withProgramSettings(program: Program, settings: ProgramSettings): Program {
  if (program.deleted !== false) throw new Problem('programDeleting', { detail: 'Wait until it is gone.' });
  const changed = FIXED.filter((field) => settings[field] !== program.settings[field]);
  if (changed.length > 0 && (program.outputExists || program.finishedAtMs !== null)) {
    throw new Problem('immutableField', {
      detail: 'What is recorded has these already. Make another program with the new values.',
      errors: changed.map((field) => ({
        pointer: `/${field}`,
        message: 'cannot be changed once recording is armed',
      })),
      current: Object.fromEntries(FIXED.map((field) => [field, program.settings[field]])),
    });
  }
  const { protection } = program.settings;
  if (program.published && settings.protection !== protection) {
    throw new Problem('immutableField', {
      detail:
        'The protection is in the addresses of what is published. Unpublish it first, change it, publish it again.',
      errors: [{ pointer: '/protection', message: 'cannot be changed while it is published' }],
      current: { protection, published: true },
    });
  }
  if (JSON.stringify(settings) === JSON.stringify(program.settings)) return program;
  return { ...program, settings, generation: program.generation + 1 };
}

function newProgram(
  { channel, program }: Key,
  settings: ProgramSettings,
  { clock, random }: ApiDependencies,
): Program {
  return {
    channel,
    name: program,
    id: random.guid(),
    createdAtMs: clock.now(),
    changedAtMs: clock.now(),
    generation: 1,
    recordingWanted: 'auto',
    publishingWanted: 'auto',
    deleted: false,
    settings,
    assetName: assetNameOf(channel, program),
    manifestName: program,
    locatorId: random.guid(),
    contentKeys: [],
    outputExists: false,
    published: false,
    firstFrameAtMs: null,
    finishedAtMs: null,
    conditions: [],
    settledGeneration: null,
    lastOperation: null,
    failure: null,
  };
}

export async function changeProgram(
  key: Key,
  change: (program: Program) => Program,
  { caller, deps }: With,
): Promise<Program> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const stored = await getProgram(key, deps);
    checkIfMatch(caller, stored.value);
    const changed = change(stored.value);
    if (changed === stored.value) return changed;
    const { protection } = changed.settings;
    if (protection !== stored.value.settings.protection) await useProfile(protection, key, deps);
    const next = { ...changed, changedAtMs: deps.clock.now() };
    if (wantsRecording(next, deps.clock.now())) await checkRoom(next, deps);
    await deps.due.set(key.channel, deps.clock.now());
    if ((await deps.programs.save(next, stored.etag)) !== undefined) return next;
  }
  throw new Problem('busy', { detail: 'The program changes faster than this call could follow.' });
}

export type ProgramVerb = 'start' | 'finish' | 'publish' | 'unpublish' | 'delete' | 'deleteRecording';

const KINDS: Readonly<Record<ProgramVerb, OperationKind>> = {
  start: 'program.start',
  finish: 'program.finish',
  publish: 'program.publish',
  unpublish: 'program.unpublish',
  delete: 'program.delete',
  deleteRecording: 'program.delete',
};

/** Asks for a verb; a second call while it is so gets the same operation. */
export async function runProgram(key: Key, verb: ProgramVerb, { caller, deps }: With): Promise<Operation> {
  const kind = KINDS[verb];
  const { value: before } = await getProgram(key, deps);
  checkIfMatch(caller, before);
  if (before.lastOperation?.kind === kind) {
    const repeated = await deps.operations.find(before.lastOperation.id);
    if (repeated !== undefined && !isWithoutResult(repeated)) return repeated;
  }
  const { value: channel } = await getChannel(key.channel, deps);
  wanting(before, verb, channel);
  const operation = await newOperation({ kind, ...key }, deps);
  const anyTag = { caller: { ...caller, ifMatch: undefined }, deps };
  const open = { id: operation.id, kind, program: key.program };
  await changeChannel(
    key.channel,
    (next) => ({ ...next, openOperations: [...next.openOperations, open], failure: null }),
    anyTag,
  );
  await changeProgram(
    key,
    (program) => ({
      ...wanting(program, verb, channel),
      generation: program.generation + 1,
      lastOperation: { id: operation.id, kind },
    }),
    anyTag,
  );
  await note(
    key.channel,
    { type: kind, by: caller.by, effect: `Asked for: ${verb}.`, program: key.program },
    deps,
  );
  return operation;
}

function wanting(program: Program, verb: ProgramVerb, channel: Channel): Program {
  const current = { state: programState(program, channel) };
  const isOver = program.recordingWanted === 'finished';
  switch (verb) {
    case 'start':
      if (isOver)
        throw new Problem('programFinished', {
          detail: 'A recording is one piece. Make another program.',
          current,
        });
      return { ...program, recordingWanted: 'started' };
    case 'finish':
      return { ...program, recordingWanted: 'finished' };
    case 'publish':
      return { ...program, publishingWanted: 'published' };
    case 'unpublish':
      return { ...program, publishingWanted: 'unpublished' };
    default:
      if (current.state === 'recording')
        throw new Problem('programNotFinished', { detail: 'Finish it first.', current });
      return { ...program, deleted: verb === 'delete' ? 'keepRecording' : 'deleteRecording' };
  }
}
