import type { ArmStack } from '../../support/arm-stack.ts';
import { adjusted } from './adjustments.ts';
import type { Caller, Finished } from './caller.ts';
import { accountPath, LOCATION, OTHER_ACCOUNT, pathOfSteps, type Step, storageAccountId } from './places.ts';
import { EXAMPLES, newestVersion, type Operation, type Service } from './specifications.ts';

const HOUR_MS = 3_600_000;
const STORAGE_API_VERSION = '2021-08-06';
const VTT = 'WEBVTT\nKind: captions\nLanguage: en\n\n00:00.000 --> 00:02.000\nHello\n';
const TTML =
  '<tt xmlns="http://www.w3.org/ns/ttml" xml:lang="en"><body><div><p begin="0s" end="2s">Hello</p></div></body></tt>';
const ISM = `<?xml version="1.0" encoding="utf-8"?>
<smil xmlns="http://www.w3.org/2001/SMIL20/Language">
  <head><meta name="formats" content="mp4" /></head>
  <body><switch>
    <video src="film.mp4" systemBitrate="1000000"><param name="trackID" value="1" valuetype="data" /><param name="trackName" value="video" valuetype="data" /></video>
  </switch></body>
</smil>`;

const FILES = { 'film.ism': ISM, 'text.vtt': VTT, 'text3.ttml': TTML, 'damaged.vtt': 'no track' };

/** The body that makes a resource of a collection. */
const BODIES: Readonly<Record<string, (name: string) => object>> = {
  assets: () => ({}),
  assetFilters: () => ({ properties: { firstQuality: { bitrate: 128_000 } } }),
  accountFilters: () => ({ properties: { firstQuality: { bitrate: 128_000 } } }),
  tracks: () => ({
    properties: { track: { '@odata.type': '#Microsoft.Media.TextTrack', fileName: 'text.vtt' } },
  }),
  contentKeyPolicies: () => exampleBody('content-key-policies-create-multiple-options'),
  streamingPolicies: (name) =>
    exampleBody(
      /secure/i.test(name) ? 'streaming-policies-create-secure-streaming' : 'streaming-policies-create-clear',
    ),
  streamingLocators: (name) => ({
    properties: {
      assetName: 'ClimbingMountRainier',
      streamingPolicyName: /secure/i.test(name) ? 'secureStreamingPolicy' : 'clearStreamingPolicy',
    },
  }),
  transforms: () => exampleBody('transforms-create'),
  jobs: () => exampleBody('jobs-create'),
  liveEvents: () => ({
    location: LOCATION,
    properties: { input: { streamingProtocol: 'FragmentedMP4' } },
  }),
  liveOutputs: () => ({ properties: { assetName: 'archive', archiveWindowLength: 'PT5M' } }),
  streamingEndpoints: () => ({ location: LOCATION, properties: { scaleUnits: 1 } }),
  privateEndpointConnections: () => exampleBody('private-endpoint-connection-put'),
};

const SERVICE_OF: Readonly<Record<string, Service>> = {
  transforms: 'encoding',
  jobs: 'encoding',
  liveEvents: 'streaming',
  liveOutputs: 'streaming',
  streamingEndpoints: 'streaming',
  privateEndpointConnections: 'accounts',
};

/** Part of a service and never made by a client. */
const GIVEN = ['privateLinkResources'];

/** What an operation presumes of the resource that it is about, other than that it is there. */
const STATES: Readonly<Record<string, 'new' | 'running' | 'ended'>> = {
  LiveEvents_Update: 'new',
  Jobs_Delete: 'ended',
  LiveEvents_Stop: 'running',
  LiveEvents_Reset: 'running',
  StreamingEndpoints_Stop: 'running',
};

function exampleBody(name: string): object {
  const found = EXAMPLES.find((example) => example.name === name)?.body;
  return typeof found === 'object' && found !== null ? found : {};
}

