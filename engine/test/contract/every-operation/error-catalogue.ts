import { ERROR_CATALOGUE, type ErrorName } from '../../../src/resources/error-catalogue.ts';
import type { Answer } from './caller.ts';
import {
  accountPath,
  GROUP_PATH,
  LOCATION,
  pathOfSteps,
  type Step,
  SUBSCRIPTION_PATH,
  storageAccountId,
} from './places.ts';
import type { Suite } from './runs.ts';
import { newestVersion, type Service } from './specifications.ts';

const CANCELS_MAX = 100;
const ROUNDS_MAX = 20;
const CANCEL_WAIT_MS = 100;
/** Of the server manifest that the set-ups upload. */
const LISTED_TRACK = 'video';
const BODY_BYTES_MAX = 1024 * 1024;

/** Errors that this suite does not provoke, and where they are met instead. */
const NOT_PROVOKED: Readonly<Partial<Record<ErrorName, string>>> = {
  InternalError: 'nothing that a caller sends may lead to it: any-request.test.ts',
  TooManyChanges: 'only by losing against others many times over',
  BeingDeleted: 'only in the moment of a delete',
  JobFinal: 'a worker has to have ended the job: sdk-encoding.test.ts',
  ExpiredAuthenticationToken: 'arm-access.test.ts',
  InvalidAuthenticationTokenAudience: 'arm-access.test.ts',
  InvalidAuthenticationTokenTenant: 'arm-access.test.ts',
  AuthenticationUnavailable: 'arm-access.test.ts',
  AuthorizationFailed: 'arm-access.test.ts',
};

const HOLE = '\u0001';

/** The errors of the catalogue that some refusal (`code message`) was. */
export function catalogueCoverage(refusals: ReadonlySet<string>) {
  const all = Object.keys(ERROR_CATALOGUE) as readonly ErrorName[]; // the catalogue's own keys
  const provoked = all.filter((name) => [...refusals].some((refusal) => patternOf(name).test(refusal)));
  const unexplained = all.filter((name) => !provoked.includes(name) && NOT_PROVOKED[name] === undefined);
  return { all, provoked, unexplained };
}

