import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { actionOf, scopeOf } from '../../src/control-plane/arm-access.ts';
import { ACCOUNT_PATH } from '../../src/control-plane/arm-http.ts';
import { ACCOUNT_SCOPED_ROUTES } from '../../src/control-plane/routes.ts';
import { isTrustworthy } from '../../src/identity/issuer-keys.ts';
import { mayAct, parseRoleAssignments } from '../../src/identity/role-assignments.ts';
import { ROLE_NAMES, roleAllows } from '../../src/identity/roles.ts';
import { readIdentity } from '../../src/server/identity-config.ts';
import { settingsReader } from '../../src/server/settings-reader.ts';

const MEDIA = 'Microsoft.Media/mediaservices';
const account = '/subscriptions/s/resourceGroups/g/providers/Microsoft.Media/mediaservices/a';

describe('the action of a call', () => {
  it.each([
    ['GET', '', `${MEDIA}/read`],
    ['PATCH', '', `${MEDIA}/write`],
    ['GET', '/assets', `${MEDIA}/assets/read`],
    ['PUT', '/assets/:asset', `${MEDIA}/assets/write`],
    ['DELETE', '/assets/:asset/tracks/:track', `${MEDIA}/assets/tracks/delete`],
    ['POST', '/assets/:asset/listContainerSas', `${MEDIA}/assets/listContainerSas/action`],
    ['POST', '/transforms/:transform/jobs/:job/cancelJob', `${MEDIA}/transforms/jobs/cancelJob/action`],
    ['GET', '/providers/Microsoft.Insights/metrics', 'Microsoft.Insights/metrics/read'],
  ])('%s %s', (method, path, action) => {
    expect(actionOf(method, ACCOUNT_PATH + path)).toBe(action);
  });

  it('is one of Media Services for every route but those of the metrics', () => {
    for (const { method, path, permission } of ACCOUNT_SCOPED_ROUTES) {
      expect(permission ?? actionOf(method, ACCOUNT_PATH + path)).toMatch(
        /^Microsoft\.(Media\/mediaservices|Insights)(\/[a-zA-Z0-9]+)*\/(read|write|delete|action)$/,
      );
    }
  });

  it.each([
    ['GET', `${account}/assets/x/`, `${account}/assets/x`],
    ['POST', `${account}/assets/x/listContainerSas`, `${account}/assets/x`],
    ['GET', `${account}/liveEvents/x/providers/microsoft.insights/metrics`, `${account}/liveEvents/x`],
  ])('%s %s is about %s', (method, pathname, scope) => {
    expect(scopeOf(method, pathname)).toBe(scope);
  });
});

describe('roles', () => {
  const actions = {
    read: `${MEDIA}/liveEvents/read`,
    account: `${MEDIA}/write`,
    asset: `${MEDIA}/assets/write`,
    assetKey: `${MEDIA}/assets/getEncryptionKey/action`,
    locatorKeys: `${MEDIA}/streamingLocators/listContentKeys/action`,
    policySecrets: `${MEDIA}/contentKeyPolicies/getPolicyPropertiesWithSecrets/action`,
    policy: `${MEDIA}/contentKeyPolicies/write`,
    transform: `${MEDIA}/transforms/write`,
    job: `${MEDIA}/transforms/jobs/write`,
    liveEvent: `${MEDIA}/liveEvents/start/action`,
    endpoint: `${MEDIA}/streamingEndpoints/scale/action`,
    metrics: 'Microsoft.Insights/metrics/read',
  };
  it.each<[string, string, readonly (keyof typeof actions)[]]>([
    ['Owner', 'Headend.Owner', Object.keys(actions) as (keyof typeof actions)[]],
    ['Contributor', 'Headend.Contributor', Object.keys(actions) as (keyof typeof actions)[]],
    ['Reader', 'Headend.Reader', ['read', 'metrics']],
    ['Media Services Account Administrator', 'Headend.AccountAdministrator', ['read', 'account', 'metrics']],
    [
      'Media Services Live Events Administrator',
      'Headend.LiveEventsAdministrator',
      ['read', 'asset', 'liveEvent', 'metrics'],
    ],
    ['Media Services Media Operator', 'Headend.MediaOperator', ['read', 'asset', 'job', 'metrics']],
    [
      'Media Services Policy Administrator',
      'Headend.PolicyAdministrator',
      ['read', 'policy', 'transform', 'metrics'],
    ],
    [
      'Media Services Streaming Endpoints Administrator',
      'Headend.StreamingEndpointsAdministrator',
      ['read', 'endpoint', 'metrics'],
    ],
    ['Somebody', 'Headend.Somebody', []],
  ])('%s', (name, appRole, allowed) => {
    for (const role of [name, appRole.toUpperCase()]) {
      const may = Object.entries(actions).filter(([, action]) => roleAllows(role, action.toUpperCase()));
      expect(may.map(([key]) => key)).toEqual(allowed);
    }
  });

  it('are assigned below a scope, by whole parts of its path and without letter case', () => {
    const roleAssignments = [
      { principalId: 'P', roleDefinitionName: 'Contributor', scope: '/Subscriptions/S/resourceGroups/g/' },
      { principalId: 'everywhere', roleDefinitionName: 'acdd72a7-3385-48ef-bd42-f606fba81ae7' },
    ];
    const assignments = parseRoleAssignments(JSON.stringify({ roleAssignments }));
    const may = (principal: string, action: string, scope: string) =>
      mayAct(
        { principalIds: [principal], roles: [] },
        { action: `${MEDIA}/assets/${action}`, scope },
        assignments,
      );
    expect([
      may('p', 'write', account),
      may('p', 'write', '/subscriptions/s/resourceGroups/g'),
      may('p', 'write', '/subscriptions/s/resourceGroups/g2'),
      may('p', 'write', '/subscriptions/s'),
      may('everywhere', 'read', account),
      may('everywhere', 'write', account),
    ]).toEqual([true, true, false, false, true, false]);
  });

  it.each([
    ['no JSON', '{'],
    ['another field', '{"roleAssignments":[],"x":1}'],
    ['an unknown role', '{"roleAssignments":[{"principalId":"p","roleDefinitionName":"Boss"}]}'],
    [
      'a scope that is none',
      '{"roleAssignments":[{"principalId":"p","roleDefinitionName":"Owner","scope":"x"}]}',
    ],
  ])('in a file with %s are refused', (_name, text) => {
    expect(() => parseRoleAssignments(text)).toThrow();
  });

  it('have the names of Azure', () => {
    expect(ROLE_NAMES).toContain('Media Services Media Operator');
  });
});