/** Brings the account into the state that an operation presumes. */
export interface SetUps {
  /** Before a call of the operation on these resources with this body. */
  prepare(operation: Operation, steps: readonly Step[], body: unknown): Promise<void>;
  /** Makes the last of the resources, and what it needs, when it is not there. */
  ensure(steps: readonly Step[]): Promise<void>;
  /** What the names in a body refer to, as `ensure`. */
  prepareReferences(body: unknown): Promise<void>;
  /** Of an account that is stored in the second storage account. */
  accountBody(): object;
  /** Takes the last of the resources away, and before it what stands in the way. */
  remove(steps: readonly Step[]): Promise<void>;
  /** The body with our location, storage accounts and times. */
  adjusted(operation: Operation, body: unknown): unknown;
  /** The path at which an operation's status or result can be read: one that has just been made. */
  operationPath(operation: Operation, steps: readonly Step[]): Promise<string>;
}

export function createSetUps(stack: ArmStack, caller: Caller): SetUps {
  const world: World = { stack, caller };
  return {
    prepare: (operation, steps, body) => prepare(world, operation, steps, body),
    ensure: (steps) => ensure(world, steps),
    prepareReferences: (body) => prepareReferences(world, body),
    accountBody: () => accountBody(world),
    remove: (steps) => remove(world, steps),
    adjusted: (operation, body) => adjusted(operation.id, body, stack.azurite.accounts),
    operationPath: (operation, steps) => operationPath(world, operation, steps),
  };
}

interface World {
  readonly stack: ArmStack;
  readonly caller: Caller;
}

async function prepare(world: World, operation: Operation, steps: readonly Step[], body: unknown) {
  if (/^Mediaservices_(?:CreateOrUpdate|Update|Delete)$/.test(operation.id)) {
    return prepareAccount(world, operation);
  }
  await prepareReferences(world, body);
  const target = steps.at(-1);
  if (target === undefined) return;
  await ensure(world, steps.slice(0, -1));
  const isMade = operation.method === 'PUT' && operation.path.endsWith('}');
  if (isMade) {
    await remove(world, steps);
    if (target.collection === 'tracks') await uploadTracks(world, steps);
    return;
  }
  if (STATES[operation.id] === 'new') await remove(world, steps);
  await ensure(world, steps);
  if (STATES[operation.id] === 'ended') await endJob(world, steps);
  if (target.collection === 'liveEvents' || target.collection === 'streamingEndpoints') {
    await settle(world, steps, STATES[operation.id] === 'running');
  }
}

/** What the names in a body refer to. */
async function prepareReferences(world: World, body: unknown): Promise<void> {
  const collections: Readonly<Record<string, string>> = {
    assetName: 'assets',
    streamingPolicyName: 'streamingPolicies',
    defaultContentKeyPolicyName: 'contentKeyPolicies',
  };
  for (const [field, name] of namesIn(body)) {
    const collection = collections[field];
    if (collection !== undefined && !name.startsWith('Predefined_'))
      await ensure(world, [{ collection, name }]);
  }
}

function namesIn(value: unknown): [string, string][] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]): [string, string][] =>
    typeof item === 'string' ? [[key, item]] : namesIn(item),
  );
}

const versionOf = (collection: string): string => newestVersion(SERVICE_OF[collection] ?? 'metadata');

async function ensure(world: World, steps: readonly Step[]): Promise<void> {
  const target = steps.at(-1);
  if (target === undefined) return;
  const { collection, name } = target;
  const make = BODIES[collection];
  if (GIVEN.includes(collection)) return;
  if (make === undefined) throw new Error(`nothing is known about how to make ${collection}`);
  const at = { path: pathOfSteps(steps), version: versionOf(collection) };
  if ((await world.caller.call({ method: 'GET', ...at })).status === 200) return;
  await ensure(world, steps.slice(0, -1));
  if (collection === 'tracks') await uploadTracks(world, steps);
  const body = make(name);
  await prepareReferences(world, body);
  const answer = await world.caller.finish({ method: 'PUT', ...at, body });
  expectDone(answer, `PUT ${at.path}`);
}

function expectDone({ status, body, failure }: Finished, what: string): void {
  if (failure !== undefined) throw new Error(`${what} fails: ${failure}`);
  if (status >= 400) throw new Error(`${what} is refused: ${JSON.stringify(body).slice(0, 500)}`);
}

