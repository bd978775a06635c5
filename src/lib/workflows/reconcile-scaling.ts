import { isFinal, type Operation, type OperationError } from '../domain/operation.ts';
import {
  type BegunStatus,
  decideScaling,
  decideUnreadable,
  type ScaleDecision,
  type ScaleReading,
  type ScaleRequest,
  type Scaling,
  scaleKeyOf,
  scaleRetryMs,
  scalingStep,
} from '../domain/scaling.ts';
import type { ScaleMessage, ScalingDependencies } from './scaling-ports.ts';
import type { Claim, Stored } from './stores.ts';

/** Rounds of one call: what another call changed meanwhile is read again, then the queue goes on. */
const ROUNDS_MAX = 6;
const POLL_MS = 1_000;
/** The sweep looks where a message should long have come by. */
const MESSAGE_LATE_MS = 10_000;

/** `waiting`: look again after `delayMs`, for this operation. */
export type ScaleResult =
  | { readonly kind: 'settled' | 'givenUp' | 'busy' | 'none' }
  | { readonly kind: 'waiting'; readonly message: ScaleMessage; readonly delayMs: number };

/** Carries a target one step towards the units that were last asked for. Never waits for the media service's work. */
export async function reconcileScaling(key: string, deps: ScalingDependencies): Promise<ScaleResult> {
  const claim = await deps.claims.take(`scale!${key}`, deps.clock.now());
  if (claim === undefined) return { kind: 'busy' };
  try {
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      const stored = await deps.scalings.find(key);
      if (stored === undefined) {
        await deps.scaleDue.clear(key);
        return { kind: 'none' };
      }
      const result = await reconcileRound(key, { stored, claim }, deps);
      if (result !== 'again') return result;
    }
    return { kind: 'busy' };
  } finally {
    await claim.release();
  }
}

interface Round {
  readonly stored: Stored<Scaling>;
  readonly claim: Claim;
}

async function reconcileRound(
  key: string,
  { stored, claim }: Round,
  deps: ScalingDependencies,
): Promise<ScaleResult | 'again'> {
  const scaling = stored.value;
  await Promise.all(scaling.superseded.map((item) => closeSuperseded(item, deps)));
  const isOver = scaling.wanted !== null && (await isClosed(scaling.wanted.operation, deps));
  const request = isOver ? null : scaling.wanted;
  if (request === null) return settle(key, { ...stored, value: { ...scaling, superseded: [] } }, deps);
  const nowMs = deps.clock.now();
  const [read, status] = await Promise.all([tryRead(scaling, deps), readBegun(scaling, deps)]);
  // Who was too slow has lost the claim: another one goes on, and nothing more is ordered here.
  if (!(await claim.extend(deps.clock.now()))) return { kind: 'busy' };
  const decision =
    read.kind === 'unreadable'
      ? decideUnreadable(request, read.error)
      : decideScaling(scaling, request, { reading: read.reading, status, nowMs });
  const save = (next: Partial<Scaling>) =>
    deps.scalings.save(key, { ...scaling, superseded: [], ...next }, stored.etag);
  return act(decision, { key, scaling, request, from: read.reading?.units ?? 0, save }, deps);
}

interface Acting {
  readonly key: string;
  readonly scaling: Scaling;
  readonly request: ScaleRequest;
  /** The units that it has now. */
  readonly from: number;
  /** The etag after it; undefined when somebody asked for something else meanwhile. */
  readonly save: (next: Partial<Scaling>) => Promise<string | undefined>;
}

async function act(
  decision: ScaleDecision,
  acting: Acting,
  deps: ScalingDependencies,
): Promise<ScaleResult | 'again'> {
  const { key, request, scaling, save } = acting;
  switch (decision.kind) {
    case 'done':
      await close(request.operation, { status: 'Succeeded', step: 'done', error: null }, deps);
      return 'again';
    case 'giveUp':
      if (request.failure === null) {
        const saved = await save({ wanted: { ...request, failure: decision.error }, begun: null });
        if (saved === undefined) return 'again';
        await later(key, { scaling, request, delayMs: 0 }, deps);
        await deps.scaleQueue.giveUp(messageOf(scaling, request));
        return { kind: 'givenUp' };
      }
      await close(request.operation, failed(decision.error), deps);
      return 'again';
    case 'failed':
      return retry(decision.error, { ...acting, save: (next) => save({ begun: null, ...next }) }, deps);
    case 'unreadable':
      return retry(decision.error, acting, deps);
    case 'wait': {
      await tell(request.operation, decision, deps);
      if (scaling.superseded.length > 0 && (await save({})) === undefined) return 'again';
      return later(key, { scaling, request, delayMs: POLL_MS }, deps);
    }
    default:
      return begin(acting, deps);
  }
}

