import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { armError } from '../resources/error-catalogue.ts';
import { operationKey, prefixes } from '../resources/row-keys.ts';
import type { ControlEvents, ControlStore, RowChange } from './control-store.ts';
import type { LiveRuntime } from './live-runtime.ts';
import { failureChanges, phaseChanges } from './operation-effects.ts';
import { type OperationKind, OperationRecord, type Phase, planOf } from './operation-plans.ts';
import { originScaled } from './origin-status.ts';

/** How often what the media side has to do is tried before the operation is given up. */
const EFFECT_ATTEMPTS_MAX = 4;
/** Attempts to scale are shorter: all of them together take a minute. */
const TIMING = { effectMsMax: 30_000, scaleMsMax: 14_000, backoffMsMin: 500 };
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

export interface OperationDeps {
  readonly store: ControlStore;
  readonly events: ControlEvents;
  readonly liveRuntime: LiveRuntime;
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
  readonly #nowMs: () => number;
  readonly #timing: typeof TIMING;
  readonly #driven = new Map<string, Promise<void>>();
  readonly #stopping = new AbortController();
  #sweepTimer: NodeJS.Timeout | undefined;
  #sweepAfter: string | undefined;

  constructor(deps: OperationDeps) {
    this.#deps = deps;
    this.#nowMs = deps.nowMs ?? Date.now;
    this.#timing = { ...TIMING, ...deps.timing };
  }

  /** An operation to be stored by `begin`; its id goes into the target's row as `pendingOperationId`. */
  prepare(kind: OperationKind, target: string): OperationRecord {
    const changedAtMs = this.#nowMs();
    return { id: randomUUID(), kind, target, phase: 0, status: 'InProgress', changedAtMs };
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
      const { status, changedAtMs } = OperationRecord.parse(row.body);
      return status !== 'InProgress' && nowMs - changedAtMs > KEPT_AFTER_END_MS;
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
    const { id, kind } = operation;
    const done = this.#run(operation).catch((error: unknown) => {
      if (this.#stopping.signal.aborted) return;
      // The row stays InProgress: the sweep or the next start takes it up.
      this.#deps.log.error('operation.interrupted', { operationId: id, kind, error });
    });
    this.#driven.set(
      id,
      done.finally(() => this.#driven.delete(id)),
    );
  }

  /** Carries the operation out, or gives it up after a bounded number of attempts. */
  async #run(operation: OperationRecord): Promise<void> {
    const { id, kind, target } = operation;
    let from = operation.phase;
    for (let attempt = 1; ; attempt += 1) {
      try {
        const { phases } = planOf(kind);
        for (const [index, phase] of phases.entries()) {
          if (index < from) continue;
          await this.#prepare(phase, target);
          await this.#settle(id, index, { phase, isLast: index === phases.length - 1 });
          from = index + 1;
        }
        return;
      } catch (error) {
        this.#stopping.signal.throwIfAborted();
        this.#deps.log.warn('operation.attemptFailed', { operationId: id, kind, attempt, error });
        if (attempt >= EFFECT_ATTEMPTS_MAX) break;
      }
      await sleep(this.#timing.backoffMsMin * 2 ** (attempt - 1), undefined, {
        signal: this.#stopping.signal,
      });
    }
    await this.#commit(id, undefined, (current) => failureChanges(this.#deps, current), 'Failed');
    this.#deps.log.error('operation.failed', { operationId: id, kind, target });
  }

  /** What the media side must have done before the phase is true. */
  async #prepare({ first }: Phase, target: string): Promise<void> {
    const { effectMsMax, scaleMsMax } = this.#timing;
    if (first === 'refresh') await this.#within(effectMsMax, () => this.#deps.liveRuntime.refresh(target));
    if (first === 'scale') {
      await this.#within(scaleMsMax, (signal) =>
        originScaled(this.#deps.store, target, { nowMs: this.#nowMs, signal }),
      );
    }
  }

  /** Neither an error nor a silence of the media side may hold its target for ever. */
  async #within(msMax: number, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, this.#stopping.signal]);
    const timeout = sleep(msMax, undefined, { signal, ref: false }).then(() => {
      throw new Error(`the media side did not do it within ${msMax} ms`);
    });
    try {
      await Promise.race([work(signal), timeout]);
    } finally {
      over.abort();
    }
  }

  async #settle(operationId: string, index: number, { phase, isLast }: { phase: Phase; isLast: boolean }) {
    await this.#commit(
      operationId,
      index,
      (current) => phaseChanges(this.#deps, current, phase, isLast),
      isLast ? 'Succeeded' : 'InProgress',
    );
  }

  /** Writes the outcome of a phase (of any, when `index` is undefined) unless somebody else already did. */
  async #commit(
    operationId: string,
    index: number | undefined,
    changesOf: (operation: OperationRecord) => Promise<RowChange[]>,
    status: OperationRecord['status'],
  ): Promise<void> {
    const { store, events } = this.#deps;
    for (let attempt = 0; attempt < COMMIT_ATTEMPTS_MAX; attempt += 1) {
      const row = await store.find(operationKey(operationId));
      if (row === undefined) return;
      const operation = OperationRecord.parse(row.body);
      if (operation.status !== 'InProgress') return;
      if (index !== undefined && operation.phase !== index) return;
      const phase = operation.phase + (index === undefined ? 0 : 1);
      const body = { ...operation, phase, status, changedAtMs: this.#nowMs() };
      const changes = await changesOf(operation);
      const done = { kind: 'replace', rowKey: row.rowKey, etag: row.etag, body, state: status } as const;
      if ((await store.commit([...changes, done])) === 'committed') {
        events.wake();
        return;
      }
    }
    throw new Error(`operation ${operationId} could not be settled in ${COMMIT_ATTEMPTS_MAX} attempts`);
  }
}
