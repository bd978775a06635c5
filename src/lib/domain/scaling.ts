import type { OperationError } from './operation.ts';

/** What can be scaled: a streaming endpoint by its name, and the one encoding capacity, `default`. */
export interface ScaleTarget {
  readonly kind: 'streamingEndpoint' | 'encodingCapacity';
  readonly name: string;
}

/** Names compare without case in the media service. */
export const scaleKeyOf = ({ kind, name }: ScaleTarget): string => `${kind}!${name.toLowerCase()}`;

export interface ScaleRequest {
  readonly operation: string;
  readonly units: number;
  readonly askedAtMs: number;
  /** How often the media service was asked and could not. */
  readonly attempts: number;
  /** What it said the last time. */
  readonly lastError: OperationError | null;
  /** Not asked again before. */
  readonly notBeforeMs: number;
  /** Why it is given up. */
  readonly failure: OperationError | null;
}

/** A scaling that was ordered from the media service, or is about to be: stored first, so that a crash cannot hide it. */
export interface BegunScaling {
  readonly operation: string;
  readonly from: number;
  readonly to: number;
  /** Where the media service tells how it goes; null until it has answered. */
  readonly status: string | null;
}

/** All that is known of the scaling of one target. */
export interface Scaling {
  readonly target: ScaleTarget;
  readonly wanted: ScaleRequest | null;
  readonly begun: BegunScaling | null;
  /** Operations that a later request has taken the place of, and that do not say so yet. */
  readonly superseded: readonly { readonly operation: string; readonly by: string }[];
}

export interface ScaleReading {
  readonly units: number;
  /** It is being scaled now, whoever asked for it. */
  readonly busy: boolean;
}

/** How the media service says a scaling goes; `unknown` where it does not say. */
export type BegunStatus =
  | { readonly kind: 'running' | 'succeeded' | 'unknown' }
  | { readonly kind: 'failed'; readonly error: OperationError };

export type ScaleDecision =
  | { readonly kind: 'done' }
  | { readonly kind: 'begin' }
  | { readonly kind: 'failed' | 'unreadable'; readonly error: OperationError }
  | { readonly kind: 'giveUp'; readonly error: OperationError }
  | { readonly kind: 'wait'; readonly step: string; readonly percentComplete: number };

const RETRY_MS_FIRST = 1_000;
const RETRY_MS_MAX = 30_000;
/** The original took up to half an hour for a premium endpoint. */
const REQUEST_MS_MAX = 3_600_000;
/** With the delays between them about three minutes. */
export const SCALE_ATTEMPTS_MAX = 10;

/** How long to wait after the n-th failure: 1, 2, 4, 8, 16, then 30 s. */
export const scaleRetryMs = (attempts: number): number =>
  Math.min(RETRY_MS_MAX, RETRY_MS_FIRST * 2 ** Math.min(attempts - 1, 10));

/** The next thing to do for a request, from what was stored and what was read. */
export function decideScaling(
  { target, begun }: Scaling,
  request: ScaleRequest,
  { reading, status, nowMs }: { reading: ScaleReading | undefined; status: BegunStatus; nowMs: number },
): ScaleDecision {
  if (request.failure !== null) return { kind: 'giveUp', error: request.failure };
  if (reading === undefined) return { kind: 'giveUp', error: notFound(target) };
  const decision =
    begun === null ? decideAnew(request, reading) : decideBegun(begun, request, { reading, status });
  if (decision.kind === 'done') return decision;
  if (nowMs - request.askedAtMs > REQUEST_MS_MAX) return { kind: 'giveUp', error: tooLate(request) };
  const isExhausted = decision.kind === 'begin' && request.attempts >= SCALE_ATTEMPTS_MAX;
  return isExhausted ? { kind: 'giveUp', error: exhausted(request) } : decision;
}

/** What cannot be read is tried again as often as what cannot be ordered. */
export const decideUnreadable = (request: ScaleRequest, error: OperationError): ScaleDecision => {
  if (request.failure !== null) return { kind: 'giveUp', error: request.failure };
  return request.attempts >= SCALE_ATTEMPTS_MAX
    ? { kind: 'giveUp', error: exhausted(request) }
    : { kind: 'unreadable', error };
};

function decideAnew({ units }: ScaleRequest, reading: ScaleReading): ScaleDecision {
  if (reading.busy) return WAIT_FOR_OTHER;
  return reading.units === units ? { kind: 'done' } : { kind: 'begin' };
}

const WAIT_FOR_OTHER: ScaleDecision = {
  kind: 'wait',
  step: 'waiting for another scaling',
  percentComplete: 10,
};

function decideBegun(
  begun: BegunScaling,
  request: ScaleRequest,
  { reading, status }: { reading: ScaleReading; status: BegunStatus },
): ScaleDecision {
  const isOurs = begun.operation === request.operation;
  const goesOn = status.kind === 'running' || (status.kind === 'unknown' && reading.busy);
  if (goesOn)
    return isOurs ? { kind: 'wait', step: scalingStep(begun), percentComplete: 50 } : WAIT_FOR_OTHER;
  // What another request began is over: all that matters now is what is so.
  if (!isOurs) return decideAnew(request, reading);
  if (status.kind === 'failed') return { kind: 'failed', error: status.error };
  if (status.kind === 'succeeded' || reading.units === request.units) return { kind: 'done' };
  // Without an answer the order may never have been sent.
  return begun.status === null ? { kind: 'begin' } : { kind: 'failed', error: NOT_CARRIED_OUT };
}

const NOT_CARRIED_OUT: OperationError = {
  code: 'scaleNotCarriedOut',
  message: 'The media service took the order and did not carry it out.',
};

const notFound = ({ kind, name }: ScaleTarget): OperationError => ({
  code: kind === 'streamingEndpoint' ? 'streamingEndpointNotFound' : 'encodingCapacityNotFound',
  message: `The media service has no ${kind === 'streamingEndpoint' ? `streaming endpoint ${name}` : 'encoding capacity to scale'}.`,
});

export const scalingStep = ({ from, to }: { from: number; to: number }): string =>
  `scaling from ${from} to ${to}`;

const exhausted = ({ lastError, attempts }: ScaleRequest): OperationError => ({
  code: lastError?.code ?? 'scaleFailed',
  message: `Given up after ${attempts} attempts: ${lastError?.message ?? 'the media service did not say why.'}`,
});

const tooLate = ({ lastError }: ScaleRequest): OperationError => ({
  code: 'scaleTimedOut',
  message: `Not done within ${REQUEST_MS_MAX / 60_000} minutes.${lastError === null ? '' : ` The last error was: ${lastError.message}`}`,
});