async function remove(world: World, steps: readonly Step[]): Promise<void> {
  const target = steps.at(-1);
  if (target === undefined) return;
  const { collection } = target;
  const at = { path: pathOfSteps(steps), version: versionOf(collection) };
  const found = await world.caller.call({ method: 'GET', ...at });
  if (found.status === 404) return;
  if (collection === 'liveEvents' || collection === 'streamingEndpoints') await settle(world, steps, false);
  if (collection === 'jobs') await endJob(world, steps);
  if (collection === 'assets' || collection === 'streamingPolicies') await removeLocators(world);
  expectDone(await world.caller.finish({ method: 'DELETE', ...at }), `DELETE ${at.path}`);
}

/** Locators hold their asset and their policy. */
async function removeLocators({ caller }: World): Promise<void> {
  const at = { path: `${accountPath()}/streamingLocators`, version: newestVersion('metadata') };
  const { body } = await caller.call({ method: 'GET', ...at });
  const listed: unknown = Reflect.get(Object(body), 'value');
  for (const item of Array.isArray(listed) ? listed : []) {
    const name = String(Reflect.get(Object(item), 'name'));
    await caller.call({ method: 'DELETE', path: `${at.path}/${name}`, version: at.version });
  }
}

/** Only a job that is over can be deleted. */
async function endJob({ caller }: World, steps: readonly Step[]): Promise<void> {
  const at = { path: pathOfSteps(steps), version: newestVersion('encoding') };
  await caller.call({ method: 'POST', path: `${at.path}/cancelJob`, version: at.version });
  await until(async () => {
    const { body } = await caller.call({ method: 'GET', ...at });
    return ['Finished', 'Error', 'Canceled'].includes(String(propertyOf(body, 'state')));
  }, `${at.path} does not end`);
}

const propertyOf = (body: unknown, name: string): unknown =>
  Reflect.get(Object(Reflect.get(Object(body), 'properties')), name);

const WAIT_MS_MAX = 30_000;
const WAIT_STEP_MS = 50;

async function until(isSo: () => Promise<boolean>, otherwise: string): Promise<void> {
  const end = Date.now() + WAIT_MS_MAX;
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(otherwise);
    await new Promise((resolve) => setTimeout(resolve, WAIT_STEP_MS));
  }
}

/** Stopped without live outputs, or running. */
async function settle({ caller }: World, steps: readonly Step[], isRunning: boolean): Promise<void> {
  const [{ collection } = { collection: '' }] = steps;
  const at = { path: pathOfSteps(steps), version: newestVersion('streaming') };
  const { body } = await caller.call({ method: 'GET', ...at });
  const isAlready = propertyOf(body, 'resourceState') === (isRunning ? 'Running' : 'Stopped');
  if (!isAlready) {
    const stop = collection === 'liveEvents' ? { body: { removeOutputsOnStop: true } } : {};
    const call = isRunning ? { path: `${at.path}/start` } : { path: `${at.path}/stop`, ...stop };
    expectDone(await caller.finish({ method: 'POST', version: at.version, ...call }), call.path);
  }
  if (collection !== 'liveEvents' || isRunning) return;
  const outputs = await caller.call({ method: 'GET', path: `${at.path}/liveOutputs`, version: at.version });
  const listed: unknown = Reflect.get(Object(outputs.body), 'value');
  for (const output of Array.isArray(listed) ? listed : []) {
    const path = `${at.path}/liveOutputs/${String(Reflect.get(Object(output), 'name'))}`;
    await caller.finish({ method: 'DELETE', path, version: at.version });
  }
}

/** The files that the examples of tracks name. */
async function uploadTracks({ caller }: World, steps: readonly Step[]): Promise<void> {
  const answer = await caller.call({
    method: 'POST',
    path: `${pathOfSteps(steps.slice(0, 1))}/listContainerSas`,
    version: newestVersion('metadata'),
    body: { permissions: 'ReadWrite', expiryTime: new Date(Date.now() + HOUR_MS).toISOString() },
  });
  const urls: unknown = Reflect.get(Object(answer.body), 'assetContainerSasUrls');
  const [url = ''] = Array.isArray(urls) ? urls.map(String) : [];
  for (const [name, body] of Object.entries(FILES)) {
    const headers = { 'x-ms-blob-type': 'BlockBlob', 'x-ms-version': STORAGE_API_VERSION };
    const { status } = await fetch(url.replace('?', `/${name}?`), { method: 'PUT', body, headers });
    if (status !== 201) throw new Error(`${name} is not uploaded: ${status}`);
  }
}

