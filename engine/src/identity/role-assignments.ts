import { z } from 'zod';
import { isRoleName, ROLE_NAMES, roleAllows } from './roles.ts';

const ASSIGNMENTS_MAX = 1_000;

/** Who may do what where; names of the fields as the Azure CLI writes them. */
export interface RoleAssignment {
  /** Object id of a user, an application or a group. */
  readonly principalId: string;
  /** Name or id of a built-in role. */
  readonly roleDefinitionName: string;
  /** ARM id below which it holds; `/` for everything. */
  readonly scope: string;
}

/** `{"roleAssignments":[{"principalId","roleDefinitionName","scope"?}]}` */
export const RolesFile = z.strictObject({
  roleAssignments: z
    .array(
      z.strictObject({
        principalId: z.string().min(1).max(256),
        roleDefinitionName: z
          .string()
          .refine(isRoleName, `none of ${ROLE_NAMES.map((name) => `'${name}'`).join(', ')}`),
        scope: z.string().startsWith('/').max(1_024).default('/'),
      }),
    )
    .max(ASSIGNMENTS_MAX),
});

/** Reads a `RolesFile`; throws with all that is wrong. */
export function parseRoleAssignments(text: string): readonly RoleAssignment[] {
  const parsed = RolesFile.safeParse(parseJson(text));
  if (parsed.success) return parsed.data.roleAssignments;
  throw new Error(z.prettifyError(parsed.error));
}

/** Who asks: roles of the token hold everywhere, assignments below their scope. */
export interface RoleHolder {
  readonly principalIds: readonly string[];
  readonly roles: readonly string[];
}

/** Whether `holder` may carry out `action` on the resource with the ARM id `scope`. */
export function mayAct(
  { principalIds, roles }: RoleHolder,
  { action, scope }: { readonly action: string; readonly scope: string },
  assignments: readonly RoleAssignment[],
): boolean {
  if (roles.some((role) => roleAllows(role, action))) return true;
  const ids = new Set(principalIds.map((id) => id.toLowerCase()));
  return assignments.some(
    (assignment) =>
      ids.has(assignment.principalId.toLowerCase()) &&
      isBelow(scope, assignment.scope) &&
      roleAllows(assignment.roleDefinitionName, action),
  );
}

function isBelow(scope: string, ancestor: string): boolean {
  const above = ancestor.toLowerCase().replace(/\/+$/, '');
  const asked = scope.toLowerCase();
  return asked === above || asked.startsWith(`${above}/`);
}

function parseJson(text: string): unknown {
  return JSON.parse(text);
}
