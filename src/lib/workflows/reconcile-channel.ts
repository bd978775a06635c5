import type { Channel, Failure } from '../domain/channel.ts';
import { decideChannel, type Step } from '../domain/decide-channel.ts';
import { inputCheckIsDue, nextAuditMs, observeChannel, shouldAutoStop } from '../domain/observe-channel.ts';
import { observeProgram } from '../domain/observe-program.ts';
import type { Program } from '../domain/program.ts';
import { scheduledMoments } from '../domain/program-wants.ts';
import type { KeyProviderSettings } from '../domain/protection.ts';
import type { Snapshot } from '../domain/snapshot.ts';
import { carryOut } from './carry-out.ts';
import { closeOperations } from './close-operations.ts';
import { keepRecording } from './keep-recording.ts';
import type { KeyProvider } from './key-provider.ts';
import type { MediaService, Outcome } from './media-service.ts';
import { forgetProtection, type ProtectionSteps, protectionSteps } from './protect-media.ts';
import type { ProfileStore, ProfileUsers } from './protection-ports.ts';
import { readSnapshot } from './read-snapshot.ts';
import type { SecretStore } from './secret-store.ts';
import type {
  ChannelStore,
  Claim,
  Claims,
  Clock,
  DueIndex,
  OperationStore,
  ProgramStore,
  ReconcileQueue,
  Stored,
  Timeline,
  TimelineEntry,
} from './stores.ts';
import { autoStopEntry, conditionEntries, isTold, stepEntries } from './timeline-entries.ts';
import type { VideoStore } from './video-ports.ts';

/** Steps follow one another in one call as long as each is done at once; what is left goes on in the queue. */
const ROUNDS_MAX = 12;
const WAIT_SECONDS = 1;
const AWAITED_AUDIT_MS = 4_000;
const RETRY_MS = 2_000;
const REFUSED_RETRY_MS = 60_000;

export interface ReconcileDependencies {
  readonly channels: ChannelStore;
  readonly programs: ProgramStore;
  readonly operations: OperationStore;
  readonly timeline: Timeline;
  readonly due: DueIndex;
  readonly claims: Claims;
  readonly queue: ReconcileQueue;
  readonly media: MediaService;
  readonly clock: Clock;
  readonly profiles: ProfileStore;
  readonly profileUsers: ProfileUsers;
  readonly profileDue: DueIndex;
  readonly videos: VideoStore;
  readonly videoDue: DueIndex;
  readonly random: { guid(): string };
  readonly secrets: SecretStore;
  readonly keyProviderOf: (settings: KeyProviderSettings) => KeyProvider;
}

export type ReconcileResult = 'settled' | 'waiting' | 'busy' | 'gone';

/** Closes the difference between what is wanted of a channel with its programs and what the media service says. */
export async function reconcileChannel(name: string, deps: ReconcileDependencies): Promise<ReconcileResult> {
  // Read beside the claim to save a round trip: what is stale then is refused by its etag when it is saved.
  const [claim, wanted] = await Promise.all([
    deps.claims.take(name, deps.clock.now()),
    readWanted(name, deps),
  ]);
  if (claim === undefined) {
    await deps.queue.send(name, WAIT_SECONDS);
    return 'busy';
  }
  try {
    return await reconcileClaimed(name, { claim, wanted }, deps);
  } finally {
    await claim.release();
  }
}

const readWanted = (name: string, deps: ReconcileDependencies) =>
  Promise.all([deps.channels.find(name), deps.programs.ofChannel(name)]);

async function reconcileClaimed(
  name: string,
  { claim, wanted }: { claim: Claim; wanted: Awaited<ReturnType<typeof readWanted>> },
  deps: ReconcileDependencies,
): Promise<ReconcileResult> {
  let done: readonly CarriedOut[] = [];
  let [channel, programs] = wanted;
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    if (round > 0) [channel, programs] = await readWanted(name, deps);
    if (channel === undefined) {
      await deps.due.clear(name);
      return 'gone';
    }
    const result = await reconcileRound({ channel, programs, done, claim }, deps);
    done = result.done;
    if (result.next !== 'again') return result.next;
  }
  await deps.queue.send(name, WAIT_SECONDS);
  return 'waiting';
}

