import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ArmError, armError } from '../resources/error-catalogue.ts';
import { operationKey, prefixes } from '../resources/row-keys.ts';
import type { RowChange } from './control-store.ts';
import {
  type OperationContext,
  type OperationKind,
  OperationRecord,
  type OperationStep,
} from './operation.ts';

/** How often the work of a step is tried before the operation is given up. */
const WORK_ATTEMPTS_MAX = 4;
const TIMING = { attemptMsMax: 30_000, backoffMsMin: 500 };
/** How often a transaction is tried again because a row changed meanwhile. */
const COMMIT_ATTEMPTS_MAX = 5;
const RESUMED_MAX = 1000;
/** How long a status poll is held for an operation of this process: fast ones are done by the client's first poll. */
const POLL_HELD_MS_MAX = 1000;
const SWEEP_INTERVAL_MS = 60_000;
/** An operation that nobody moved for so long was left by a process that died or lost its storage. */
const ORPHANED_AFTER_MS = 5 * 60_000;
const KEPT_AFTER_END_MS = 24 * 60 * 60_000;
const SWEPT_ROWS_MAX = 500;
const DELETES_PER_COMMIT_MAX = 100;

export interface OperationDeps extends Omit<OperationContext, 'nowMs'> {
  /** All that may be found in the table: what a crash left is carried on by its kind. */
  readonly kinds: readonly OperationKind[];
  readonly log: {
    warn(event: string, fields?: object): void;
    error(event: string, fields?: object): void;
  };
  readonly nowMs?: () => number;
  /** How long one attempt may take, and the pause after the first, which doubles. */
  readonly timing?: Partial<typeof TIMING>;
}

/** Long-running operations: rows that say how far each has come, and what carries them on. */
export class Operations {
  readonly #deps: OperationDeps;
  readonly #context: OperationContext;
  readonly #kinds: ReadonlyMap<string, OperationKind>;
  readonly #nowMs: () => number;
  readonly #timing: typeof TIMING;
  readonly #driven = new Map<string, Promise<void>>();
  readonly #stopping = new AbortController();
  #sweepTimer: NodeJS.Timeout | undefined;
  #sweepAfter: string | undefined;

  constructor(deps: OperationDeps) {
    this.#deps = deps;
    this.#nowMs = deps.nowMs ?? Date.now;
    this.#context = { ...deps, nowMs: this.#nowMs };
    this.#kinds = new Map(deps.kinds.map((kind) => [kind.name, kind]));
    this.#timing = { ...TIMING, ...deps.timing };
  }

  /** An operation to be stored by `begin`; its id goes into the target's row as `pendingOperationId`. */
  prepare(
    kind: OperationKind,
    on: { readonly target: string; readonly resource: string; readonly data?: unknown },
  ): OperationRecord {
    if (!this.#kinds.has(kind.name)) throw new Error(`${kind.name} is not among the kinds of operations`);
    const nowMs = this.#nowMs();
    const progress = { phase: 0, status: 'InProgress', startedAtMs: nowMs, changedAtMs: nowMs } as const;
    return { id: randomUUID(), kind: kind.name, ...on, resource: on.resource.toLowerCase(), ...progress };
  }

  /** Undefined for what another version of this program stored. */
  kindOf(operation: OperationRecord): OperationKind | undefined {
    return this.#kinds.get(operation.kind);
  }

  /** Stores the operation with the changes that begin it, then carries it out; false when a row was changed meanwhile. */
  async begin(operation: OperationRecord, changes: readonly RowChange[]): Promise<boolean> {
    const row = {
      kind: 'create',
      rowKey: operationKey(operation.id),
      body: operation,
      state: 'InProgress',
    } as const;
    if ((await this.#deps.store.commit([...changes, row])) === 'conflict') return false;
    this.#deps.events.wake();
    this.#drive(operation);
    return true;
  }

  /** Throws `NotFound`: it never was, or it ended more than a day ago. */
  async find(operationId: string): Promise<OperationRecord> {
    const held = this.#driven.get(operationId);
    if (held !== undefined) await Promise.race([held, sleep(POLL_HELD_MS_MAX, undefined, { ref: false })]);
    const row = await this.#deps.store.find(operationKey(operationId));
    if (row === undefined) throw armError('NotFound');
    return OperationRecord.parse(row.body);
  }

  /** Takes up what a crash left, and from then on looks for such and for what is too old to keep. */
  async resume(): Promise<void> {
    for (const operation of await this.#inProgress()) this.#drive(operation);
    this.#sweepTimer = setInterval(() => {
      this.sweep().catch((error: unknown) => this.#deps.log.warn('operation.sweepFailed', { error }));
    }, SWEEP_INTERVAL_MS);
    this.#sweepTimer.unref();
  }

  /** One bounded pass: takes up orphaned operations and removes some of those that ended more than a day ago. */
  async sweep(): Promise<void> {
    const nowMs = this.#nowMs();
    for (const operation of await this.#inProgress()) {
      if (nowMs - operation.changedAtMs > ORPHANED_AFTER_MS) this.#drive(operation);
    }
    const rows = await this.#deps.store.list(prefixes.operations, {
      limit: SWEPT_ROWS_MAX,
      ...(this.#sweepAfter === undefined ? {} : { after: this.#sweepAfter }),
    });
    this.#sweepAfter = rows.length < SWEPT_ROWS_MAX ? undefined : rows.at(-1)?.rowKey;
    const old = rows.filter((row) => {
      const operation = OperationRecord.parse(row.body);
      const keptMs = this.kindOf(operation)?.keptMs ?? KEPT_AFTER_END_MS;
      return operation.status !== 'InProgress' && nowMs - operation.changedAtMs > keptMs;
    });
    for (let start = 0; start < old.length; start += DELETES_PER_COMMIT_MAX) {
      const batch = old.slice(start, start + DELETES_PER_COMMIT_MAX);
      // A conflict means that another process removed some of them; the rest is found again.
      await this.#deps.store.commit(batch.map(({ rowKey }) => ({ kind: 'delete', rowKey })));
    }
  }

  /** What is not done stays as it is: the next start takes it up. */
  async close(): Promise<void> {
    clearInterval(this.#sweepTimer);
    this.#stopping.abort();
    await Promise.allSettled(this.#driven.values());
  }

  async #inProgress(): Promise<readonly OperationRecord[]> {
    const rows = await this.#deps.store.list(prefixes.operations, {
      limit: RESUMED_MAX,
      state: 'InProgress',
    });
    return rows.map((row) => OperationRecord.parse(row.body));
  }

  #drive(operation: OperationRecord): void {
    if (this.#driven.has(operation.id) || this.#stopping.signal.aborted) return;
    const { id, kind: name } = operation;
    const kind = this.#kinds.get(name);
    if (kind === undefined) {
      this.#deps.log.error('operation.unknownKind', { operationId: id, kind: name });
      return;
    }
    const done = this.#run(operation, kind).catch((error: unknown) => {
      if (this.#stopping.signal.aborted) return;
      // The row stays InProgress: the sweep or the next start takes it up.
      this.#deps.log.error('operation.interrupted', { operationId: id, kind: name, error });
    });
    this.#driven.set(
      id,
      done.finally(() => this.#driven.delete(id)),
    );
  }