function patternOf(name: ErrorName): RegExp {
  const entry: { code?: string; message(about: object): string } = ERROR_CATALOGUE[name];
  const message = entry.message(new Proxy({}, { get: () => HOLE }));
  const literal = `${entry.code ?? name} ${message}`.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${literal.replaceAll(HOLE, '.*')}$`, 's');
}

const step = (collection: string, name: string): Step => ({ collection, name });
const EVENT = step('liveEvents', 'probe');
const OUTPUT = step('liveOutputs', 'probe');
const ASSET = step('assets', 'probe');
const TRANSFORM = step('transforms', 'probe');
const JOB = step('jobs', 'probe');
const ENDPOINT = step('streamingEndpoints', 'default');
const ANY_KEY_POLICY = {
  '@odata.type': '#Microsoft.Media.ContentKeyPolicyOpenRestriction',
};

/** Calls that are refused, for entries of the catalogue that neither an example nor a wrong body meets. */
export async function provokeErrors(suite: Suite): Promise<void> {
  await provokeByPath(suite);
  await provokeByBody(suite);
  await provokeByState(suite);
  await provokeByTracks(suite);
  await provokeByAccounts(suite);
  await provokeByCaller(suite);
}

type Send = (
  service: Service,
  method: string,
  path: string,
  more?: { body?: unknown; query?: Record<string, string> },
) => Promise<Answer>;

function senderOf({ caller }: Suite): Send {
  return (service, method, path, more) =>
    caller.call({ method, path, version: newestVersion(service), ...more });
}

async function provokeByPath(suite: Suite): Promise<void> {
  const send = senderOf(suite);
  await send('metadata', 'GET', `${accountPath()}/assets/no-such-asset`);
  await send('streaming', 'GET', `${accountPath()}/liveEvents/no-such-event`);
  await send('streaming', 'GET', `${accountPath()}/liveEvents/no-such-event/liveOutputs/none`);
  await send('metadata', 'GET', `${accountPath()}/colours`);
  await send('metadata', 'PATCH', `${accountPath()}/assets`);
  await send('metadata', 'PUT', `${accountPath()}/assets/a.b`, { body: {} });
  await send('metadata', 'GET', `${accountPath('no-such-account')}/assets`);
  await send('accounts', 'GET', accountPath('no-such-account'));
  await send('streaming', 'GET', `${accountPath()}/liveEvents`, { query: { $filter: "name eq 'a'" } });
  await send('metadata', 'GET', `${accountPath()}/assets`, { query: { $filter: 'name eq' } });
  await send(
    'accounts',
    'GET',
    `${SUBSCRIPTION_PATH.replace(/\w+$/, '000000000009')}/providers/Microsoft.Media/mediaservices`,
  );
  await send('accounts', 'GET', '/subscriptions/nonsense/providers/Microsoft.Media/mediaservices');
  await send('accounts', 'GET', `${GROUP_PATH}-unknown/providers/Microsoft.Media/mediaservices`);
  await send('accounts', 'DELETE', accountPath());
  const { caller } = suite;
  const at = { method: 'GET', path: `${accountPath()}/assets` };
  await caller.call({ ...at, version: '' });
  await caller.call({ ...at, version: '1999-01-01' });
}

async function provokeByBody(suite: Suite): Promise<void> {
  const send = senderOf(suite);
  const { caller, setUps } = suite;
  const at = { method: 'PUT', path: pathOfSteps([ASSET]), version: newestVersion('metadata') };
  await caller.call({ ...at, rawBody: '{' });
  await caller.call({ ...at, rawBody: `{"id":"${'x'.repeat(BODY_BYTES_MAX)}"}` });
  await setUps.ensure([ASSET]);
  await send('metadata', 'PUT', pathOfSteps([ASSET]), { body: { properties: { container: 'another' } } });
  await send('metadata', 'PUT', pathOfSteps([ASSET, step('tracks', 'none')]), {
    body: { properties: { track: { '@odata.type': '#Microsoft.Media.TextTrack', fileName: 'none.vtt' } } },
  });
  const locator = { assetName: 'probe', streamingPolicyName: 'no-such-policy' };
  await send('metadata', 'PUT', pathOfSteps([step('streamingLocators', 'none')]), {
    body: { properties: locator },
  });
  await send('encoding', 'PUT', pathOfSteps([TRANSFORM]), {
    body: {
      properties: {
        outputs: [
          { preset: { '@odata.type': '#Microsoft.Media.StandardEncoderPreset', codecs: [], formats: [] } },
        ],
      },
    },
  });
  await send('metadata', 'PUT', pathOfSteps([step('contentKeyPolicies', 'none')]), { body: unknownOutputs });
  await send('streaming', 'PUT', pathOfSteps([step('streamingEndpoints', 'cdn')]), {
    body: { location: LOCATION, properties: { scaleUnits: 1, cdnEnabled: true } },
  });
}

const unknownOutputs = {
  properties: {
    options: [
      {
        restriction: ANY_KEY_POLICY,
        configuration: {
          '@odata.type': '#Microsoft.Media.ContentKeyPolicyPlayReadyConfiguration',
          licenses: [
            {
              allowTestDevices: false,
              licenseType: 'NonPersistent',
              contentType: 'Unspecified',
              contentKeyLocation: {
                '@odata.type': '#Microsoft.Media.ContentKeyPolicyPlayReadyContentEncryptionKeyFromHeader',
              },
              playRight: {
                digitalVideoOnlyContentRestriction: true,
                imageConstraintForAnalogComponentVideoRestriction: false,
                imageConstraintForAnalogComputerMonitorRestriction: false,
                allowPassingVideoContentToUnknownOutput: 'Allowed',
              },
            },
          ],
        },
      },
    ],
  },
};

async function provokeByState(suite: Suite): Promise<void> {
  await provokeByLiveEvent(suite);
  await provokeByLocators(suite);
  const { setUps } = suite;
  const send = senderOf(suite);
  await setUps.ensure([TRANSFORM, JOB]);
  await send('encoding', 'DELETE', pathOfSteps([TRANSFORM, JOB]));
  await setUps.remove([TRANSFORM, JOB]);
  await provokeByEndedJob(suite);
  await provokeByCapacity(suite);
  const begin = {
    method: 'POST',
    path: `${pathOfSteps([ENDPOINT])}/start`,
    version: newestVersion('streaming'),
  };
  const end = { ...begin, path: `${pathOfSteps([ENDPOINT])}/stop` };
  await untilTheyMeet(() => [begin, begin, end, end].map((call) => suite.caller.finish(call)));
  await suite.caller.finish(end);
}

/** Side by side, until one meets another on its way. */
async function untilTheyMeet(round: () => readonly Promise<Answer>[]): Promise<void> {
  for (let tries = 0; tries < ROUNDS_MAX; tries += 1) {
    const answers = await Promise.all(round());
    if (answers.some(({ status }) => status === 409)) return;
  }
}

async function provokeByEndedJob(suite: Suite): Promise<void> {
  const send = senderOf(suite);
  const cancel = () => send('encoding', 'POST', `${pathOfSteps([TRANSFORM, JOB])}/cancelJob`);
  await suite.setUps.ensure([TRANSFORM, JOB]);
  for (let tries = 0; tries < CANCELS_MAX && (await cancel()).status < 400; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, CANCEL_WAIT_MS));
  }
}

async function provokeByCapacity({ caller }: Suite): Promise<void> {
  const path = `${accountPath()}/encodingCapacity/default/scale`;
  const scale = { method: 'POST', path, version: newestVersion('streaming') };
  const body = (encodingUnits: number) => ({ ...scale, body: { encodingUnits } });
  await untilTheyMeet(() => [2, 3, 4, 5].map((units) => caller.finish(body(units))));
}

async function provokeByTracks(suite: Suite): Promise<void> {
  const { caller, setUps } = suite;
  const version = newestVersion('metadata');
  const track = (name: string, properties: object) => ({
    method: 'PUT',
    version,
    path: pathOfSteps([step('assets', 'tracks'), step('tracks', name)]),
    body: { properties: { track: { '@odata.type': '#Microsoft.Media.TextTrack', ...properties } } },
  });
  await setUps.ensure([step('assets', 'tracks'), step('tracks', 'there')]);
  await caller.finish(track('none', { fileName: 'none.vtt' }));
  await caller.finish(track('damaged', { fileName: 'damaged.vtt' }));
  const twice = track('twice', { fileName: 'text.vtt' });
  await untilTheyMeet(() => [caller.finish(twice), caller.finish(twice)]);
  await caller.finish({ method: 'DELETE', version, path: track(LISTED_TRACK, {}).path });
  await setUps.ensure([step('assets', 'bare')]);
  const bare = pathOfSteps([step('assets', 'bare'), step('tracks', 'text')]);
  await caller.finish({ ...twice, path: bare });
}

async function provokeByAccounts({ caller, setUps }: Suite): Promise<void> {
  const version = newestVersion('accounts');
  const storedIn = (name: string) => ({
    location: LOCATION,
    properties: { storageAccounts: [{ id: storageAccountId(name), type: 'Primary' }] },
  });
  const path = accountPath('probeaccount');
  await caller.finish({ method: 'PUT', path, version, body: storedIn('nosuchstorage') });
  await caller.call({ method: 'GET', path: `${path}/assets`, version: newestVersion('metadata') });
  await caller.finish({ method: 'DELETE', path, version });
  const elsewhere = accountPath().replace(GROUP_PATH, `${GROUP_PATH}2`);
  const body = setUps.accountBody();
  await caller.finish({ method: 'PUT', path: elsewhere, version, body });
  const twice = { method: 'PUT', path, version, body };
  await untilTheyMeet(() => [caller.finish(twice), caller.finish(twice)]);
  await caller.finish({ method: 'DELETE', path, version });
}

async function provokeByLiveEvent(suite: Suite): Promise<void> {
  const { caller, setUps } = suite;
  const send = senderOf(suite);
  const version = newestVersion('streaming');
  const event = pathOfSteps([EVENT]);
  await setUps.ensure([EVENT]);
  const start = { method: 'POST', path: `${event}/start`, version };
  const stop = { ...start, path: `${event}/stop`, body: {} };
  await untilTheyMeet(() => [start, start, stop, stop].map((call) => caller.finish(call)));
  await caller.finish(stop);
  await caller.finish(start);
  await setUps.ensure([EVENT, OUTPUT]);
  await send('metadata', 'DELETE', pathOfSteps([step('assets', 'archive')]));
  await send('streaming', 'POST', `${event}/stop`, { body: {} });
  await send('streaming', 'DELETE', event);
  await send('streaming', 'PATCH', event, {
    body: {
      location: LOCATION,
      properties: { input: { streamingProtocol: 'FragmentedMP4' }, hostnamePrefix: 'other' },
    },
  });
  await setUps.remove([EVENT]);
  const encoding = step('liveEvents', 'encoding');
  await caller.finish({
    method: 'PUT',
    path: pathOfSteps([encoding]),
    version,
    body: {
      location: LOCATION,
      properties: { input: { streamingProtocol: 'RTMP' }, encoding: { encodingType: 'Standard' } },
    },
  });
  await send('streaming', 'POST', `${pathOfSteps([encoding])}/start`);
  await setUps.remove([encoding]);
}

async function provokeByLocators(suite: Suite): Promise<void> {
  const { setUps } = suite;
  const send = senderOf(suite);
  const locator = step('streamingLocators', 'probe');
  await setUps.ensure([locator]);
  const streamingLocatorId = '70000000-0000-0000-0000-000000000001';
  const properties = { assetName: 'probe', streamingPolicyName: 'Predefined_ClearStreamingOnly' };
  const body = { properties: { ...properties, streamingLocatorId } };
  await send('metadata', 'PUT', pathOfSteps([locator]), { body });
  await send('metadata', 'PUT', pathOfSteps([step('streamingLocators', 'probe-1')]), { body });
  await send('metadata', 'PUT', pathOfSteps([step('streamingLocators', 'probe-2')]), { body });
  await send('metadata', 'DELETE', pathOfSteps([step('streamingPolicies', 'clearStreamingPolicy')]));
  const key = (name: string, value: string) =>
    send('metadata', 'PUT', pathOfSteps([step('streamingLocators', name)]), {
      body: {
        properties: {
          assetName: 'probe',
          streamingPolicyName: 'Predefined_ClearKey',
          contentKeys: [
            {
              id: '60000000-0000-0000-0000-000000000009',
              labelReferenceInStreamingPolicy: 'clearKeyDefault',
              value,
            },
          ],
        },
      },
    });
  await key('probe-3', '1UqLohAfWsEGkULYxHjYZg==');
  await key('probe-4', '2UqLohAfWsEGkULYxHjYZg==');
  const filters = Array.from({ length: 101 }, (_, index) => step('accountFilters', `probe-${index}`));
  for (const filter of filters) {
    await send('metadata', 'PUT', pathOfSteps([filter]), { body: { properties: {} } });
  }
  for (const filter of filters) await send('metadata', 'DELETE', pathOfSteps([filter]));
}

async function provokeByCaller({ caller }: Suite): Promise<void> {
  const at = { method: 'GET', path: `${accountPath()}/assets`, version: newestVersion('metadata') };
  await caller.call({ ...at, authorization: '' });
  await caller.call({ ...at, authorization: 'Bearer nonsense' });
}
