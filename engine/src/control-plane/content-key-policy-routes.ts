import { randomUUID } from 'node:crypto';
import {
  type ContentKeyPolicyParts,
  newContentKeyPolicy,
  parseContentKeyPolicyBody,
  parseContentKeyPolicyPatch,
  patchedContentKeyPolicy,
  replacedContentKeyPolicy,
  toArmContentKeyPolicy,
  toContentKeyPolicyProperties,
} from '../resources/content-key-policy.ts';
import { armError } from '../resources/error-catalogue.ts';
import { foldName, parseName } from '../resources/names.ts';
import { contentKeyPolicySecretsKey } from '../resources/row-keys.ts';
import type { ArmAnswer, ArmRequest, ArmRoute } from './arm-http.ts';
import { createChanges, deleteChanges, replaceChanges } from './collection.ts';
import { untilCommitted } from './commit-attempts.ts';
import {
  CONTENT_KEY_POLICIES,
  findContentKeyPolicy,
  openContentKeyPolicy,
  type StoredContentKeyPolicy,
  secretsChange,
} from './content-key-policy-rows.ts';
import { type ControlContext, nowIso } from './control-context.ts';
import type { RowChange } from './control-store.ts';
import { answerList } from './list-pages.ts';

const PATH = '/contentKeyPolicies/:policy';

/** Content key policies: to whom content keys are delivered, and how. */
export const CONTENT_KEY_POLICY_ROUTES: readonly ArmRoute[] = [
  { method: 'GET', path: '/contentKeyPolicies', handle: listPolicies },
  { method: 'GET', path: PATH, handle: answerPolicy },
  { method: 'PUT', path: PATH, handle: putPolicy },
  { method: 'PATCH', path: PATH, handle: patchPolicy },
  { method: 'DELETE', path: PATH, handle: deletePolicy },
  { method: 'POST', path: `${PATH}/getPolicyPropertiesWithSecrets`, handle: answerSecrets },
];

function listPolicies(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  return answerList(context, request, CONTENT_KEY_POLICIES, {
    toArm: (record) => toArmContentKeyPolicy(context.scope, record, { single: false }),
  });
}

const nameIn = (request: ArmRequest): string => request.params['policy'] ?? '';

async function getPolicy(context: ControlContext, request: ArmRequest): Promise<StoredContentKeyPolicy> {
  const found = await findContentKeyPolicy(context, nameIn(request));
  if (found === undefined) throw armError('NotFound');
  return found;
}

const answerOf = (
  { scope }: ControlContext,
  { record }: Pick<ContentKeyPolicyParts, 'record'>,
): ArmAnswer => ({
  status: 200,
  body: toArmContentKeyPolicy(scope, record, { single: true }),
});

async function answerPolicy(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  return answerOf(context, await getPolicy(context, request));
}

const fresh = ({ caller }: ArmRequest) => ({ caller, nowIso: nowIso(), newId: () => randomUUID() });

/** 200 for a new one too, as the original was seen to answer. */
async function putPolicy(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const name = parseName('contentKeyPolicy', nameIn(request));
  const body = parseContentKeyPolicyBody(request.body, request.apiVersion);
  const put = async () => {
    const found = await findContentKeyPolicy(context, name);
    const parts =
      found === undefined
        ? newContentKeyPolicy(body, { ...fresh(request), name })
        : replacedContentKeyPolicy(found.record, body, fresh(request));
    const changes =
      found === undefined
        ? createChanges(CONTENT_KEY_POLICIES, parts.record)
        : replaceChanges(CONTENT_KEY_POLICIES, found.row, parts.record);
    return commit(context, parts, changes);
  };
  return untilCommitted(put, turnOf(context, name));
}

/** Changes of one policy take turns when they meet. */
const turnOf = ({ scope }: ControlContext, name: string): string =>
  `${scope.accountId}/contentKeyPolicies/${foldName(name)}`;

async function patchPolicy(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const patch = parseContentKeyPolicyPatch(request.body, request.apiVersion);
  const change = async () => {
    const found = await getPolicy(context, request);
    const before = await openContentKeyPolicy(context, found);
    if (before === 'conflict') return before;
    const parts = patchedContentKeyPolicy(before, patch, fresh(request));
    return commit(context, parts, replaceChanges(CONTENT_KEY_POLICIES, found.row, parts.record));
  };
  return untilCommitted(change, turnOf(context, nameIn(request)));
}

async function commit(
  context: ControlContext,
  parts: ContentKeyPolicyParts,
  changes: readonly RowChange[],
): Promise<ArmAnswer | 'conflict'> {
  const result = await context.store.commit([...changes, secretsChange(context, parts)]);
  return result === 'conflict' ? result : answerOf(context, parts);
}

/** Locators may go on naming it: their keys are delivered to nobody then. */
async function deletePolicy(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  return untilCommitted(async () => {
    const found = await findContentKeyPolicy(context, nameIn(request));
    if (found === undefined) return { status: 204 };
    const result = await context.store.commit([
      ...deleteChanges(CONTENT_KEY_POLICIES, found.record),
      { kind: 'delete', rowKey: contentKeyPolicySecretsKey(found.record.name) },
    ]);
    return result === 'conflict' ? result : { status: 200 };
  });
}

async function answerSecrets(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  return untilCommitted(async () => {
    const parts = await openContentKeyPolicy(context, await getPolicy(context, request));
    if (parts === 'conflict') return parts;
    return { status: 200, body: toContentKeyPolicyProperties(parts.record, parts.secretOptions) };
  });
}