  /** Carries the operation out, or gives it up: at once when that is known to be vain, else after some attempts. */
  async #run(operation: OperationRecord, kind: OperationKind): Promise<void> {
    const progress = { phase: operation.phase };
    for (let attempt = 1; attempt <= WORK_ATTEMPTS_MAX; attempt += 1) {
      if (attempt > 1) {
        const pauseMs = this.#timing.backoffMsMin * 2 ** (attempt - 2);
        await sleep(pauseMs, undefined, { signal: this.#stopping.signal });
      }
      try {
        await this.#takeSteps(operation, kind, progress);
        return;
      } catch (error) {
        this.#stopping.signal.throwIfAborted();
        const { id } = operation;
        this.#deps.log.warn('operation.attemptFailed', { operationId: id, kind: kind.name, attempt, error });
        if (error instanceof ArmError && error.status < 500) return this.#giveUp(operation, kind, error);
      }
    }
    return this.#giveUp(operation, kind, armError('InternalError'));
  }

  async #giveUp({ id, target }: OperationRecord, kind: OperationKind, failure: ArmError): Promise<void> {
    const { status, code, message } = failure;
    await this.#commit(id, undefined, (current) => kind.failed(this.#context, current), {
      status: 'Failed',
      error: { status, code, message },
    });
    this.#deps.log.error('operation.failed', { operationId: id, kind: kind.name, target, code });
  }

  async #takeSteps(
    operation: OperationRecord,
    { steps }: OperationKind,
    progress: { phase: number },
  ): Promise<void> {
    for (const [index, step] of steps.entries()) {
      if (index < progress.phase) continue;
      await this.#take(operation, index, { step, isLast: index === steps.length - 1 });
      progress.phase = index + 1;
    }
  }

  /** Has a step's work done, then writes what is true. */
  async #take(
    operation: OperationRecord,
    index: number,
    { step, isLast }: { readonly step: OperationStep; readonly isLast: boolean },
  ): Promise<void> {
    const { work, changes } = step;
    const msMax = Math.min(step.attemptMsMax ?? Number.POSITIVE_INFINITY, this.#timing.attemptMsMax);
    const result = work && (await this.#within(msMax, (signal) => work(this.#context, operation, signal)));
    await this.#commit(
      operation.id,
      index,
      async (current) => (await changes?.(this.#context, current, { isLast })) ?? [],
      { status: isLast ? 'Succeeded' : 'InProgress', ...(result === undefined ? {} : { result }) },
    );
  }

  /** Neither an error nor a silence of the media side may hold its target for ever. */
  async #within<T>(msMax: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, this.#stopping.signal]);
    const timeout = sleep(msMax, undefined, { signal, ref: false }).then(() => {
      throw new Error(`the work of a step was not done within ${msMax} ms`);
    });
    try {
      return await Promise.race([work(signal), timeout]);
    } finally {
      over.abort();
    }
  }

  /** Writes the outcome of a step (of any, when `index` is undefined) unless somebody else already did. */
  async #commit(
    operationId: string,
    index: number | undefined,
    changesOf: (operation: OperationRecord) => Promise<RowChange[]>,
    outcome: Pick<OperationRecord, 'status' | 'error' | 'result'>,
  ): Promise<void> {
    const { store, events } = this.#deps;
    for (let attempt = 0; attempt < COMMIT_ATTEMPTS_MAX; attempt += 1) {
      const row = await store.find(operationKey(operationId));
      if (row === undefined) return;
      const operation = OperationRecord.parse(row.body);
      if (operation.status !== 'InProgress') return;
      if (index !== undefined && operation.phase !== index) return;
      const phase = operation.phase + (index === undefined ? 0 : 1);
      const body = { ...operation, ...outcome, phase, changedAtMs: this.#nowMs() };
      const changes = await changesOf(operation);
      const state = outcome.status;
      const done = { kind: 'replace', rowKey: row.rowKey, etag: row.etag, body, state } as const;
      if ((await store.commit([...changes, done])) === 'committed') {
        events.wake();
        return;
      }
    }
    throw new Error(`operation ${operationId} could not be settled in ${COMMIT_ATTEMPTS_MAX} attempts`);
  }
}