interface CarriedOut {
  readonly step: Step;
  readonly milliseconds: number;
}

interface Round {
  readonly channel: Stored<Channel>;
  readonly programs: readonly Stored<Program>[];
  readonly done: readonly CarriedOut[];
  readonly claim: Claim;
}

async function reconcileRound(
  round: Round,
  deps: ReconcileDependencies,
): Promise<{ next: ReconcileResult | 'again'; done: readonly CarriedOut[] }> {
  const { channel, programs } = round;
  const nowMs = deps.clock.now();
  const withFingerprint = inputCheckIsDue(channel.value, nowMs);
  const { snapshot, fingerprint, profiles } = await readSnapshot(
    { channel: channel.value, programs: programs.map(({ value }) => value), nowMs },
    { withFingerprint, deps },
  );
  const decision = decideChannel(snapshot);
  const isNew = (step: Step) => !round.done.some((before) => sameStep(before.step, step));
  const fresh = decision.steps.filter(isNew);
  // Who was too slow has lost the claim: another one goes on, and nothing more is written here.
  if (!(await round.claim.extend(deps.clock.now()))) return { next: 'busy', done: round.done };
  const protection = protectionSteps(profiles, deps);
  const results = await carryOutAll(fresh, { snapshot, programs, protection }, deps);
  const done = [...round.done, ...results.filter(({ outcome }) => outcome.kind === 'done')];
  const failed = results.map(({ outcome }) => outcome).find(({ kind }) => kind !== 'done');
  const resetDone = results.some(
    ({ step, outcome }) => step.kind === 'resetLiveEvent' && outcome.kind === 'done',
  );
  if (fresh.length > 0 && failed === undefined && !resetDone) return { next: 'again', done };

  const conflict = decision.conflict === undefined ? undefined : conflictOutcome(decision.conflict);
  const trouble = failed ?? conflict;
  const refusals = [
    ...results.flatMap(({ step, outcome }) => (outcome.kind === 'refused' ? [{ ...outcome, step }] : [])),
    ...(conflict === undefined ? [] : [{ ...conflict, step: undefined }]),
  ];
  const waiting = decision.waiting || failed !== undefined;
  const saved = await saveObserved(
    {
      round,
      snapshot,
      fingerprint: withFingerprint ? fingerprint : null,
      trouble,
      refusals,
      resetDone,
      waiting,
    },
    { done },
    deps,
  );
  if (!saved || resetDone) return { next: 'again', done: saved ? [] : done };
  if (waiting && trouble?.kind !== 'refused') await deps.queue.send(channel.value.name, WAIT_SECONDS);
  return { next: waiting ? 'waiting' : 'settled', done };
}

const conflictOutcome = (message: string): Outcome & { kind: 'refused' } => ({
  kind: 'refused',
  code: 'liveEventDiffers',
  message,
});

const sameStep = (a: Step, b: Step): boolean =>
  a.kind === b.kind && ('program' in a ? a.program : '') === ('program' in b ? b.program : '');

async function carryOutAll(
  steps: readonly Step[],
  {
    snapshot,
    programs,
    protection,
  }: { snapshot: Snapshot; programs: readonly Stored<Program>[]; protection: ProtectionSteps },
  deps: ReconcileDependencies,
) {
  return Promise.all(
    steps.map(async (step) => {
      const startedAtMs = deps.clock.now();
      const outcome = await carryOut(step, {
        channel: snapshot.channel,
        programs,
        media: deps.media,
        protection,
        saveProgram: deps.programs.save,
        nowMs: snapshot.nowMs,
      });
      return { step, outcome, milliseconds: deps.clock.now() - startedAtMs };
    }),
  );
}

/** Without a step it is the channel as a whole. */
interface Refusal {
  readonly step: Step | undefined;
  readonly code: string;
  readonly message: string;
}

interface Observed {
  readonly round: Round;
  readonly snapshot: Snapshot;
  readonly fingerprint: string | null;
  readonly trouble: Outcome | undefined;
  readonly refusals: readonly Refusal[];
  readonly resetDone: boolean;
  readonly waiting: boolean;
}

