import { armError } from '../resources/error-catalogue.ts';
import { parseName } from '../resources/names.ts';
import {
  parseStreamingLocatorBody,
  type StreamingLocatorRecord,
  toArmStreamingLocator,
  toListContentKeys,
} from '../resources/streaming-locator.ts';
import { toListPaths } from '../resources/streaming-paths.ts';
import type { ArmAnswer, ArmRequest, ArmRoute } from './arm-http.ts';
import { untilCommitted } from './commit-attempts.ts';
import { openContentKeys } from './content-key-rows.ts';
import type { ControlContext } from './control-context.ts';
import { answerList } from './list-pages.ts';
import { createLocator } from './streaming-locator-creation.ts';
import { findLocator, removeLocator, STREAMING_LOCATORS } from './streaming-locator-rows.ts';
import { getNamedPolicy } from './streaming-policy-rows.ts';

const PATH = '/streamingLocators/:locator';

/** Streaming locators: what makes an asset reachable. */
export const STREAMING_LOCATOR_ROUTES: readonly ArmRoute[] = [
  { method: 'GET', path: '/streamingLocators', handle: listLocators },
  { method: 'GET', path: PATH, handle: answerLocator },
  { method: 'PUT', path: PATH, handle: putLocator },
  { method: 'DELETE', path: PATH, handle: deleteLocator },
  { method: 'POST', path: `${PATH}/listPaths`, handle: listPaths },
  { method: 'POST', path: `${PATH}/listContentKeys`, handle: listContentKeys },
];

function listLocators(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  return answerList(context, request, STREAMING_LOCATORS, {
    toArm: (record) => toArmStreamingLocator(context.scope, record, { single: false }),
  });
}

const nameIn = (request: ArmRequest): string => request.params['locator'] ?? '';

async function getLocator(context: ControlContext, request: ArmRequest): Promise<StreamingLocatorRecord> {
  const record = await findLocator(context, nameIn(request));
  if (record === undefined) throw armError('NotFound');
  return record;
}

async function answerLocator(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const record = await getLocator(context, request);
  return { status: 200, body: toArmStreamingLocator(context.scope, record, { single: true }) };
}

async function putLocator(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const name = parseName('streamingLocator', nameIn(request));
  const body = parseStreamingLocatorBody(request.body, request.apiVersion);
  const { caller } = request;
  const record = await untilCommitted(
    () => createLocator(context, { name, body, caller }),
    `${context.scope.accountId}/assets/${body.assetName.toLowerCase()}`,
  );
  return { status: 201, body: toArmStreamingLocator(context.scope, record, { single: true }) };
}

async function deleteLocator(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  return { status: (await removeLocator(context, nameIn(request))) ? 200 : 204 };
}

async function listPaths(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const record = await getLocator(context, request);
  // It cannot be deleted while a locator has it.
  const [policy, files] = await Promise.all([
    getNamedPolicy(context, record.streamingPolicyName),
    context.containers.rootFileNames(record),
  ]);
  return { status: 200, body: toListPaths(record, policy.rules, files) };
}

async function listContentKeys(context: ControlContext, request: ArmRequest): Promise<ArmAnswer> {
  const record = await getLocator(context, request);
  const ids = record.contentKeys.map(({ id }) => id);
  return { status: 200, body: toListContentKeys(record, await openContentKeys(context, ids)) };
}