describe('settings of an external issuer', () => {
  const folder = mkdtempSync(join(tmpdir(), 'headend-access-'));
  const masterKeyFile = join(folder, 'master-keys');
  writeFileSync(masterKeyFile, `${Buffer.alloc(32, 1).toString('base64')}\n`);
  afterAll(() => rmSync(folder, { recursive: true }));
  const env = {
    HEADEND_STORAGE: 'DefaultEndpointsProtocol=https;AccountName=a;AccountKey=eA==',
    HEADEND_BIND: '0.0.0.0',
    HEADEND_MASTER_KEY_FILE: masterKeyFile,
    HEADEND_TOKEN_ISSUERS: 'https://login.microsoftonline.com/t/v2.0, https://sts.windows.net/t/',
    HEADEND_TOKEN_AUDIENCES: 'https://management.azure.com/',
  };

  const read = (settings: Readonly<Record<string, string>>) => {
    const problems: string[] = [];
    return { identity: readIdentity(settingsReader(settings, problems), problems), problems };
  };

  it('are read with the defaults of Entra', () => {
    expect(read(env)).toEqual({
      problems: [],
      identity: {
        kind: 'external',
        issuers: ['https://login.microsoftonline.com/t/v2.0', 'https://sts.windows.net/t/'],
        audiences: ['https://management.azure.com'],
        keys: {
          kind: 'discovery',
          url: new URL('https://login.microsoftonline.com/t/v2.0/.well-known/openid-configuration'),
        },
        algorithms: ['RS256'],
        clockSkewSeconds: 60,
        keysCoolDownMs: 30_000,
        rolesFile: undefined,
        roleAssignments: [],
      },
    });
  });

  it('are refused with all that is wrong', () => {
    const wrong = {
      ...env,
      HEADEND_TOKEN_AUDIENCES: '',
      HEADEND_TOKEN_JWKS_URL: 'http://keys.example/',
      HEADEND_TOKEN_DISCOVERY_URL: 'https://x.example/',
      HEADEND_TOKEN_CLOCK_SKEW_SECONDS: '301',
      HEADEND_ROLES_FILE: '/nowhere/roles.json',
    };
    expect(read(wrong).problems.join(' ')).toMatch(
      /AUDIENCES is required.*at most one is set.*must be an https address.*from 0 to 300.*ROLES_FILE: cannot read/s,
    );
  });

  it.each([
    ['https://keys.example/', true],
    ['http://127.0.0.1:1/', true],
    ['http://[::1]:1/', true],
    ['http://keys.example/', false],
    ['file:///keys', false],
    ['keys', false],
  ])('keys at %s are trusted: %s', (address, expected) => {
    expect(isTrustworthy(address)).toBe(expected);
  });
});
