import { armError } from '../resources/error-catalogue.ts';
import { LiveEventRecord } from '../resources/live-event.ts';
import { foldName, parseName } from '../resources/names.ts';
import { QUOTA_RULES } from '../resources/quotas.ts';
import { policiesGuardKey, prefixes, streamingPolicyKey } from '../resources/row-keys.ts';
import {
  findPredefinedPolicy,
  newStreamingPolicy,
  PREDEFINED_POLICIES,
  toArmStreamingPolicy,
} from '../resources/streaming-policy.ts';
import { namedContentKeyPolicies, parseStreamingPolicyBody } from '../resources/streaming-policy-rules.ts';
import type { ArmAnswer, ArmRequest, ArmRoute } from './arm-http.ts';
import { untilCommitted } from './commit-attempts.ts';
import { checkContentKeyPolicies } from './content-key-policy-rows.ts';
import { type ControlContext, nowIso } from './control-context.ts';
import { answerRecords } from './list-pages.ts';
import {
  findOwnPolicy,
  findStreamingPolicy,
  ownPolicies,
  STREAMING_POLICIES,
} from './streaming-policy-rows.ts';

const PATH = '/streamingPolicies/:policy';

/** Streaming policies: which protocols a locator has, with which encryption. */
export const STREAMING_POLICY_ROUTES: readonly ArmRoute[] = [
  { method: 'GET', path: '/streamingPolicies', handle: listPolicies },
  { method: 'GET', path: PATH, handle: getPolicy },
  { method: 'PUT', path: PATH, handle: createPolicy },
  { method: 'DELETE', path: PATH, handle: deletePolicy },
];

async function listPolicies(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const records = [...PREDEFINED_POLICIES, ...(await ownPolicies(context))];
  return answerRecords(request, STREAMING_POLICIES, records, (policy) =>
    toArmStreamingPolicy(context.scope, policy, { single: false }),
  );
}

const nameIn = (request: ArmRequest): string => request.params['policy'] ?? '';

async function getPolicy(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const policy = await findStreamingPolicy(context, nameIn(request));
  if (policy === undefined) throw armError('NotFound');
  return { status: 200, body: toArmStreamingPolicy(context.scope, policy, { single: true }) };
}

async function createPolicy(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const name = parseName('streamingPolicy', nameIn(request));
  const rules = parseStreamingPolicyBody(request.body, request.apiVersion);
  const create = async (): Promise<ArmAnswer | 'conflict'> => {
    const guard = await context.store.find(policiesGuardKey);
    await checkNewPolicy(context, name);
    await checkContentKeyPolicies(context, namedContentKeyPolicies(rules));
    const record = newStreamingPolicy(rules, { name, caller: request.caller, nowIso: nowIso() });
    const result = await context.store.commit([
      { kind: 'create', rowKey: streamingPolicyKey(name), body: record },
      // Every creation changes it, so that the hundredth policy has no twin.
      guard === undefined
        ? { kind: 'create', rowKey: policiesGuardKey, body: { isGuard: true } }
        : { kind: 'replace', rowKey: policiesGuardKey, etag: guard.etag, body: guard.body },
    ]);
    if (result === 'conflict') return result;
    return { status: 201, body: toArmStreamingPolicy(context.scope, record, { single: true }) };
  };
  return untilCommitted(create, `${context.scope.accountId}/streamingPolicies`);
}

async function checkNewPolicy(context: ControlContext, name: string): Promise<void> {
  if ((await findStreamingPolicy(context, name)) !== undefined) {
    throw armError('AlreadyExists', { type: 'streaming policy', name });
  }
  const max = context.quotas.streamingPolicies;
  if ((await ownPolicies(context)).length >= max) {
    throw armError('QuotaExceeded', { type: 'streaming policies of an account', reason: String(max) });
  }
}

/** What uses it would lose what it says about protection: first that goes, then the policy. */
async function deletePolicy(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const name = nameIn(request);
  if (findPredefinedPolicy(name) !== undefined) {
    throw armError('InvalidName', { name, reason: 'it is of a predefined policy, which cannot be deleted' });
  }
  return untilCommitted(async () => {
    const found = await findOwnPolicy(context, name);
    if (found === undefined) return { status: 204 };
    const user = (await locatorWith(context, name)) ?? (await liveEventWith(context, name));
    if (user !== undefined) {
      throw armError('ResourceInUse', { type: 'streaming policy', name: found.record.name, reason: user });
    }
    const result = await context.store.commit([{ kind: 'delete', rowKey: found.row.rowKey }]);
    return result === 'conflict' ? result : { status: 200 };
  });
}

async function locatorWith({ store }: ControlContext, policy: string): Promise<string | undefined> {
  const [row] = await store.list(prefixes.locatorsOfPolicy(policy), { limit: 1 });
  return row && `the streaming locator '${String(Reflect.get(Object(row.body), 'name'))}'`;
}

async function liveEventWith({ store }: ControlContext, policy: string): Promise<string | undefined> {
  const rows = await store.list(prefixes.liveEvents, { limit: QUOTA_RULES.liveEvents.max });
  const user = rows
    .map((row) => LiveEventRecord.parse(row.body))
    .find(({ preview }) => foldName(preview.streamingPolicyName) === foldName(policy));
  return user && `the preview of the live event '${user.name}'`;
}
