import type { Role } from './config.ts';
import type { RoleDeps, RunningRole } from './role.ts';
import { startOriginRole } from './role-origin.ts';

export type StartRole = (deps: RoleDeps) => Promise<RunningRole>;

/** One line per role that this build has; each is started by its own file `role-{name}.ts`. */
export const ROLE_STARTERS: Readonly<Partial<Record<Role, StartRole>>> = {
  origin: startOriginRole,
};