/** Stored before it is ordered: who dies in between leaves behind what was about to be done. */
async function begin(acting: Acting, deps: ScalingDependencies): Promise<ScaleResult | 'again'> {
  const { key, scaling, request, from, save } = acting;
  const nowMs = deps.clock.now();
  if (request.notBeforeMs > nowMs)
    return later(key, { scaling, request, delayMs: request.notBeforeMs - nowMs }, deps);
  const begun = { operation: request.operation, from, to: request.units, status: null };
  const etag = await save({ begun });
  if (etag === undefined) return 'again';
  await tell(request.operation, { step: scalingStep(begun), percentComplete: 30 }, deps);
  const order = await deps.scalables.order(scaling.target, request.units);
  const saveNext = (next: Partial<Scaling>) =>
    deps.scalings.save(key, { ...scaling, superseded: [], begun: null, ...next }, etag);
  if (order.kind === 'done') {
    await saveNext({ begun: { ...begun, status: order.status } });
    return later(key, { scaling, request, delayMs: POLL_MS }, deps);
  }
  if (order.kind === 'refused') {
    const failure = { code: order.code, message: order.message };
    await saveNext({ wanted: { ...request, lastError: failure, failure } });
    await later(key, { scaling, request, delayMs: 0 }, deps);
    await deps.scaleQueue.giveUp(messageOf(scaling, request));
    return { kind: 'givenUp' };
  }
  if (order.code === 'OperationInProgress') {
    await saveNext({});
    await tell(request.operation, { step: 'waiting for another scaling', percentComplete: 10 }, deps);
    return later(key, { scaling, request, delayMs: POLL_MS }, deps);
  }
  return retry({ code: order.code, message: order.message }, { ...acting, save: saveNext }, deps);
}

async function retry(
  error: OperationError,
  { key, scaling, request, save }: Acting,
  deps: ScalingDependencies,
): Promise<ScaleResult | 'again'> {
  const attempts = request.attempts + 1;
  const delayMs = scaleRetryMs(attempts);
  const wanted = { ...request, attempts, lastError: error, notBeforeMs: deps.clock.now() + delayMs };
  if ((await save({ wanted })) === undefined) return 'again';
  const step = `trying again: attempt ${attempts} ended with ${error.code}`;
  await tell(request.operation, { step, percentComplete: 10 }, deps);
  return later(key, { scaling, request: wanted, delayMs }, deps);
}

/** Nothing is wanted any more. What is asked for meanwhile has another etag: then it is due again in the next round. */
async function settle(
  key: string,
  { value, etag }: Stored<Scaling>,
  { scalings, scaleDue }: ScalingDependencies,
): Promise<ScaleResult | 'again'> {
  await scaleDue.clear(key);
  const saved = await scalings.save(key, { ...value, wanted: null, begun: null }, etag);
  return saved === undefined ? 'again' : { kind: 'settled' };
}

const messageOf = ({ target }: Scaling, { operation }: ScaleRequest): ScaleMessage => ({
  ...target,
  operation,
});

async function later(
  key: string,
  { scaling, request, delayMs }: { scaling: Scaling; request: ScaleRequest; delayMs: number },
  { scaleDue, clock }: ScalingDependencies,
): Promise<ScaleResult> {
  await scaleDue.set(key, clock.now() + delayMs + MESSAGE_LATE_MS);
  return { kind: 'waiting', message: messageOf(scaling, request), delayMs };
}

type Read =
  | { readonly kind: 'read'; readonly reading: ScaleReading | undefined }
  | { readonly kind: 'unreadable'; readonly error: OperationError; readonly reading?: undefined };

async function tryRead({ target }: Scaling, { scalables }: ScalingDependencies): Promise<Read> {
  try {
    return { kind: 'read', reading: await scalables.read(target) };
  } catch (error) {
    const said = error instanceof Error ? error.message.slice(0, 300) : 'unknown';
    const message = `The media service cannot be read: ${said}`;
    return { kind: 'unreadable', error: { code: 'mediaServiceUnavailable', message } };
  }
}

async function readBegun(
  { target, begun }: Scaling,
  { scalables }: ScalingDependencies,
): Promise<BegunStatus> {
  if (begun === null || begun.status === null) return { kind: 'unknown' };
  return scalables.follow(target, begun.status);
}

async function isClosed(id: string, { operations }: ScalingDependencies): Promise<boolean> {
  const operation = await operations.find(id);
  return operation === undefined || isFinal(operation);
}

type Told = Pick<Operation, 'step' | 'percentComplete'>;

const tell = (id: string, told: Told, { operations }: ScalingDependencies) =>
  operations.change(id, ({ step, percentComplete }) =>
    step === told.step && percentComplete === told.percentComplete
      ? {}
      : { status: 'Running', step: told.step, percentComplete: told.percentComplete },
  );

type Closing = Pick<Operation, 'status' | 'step' | 'error'>;

const failed = (error: OperationError): Closing => ({ status: 'Failed', step: 'failed', error });

const close = (id: string, closing: Closing, { operations, clock }: ScalingDependencies) =>
  operations.change(id, () => ({ ...closing, percentComplete: 100, finishedAtMs: clock.now() }));

const closeSuperseded = ({ operation, by }: Scaling['superseded'][number], deps: ScalingDependencies) =>
  close(
    operation,
    {
      status: 'Canceled',
      step: 'superseded',
      error: { code: 'superseded', message: `A later request took its place: operation ${by}.` },
    },
    deps,
  );

/**
 * What `scale-requests-poison` holds: a request that was given up, or a message that failed too often. Its operation
 * tells why; nothing of it is tried again.
 */
export async function failScaling(message: ScaleMessage, deps: ScalingDependencies): Promise<void> {
  const key = scaleKeyOf(message);
  const stored = await deps.scalings.find(key);
  const request = stored?.value.wanted ?? null;
  const isSuperseded = stored?.value.superseded.some(({ operation }) => operation === message.operation);
  if (isSuperseded !== true) {
    const isWanted = request?.operation === message.operation;
    await close(message.operation, failed((isWanted ? request.failure : null) ?? MESSAGE_FAILED), deps);
  }
  // Closed, it is no longer wanted; should this fail, the operation has told the truth already.
  await reconcileScaling(key, deps);
}

const MESSAGE_FAILED: OperationError = {
  code: 'scaleRequestFailed',
  message: 'The request failed too often and was given up. The log tells why; ask again.',
};