/** Stores what was read; false when somebody changed what is wanted meanwhile. */
async function saveObserved(
  observed: Observed,
  { done }: { done: readonly CarriedOut[] },
  deps: ReconcileDependencies,
): Promise<boolean> {
  const { round, snapshot } = observed;
  const { name } = snapshot.channel;
  const channel = nextChannel(observed);
  const isAutoStop = channel.desired !== snapshot.channel.desired;
  const programs = snapshot.programs.map((reading) => {
    const program = withTrouble(observeProgram(reading, snapshot), observed);
    return isAutoStop ? finishedIfRecording(program) : program;
  });
  const isGone = channel.desired === 'deleted' && snapshot.liveEvent === undefined && programs.length === 0;
  const gonePrograms = programs.filter((program, index) => isProgramGone(program, snapshot, index));
  const kept = programs.filter((program) => !gonePrograms.includes(program));
  await deps.due.set(name, dueAtMs({ channel, programs: kept, observed }));
  const savedPrograms = await Promise.all(
    programs.map((program, index) =>
      savePrograms(program, round.programs[index], { gone: gonePrograms.includes(program), deps }),
    ),
  );
  if (savedPrograms.includes(undefined)) return false;
  const [closed] = await Promise.all([
    closeOperations(
      {
        channel: isGone ? undefined : channel,
        open: channel.openOperations,
        programs: kept,
        nowMs: snapshot.nowMs,
      },
      deps.operations,
    ),
    tell(stepEntries(name, done, snapshot.nowMs), deps),
    ...programs.map((program, index) =>
      tellConditions(program, { etag: savedPrograms[index], channel, deps }),
    ),
  ]);
  const isSaved = isGone
    ? await deps.channels.remove(name, round.channel.etag)
    : await saveIfChanged({ ...channel, openOperations: closed }, round.channel, deps.channels);
  if (isSaved && isAutoStop) await tell([autoStopEntry(channel, snapshot.nowMs)], deps);
  if (isSaved && (isGone || isAtRest({ channel, programs: kept, observed }))) await deps.due.clear(name);
  return isSaved;
}

async function tell(entries: readonly TimelineEntry[], { timeline }: ReconcileDependencies): Promise<void> {
  await Promise.all(entries.map((entry) => timeline.add(entry)));
}

/** First the condition is stored, then it is told, then that it is told: what a crash leaves out, the next one tells. */
async function tellConditions(
  program: Program,
  { etag, channel, deps }: { etag: string | undefined; channel: Channel; deps: ReconcileDependencies },
): Promise<void> {
  if (etag === undefined || program.deleted !== false || program.conditions.every(isTold)) return;
  await tell(conditionEntries(program, channel), deps);
  const conditions = program.conditions.map((condition) => ({ ...condition, noted: condition.status }));
  await deps.programs.save({ ...program, conditions }, etag);
}

/** What a channel that stops by itself has recorded is finished; what waits for its first frame waits on. */
const finishedIfRecording = (program: Program): Program =>
  program.outputExists && program.firstFrameAtMs !== null && program.recordingWanted !== 'finished'
    ? { ...program, recordingWanted: 'finished', generation: program.generation + 1 }
    : program;

async function saveIfChanged(next: Channel, before: Stored<Channel>, store: ChannelStore): Promise<boolean> {
  if (JSON.stringify(next) === JSON.stringify(before.value)) return true;
  return (await store.save(next, before.etag)) !== undefined;
}

/** The etag after it; undefined when somebody changed what is wanted meanwhile. */
async function savePrograms(
  program: Program,
  before: Stored<Program> | undefined,
  { gone, deps }: { gone: boolean; deps: ReconcileDependencies },
): Promise<string | undefined> {
  if (before === undefined) return '';
  if (gone) {
    const user = { channel: program.channel, program: program.name };
    // A recording that is kept keeps its keys.
    if (await keepRecording(program, deps)) await deps.profileUsers.remove(program.settings.protection, user);
    else await forgetProtection(program, user, deps);
    return (await deps.programs.remove(program.channel, program.name, before.etag)) ? before.etag : undefined;
  }
  if (JSON.stringify(program) === JSON.stringify(before.value)) return before.etag;
  return deps.programs.save(program, before.etag);
}

