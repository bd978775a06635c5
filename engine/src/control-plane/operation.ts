import { z } from 'zod';
import type { AccountScope } from '../resources/account-scope.ts';
import type { ControlContainers } from './control-containers.ts';
import type { ControlEvents, ControlStore, RowChange } from './control-store.ts';
import type { LiveRuntime } from './live-runtime.ts';

/** What the steps of an operation work with: the account's rows, its containers and the media side. */
export interface OperationContext {
  readonly scope: AccountScope;
  readonly containers: ControlContainers;
  readonly store: ControlStore;
  readonly events: ControlEvents;
  readonly liveRuntime: LiveRuntime;
  readonly nowMs: () => number;
}

export const OperationRecord = z.object({
  id: z.string(),
  /** The name of its kind. */
  kind: z.string(),
  /** What its kind works on, such as the name of a live event. */
  target: z.string(),
  /** Below the account, in lower case, such as `liveevents/a/liveoutputs/b`: where its outcome is fetched. */
  resource: z.string(),
  /** What its kind needs to know beside the target; small, JSON. */
  data: z.unknown().optional(),
  /** How many steps are done. */
  phase: z.number(),
  status: z.enum(['InProgress', 'Succeeded', 'Failed']),
  /** Why it failed. */
  error: z.object({ status: z.number(), code: z.string(), message: z.string() }).optional(),
  /** What its last step's work gave, where the outcome is not a resource. */
  result: z.unknown().optional(),
  /** Unix milliseconds of its begin and of its last change. */
  startedAtMs: z.number(),
  changedAtMs: z.number(),
});
export type OperationRecord = z.output<typeof OperationRecord>;

/** One step of an operation; with its changes it is one transaction, so a crash resumes at the step it was in. */
export interface OperationStep {
  /**
   * What must be done outside the table before the step's changes are true. It may run again after a crash or a failed
   * attempt. An `ArmError` below 500 ends the operation at once, as what it says; anything else is tried again a few times.
   * What it resolves to is kept as the operation's `result`.
   */
  readonly work?: (
    context: OperationContext,
    operation: OperationRecord,
    signal: AbortSignal,
  ) => Promise<unknown>;
  /** How long one attempt of the work may take, 30 s at most and unless said otherwise. */
  readonly attemptMsMax?: number;
  /** The rows that then are true; none when the target is gone. Called again when one of them was changed meanwhile. */
  readonly changes?: (
    context: OperationContext,
    operation: OperationRecord,
    step: { readonly isLast: boolean },
  ) => Promise<RowChange[]>;
}

/** A kind of long-running operation. */
export interface OperationKind {
  /** Stored with every operation: never renamed. */
  readonly name: string;
  /** In the address of its status: `{type}operations/{id}`. */
  readonly type: string;
  readonly steps: readonly OperationStep[];
  /** The rows of an operation that is given up: its target is free again and can be asked once more. */
  readonly failed: (context: OperationContext, operation: OperationRecord) => Promise<RowChange[]>;
  /** How long it can be asked for after its end, a day unless said otherwise. */
  readonly keptMs?: number;
  /** Its resource is gone when it has succeeded. */
  readonly removes?: boolean;
}