async function prepareAccount({ stack, caller }: World, operation: Operation): Promise<void> {
  const at = { path: accountPath(OTHER_ACCOUNT), version: operation.version };
  const found = await caller.call({ method: 'GET', ...at });
  if (operation.method === 'PUT') {
    if (found.status === 200) expectDone(await caller.finish({ method: 'DELETE', ...at }), 'DELETE account');
    return;
  }
  if (found.status === 200) return;
  const body = accountBody({ stack, caller });
  expectDone(await caller.finish({ method: 'PUT', ...at, body }), 'PUT account');
}

function accountBody({ stack }: World): object {
  const id = storageAccountId(stack.azurite.accounts.second.name);
  return { location: LOCATION, properties: { storageAccounts: [{ id, type: 'Primary' }] } };
}

/** Which call begins what an operation reports on, and which header tells where it is to be found. */
const BEGINNINGS: Readonly<Record<string, { steps?: readonly Step[]; header: string }>> = {
  MediaServicesOperationStatuses_Get: { header: 'azure-asyncoperation' },
  MediaServicesOperationResults_Get: { header: 'location' },
  OperationStatuses_Get: { header: 'azure-asyncoperation' },
  OperationResults_Get: { header: 'location' },
  LiveEvents_AsyncOperation: {
    steps: [{ collection: 'liveEvents', name: 'myLiveEvent1' }],
    header: 'azure-asyncoperation',
  },
  LiveEvents_OperationLocation: {
    steps: [{ collection: 'liveEvents', name: 'myLiveEvent1' }],
    header: 'location',
  },
  LiveOutputs_AsyncOperation: {
    steps: [
      { collection: 'liveEvents', name: 'myLiveEvent1' },
      { collection: 'liveOutputs', name: 'myLiveOutput1' },
    ],
    header: 'azure-asyncoperation',
  },
  LiveOutputs_OperationLocation: {
    steps: [
      { collection: 'liveEvents', name: 'myLiveEvent1' },
      { collection: 'liveOutputs', name: 'myLiveOutput1' },
    ],
    header: 'location',
  },
  StreamingEndpoints_AsyncOperation: {
    steps: [{ collection: 'streamingEndpoints', name: 'myStreamingEndpoint1' }],
    header: 'azure-asyncoperation',
  },
  StreamingEndpoints_OperationLocation: {
    steps: [{ collection: 'streamingEndpoints', name: 'myStreamingEndpoint1' }],
    header: 'location',
  },
};

export const isAboutOperations = ({ id }: Operation): boolean => BEGINNINGS[id] !== undefined;

async function operationPath(world: World, operation: Operation, named: readonly Step[]): Promise<string> {
  const beginning = BEGINNINGS[operation.id];
  if (beginning === undefined) throw new Error(`${operation.id} is not about operations`);
  const begun = await begin(world, operation, beginning.steps ?? named);
  const address = begun.headers[beginning.header];
  if (typeof address !== 'string') throw new Error(`what begins ${operation.id} has no ${beginning.header}`);
  return new URL(address).pathname;
}

async function begin(world: World, operation: Operation, steps: readonly Step[]): Promise<Finished> {
  const { caller } = world;
  const { version } = operation;
  if (operation.service === 'accounts') {
    await prepareAccount(world, { ...operation, method: 'PUT' });
    const body = accountBody(world);
    return caller.finish({ method: 'PUT', path: accountPath(OTHER_ACCOUNT), version, body });
  }
  await ensure(world, steps.slice(0, -1));
  const target = steps.at(-1) ?? { collection: '', name: '' };
  await remove(world, steps);
  if (target.collection === 'tracks') await uploadTracks(world, steps);
  if (target.collection === 'liveOutputs') await settle(world, steps.slice(0, 1), true);
  const body = BODIES[target.collection]?.(target.name);
  await prepareReferences(world, body);
  return caller.finish({ method: 'PUT', path: pathOfSteps(steps), version, body });
}
