import { armError } from '../resources/error-catalogue.ts';
import {
  findStreamingPolicy,
  PREDEFINED_POLICIES,
  toArmStreamingPolicy,
} from '../resources/streaming-policy.ts';
import type { ArmAnswer, ArmRequest, ArmRoute } from './arm-http.ts';
import type { ControlContext } from './control-context.ts';

const PATH = '/streamingPolicies/:policy';

/** Streaming policies: the predefined ones. */
export const STREAMING_POLICY_ROUTES: readonly ArmRoute[] = [
  { method: 'GET', path: '/streamingPolicies', handle: listPolicies },
  { method: 'GET', path: PATH, handle: getPolicy },
  { method: 'PUT', path: PATH, handle: createPolicy },
];

async function listPolicies({ scope }: ControlContext): Promise<ArmAnswer> {
  const value = PREDEFINED_POLICIES.map((policy) => toArmStreamingPolicy(scope, policy));
  return { status: 200, body: { value } };
}

async function getPolicy({ scope }: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const policy = findStreamingPolicy(request.params['policy'] ?? '');
  if (policy === undefined) throw armError('NotFound');
  return { status: 200, body: toArmStreamingPolicy(scope, policy) };
}

async function createPolicy(): Promise<ArmAnswer> {
  throw armError('NotSupportedYet', {
    field: 'streamingPolicies',
    reason: 'only predefined policies are available',
  });
}
