import { Problem } from '../domain/errors.ts';
import { isFinal, type Operation } from '../domain/operation.ts';
import { type ScaleTarget, type Scaling, scaleKeyOf } from '../domain/scaling.ts';
import { type ApiDependencies, newOperation } from './api-channels.ts';
import type { ScalingDependencies } from './scaling-ports.ts';

const ATTEMPTS_MAX = 8;
/** Requests that were superseded and not told so yet; the next look at the target tells all of them. */
const SUPERSEDED_MAX = 50;
/** The sweep looks where a message should long have come by. */
const MESSAGE_LATE_MS = 10_000;

type Dependencies = Pick<ScalingDependencies, 'scalings' | 'scaleDue' | 'operations' | 'clock'> &
  Pick<ApiDependencies, 'random'>;

/**
 * Stores how many units are wanted of a target. A request that is under way for as many is the same operation;
 * for another number it is superseded.
 */
export async function requestScaling(
  target: ScaleTarget,
  units: number,
  deps: Dependencies,
): Promise<Operation> {
  const key = scaleKeyOf(target);
  let operation: Operation | undefined;
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const stored = await deps.scalings.find(key);
    const before: Scaling = stored?.value ?? { target, wanted: null, begun: null, superseded: [] };
    const open = await openOperation(before, deps);
    if (operation === undefined && open !== undefined && before.wanted?.units === units) return open;
    operation ??= await newScaleOperation(target, deps);
    const next = wanting(before, { operation, units, nowMs: deps.clock.now() });
    // Due before it is wanted: whoever dies in between has lost nothing that anybody was told of.
    await deps.scaleDue.set(key, deps.clock.now() + MESSAGE_LATE_MS);
    if ((await deps.scalings.save(key, next, stored?.etag)) !== undefined) return operation;
  }
  throw new Problem('busy', { detail: 'More requests than this call could follow. Ask again.' });
}

async function openOperation({ wanted }: Scaling, { operations }: Dependencies) {
  const operation = wanted === null ? undefined : await operations.find(wanted.operation);
  return operation !== undefined && !isFinal(operation) ? operation : undefined;
}

const newScaleOperation = ({ kind, name }: ScaleTarget, deps: Dependencies): Promise<Operation> =>
  newOperation(
    {
      kind: `${kind}.scale`,
      ...(kind === 'streamingEndpoint' ? { streamingEndpoint: name } : { encodingCapacity: name }),
      status: 'NotStarted',
      step: 'queued',
    },
    deps,
  );

function wanting(
  before: Scaling,
  { operation, units, nowMs }: { operation: Operation; units: number; nowMs: number },
): Scaling {
  const old = before.wanted;
  const superseded =
    old === null || old.operation === operation.id
      ? before.superseded
      : [...before.superseded, { operation: old.operation, by: operation.id }];
  if (superseded.length > SUPERSEDED_MAX)
    throw new Problem('busy', { detail: 'Too many requests for this at the same time. Ask again.' });
  const wanted = {
    operation: operation.id,
    units,
    askedAtMs: nowMs,
    attempts: 0,
    lastError: null,
    notBeforeMs: nowMs,
    failure: null,
  };
  return { ...before, wanted, superseded };
}