function isProgramGone(program: Program, snapshot: Snapshot, index: number): boolean {
  const reading = snapshot.programs[index];
  if (
    program.deleted === false ||
    reading === undefined ||
    program.outputExists ||
    reading.locator === 'ours' ||
    reading.locator === 'outdated'
  )
    return false;
  return program.deleted === 'keepRecording' || reading.asset !== 'ours';
}

const failureOf = ({ step, code, message }: Refusal, atMs: number): Failure => ({
  code,
  message,
  atMs,
  ...(step === undefined ? {} : { step: step.kind }),
});

function withTrouble(program: Program, { trouble, refusals, snapshot }: Observed): Program {
  const reading = snapshot.programs.find((candidate) => candidate.program.name === program.name);
  if (reading?.asset === 'foreign') {
    const message = `The asset ${program.assetName} exists and belongs to something else: choose another program name.`;
    return {
      ...program,
      failure: { code: 'assetNameTaken', message, atMs: program.failure?.atMs ?? snapshot.nowMs },
    };
  }
  if (reading !== undefined && reading.protection === undefined && program.deleted === false) {
    const message = `There is no protection profile ${program.settings.protection}: make it, or give the program another.`;
    return {
      ...program,
      failure: { code: 'protectionProfileMissing', message, atMs: program.failure?.atMs ?? snapshot.nowMs },
    };
  }
  const refusal = refusals.find(({ step }) => programOf(step) === program.name);
  if (refusal !== undefined) return { ...program, failure: failureOf(refusal, snapshot.nowMs) };
  return trouble === undefined && program.failure !== null ? { ...program, failure: null } : program;
}

const programOf = (step: Step | undefined): string | undefined =>
  step !== undefined && 'program' in step ? step.program : undefined;

function nextChannel({ snapshot, fingerprint, refusals, resetDone }: Observed): Channel {
  const { nowMs } = snapshot;
  const seen = observeChannel(snapshot, fingerprint);
  const refusal = refusals.find(({ step }) => programOf(step) === undefined);
  const channel: Channel = {
    ...seen,
    resetWanted: resetDone || seen.desired !== 'running' ? false : seen.resetWanted,
    // What is refused to a program is its own failure.
    failure: refusal === undefined ? null : failureOf(refusal, nowMs),
    previousKey: (seen.previousKey?.validUntilMs ?? 0) > nowMs ? seen.previousKey : null,
  };
  return shouldAutoStop(channel, nowMs)
    ? { ...channel, desired: 'stopped', generation: channel.generation + 1 }
    : channel;
}

interface Resting {
  readonly channel: Channel;
  readonly programs: readonly Program[];
  readonly observed: Observed;
}

const isAtRest = ({ channel, programs, observed }: Resting): boolean =>
  (channel.desired === 'stopped' || channel.desired === 'standby') &&
  !observed.waiting &&
  observed.trouble === undefined &&
  channel.actual?.state === channel.desired &&
  programs.every((program) => scheduledMoments(program).every((moment) => moment <= observed.snapshot.nowMs));

function dueAtMs({ channel, programs, observed }: Resting): number {
  const { nowMs } = observed.snapshot;
  const moments = programs.flatMap(scheduledMoments).filter((moment) => moment > nowMs);
  const audit = nextAuditMs(channel, nowMs);
  if (observed.trouble?.kind === 'refused') return Math.min(nowMs + REFUSED_RETRY_MS, ...moments);
  if (observed.waiting || channel.desired !== observed.snapshot.channel.desired) return nowMs + RETRY_MS;
  const isAwaited = programs.some(
    ({ firstFrameAtMs, finishedAtMs }) => firstFrameAtMs === null && finishedAtMs === null,
  );
  // No event may ever say that the encoder sends: a program that waits for it is looked after more often.
  if (isAwaited && channel.desired === 'running')
    return Math.min(audit, nowMs + AWAITED_AUDIT_MS, ...moments);
  return Math.min(audit, ...moments);
}
