import type { Role } from './config.ts';
import type { RunningRole } from './role.ts';
import { type ControlRoleDeps, startControlRole } from './role-control.ts';

export type StartRole = (deps: ControlRoleDeps) => Promise<RunningRole>;

/** One line per role that this build has; each is started by its own file `role-{name}.ts`. */
export const ROLE_STARTERS: Readonly<Partial<Record<Role, StartRole>>> = { control: startControlRole };
