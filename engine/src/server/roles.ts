import type { Role } from './config.ts';
import type { RoleDeps, RunningIngest, RunningRole } from './role.ts';
import { type ControlRoleDeps, startControlRole } from './role-control.ts';
import { startIngestRole } from './role-ingest.ts';
import { startKeysRole } from './role-keys.ts';
import { startOriginRole } from './role-origin.ts';
import { startWorkerRole } from './role-worker.ts';

interface RoleStarters {
  readonly ingest: (deps: RoleDeps) => Promise<RunningIngest>;
  readonly origin: (deps: RoleDeps) => Promise<RunningRole>;
  readonly keys: (deps: RoleDeps) => Promise<RunningRole>;
  readonly worker: (deps: RoleDeps) => Promise<RunningRole>;
  readonly control: (deps: ControlRoleDeps) => Promise<RunningRole>;
}

/** One line per role that this build has; each is started by its own file `role-{name}.ts`. */
export const ROLE_STARTERS: RoleStarters = {
  ingest: startIngestRole,
  origin: startOriginRole,
  keys: startKeysRole,
  worker: startWorkerRole,
  control: startControlRole,
};

/** The control plane comes last and goes first: it must never ask for what is not there. */
export const START_ORDER = [
  'ingest',
  'origin',
  'keys',
  'worker',
  'control',
] as const satisfies readonly Role[];
