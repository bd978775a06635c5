import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CLIENT_ID, TENANT_ID } from '../../src/identity/token-issuer.ts';
import { ACCOUNT_ID, callArm, SUBSCRIPTION } from '../support/arm-client.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import { buildEngine, type EngineProgram, type RunningEngine } from '../support/engine-program.ts';
import {
  AUDIENCE,
  startTokenAuthority,
  type TokenAuthority,
  type TokenWish,
} from '../support/token-authority.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const API = 'api-version=2022-08-01';
const CONTRIBUTOR = { roles: ['Headend.Contributor'] };

let azurite: Azurite;
let program: EngineProgram;
let authority: TokenAuthority;
let engine: RunningEngine;
let folder: string;
let env: Record<string, string>;
let rolesFile: string;

const roleAssignments = [
  { principalId: 'live-team', roleDefinitionName: 'Media Services Live Events Administrator' },
  { principalId: 'operator', roleDefinitionName: 'e4395492-1534-4db2-bedf-88c14621589c' },
  { principalId: 'reader', roleDefinitionName: 'Reader' },
  { principalId: 'one-asset', roleDefinitionName: 'Contributor', scope: `${ACCOUNT_ID}/assets/mine` },
];
const assign = (assignments: readonly object[]) =>
  writeFile(rolesFile, JSON.stringify({ roleAssignments: assignments }));

beforeAll(async () => {
  [azurite, program, authority, folder] = await Promise.all([
    startAzurite(),
    buildEngine(),
    startTokenAuthority(),
    mkdtemp(join(tmpdir(), 'headend-access-')),
  ]);
  rolesFile = join(folder, 'roles.json');
  await assign(roleAssignments);
  env = {
    HEADEND_STORAGE: azurite.connectionString,
    HEADEND_IDENTITY_SECRET: '',
    HEADEND_TOKEN_ISSUERS: authority.issuer,
    HEADEND_TOKEN_AUDIENCES: AUDIENCE,
    HEADEND_TOKEN_KEYS_COOLDOWN_SECONDS: '1',
    HEADEND_TOKEN_CLOCK_SKEW_SECONDS: '60',
    HEADEND_TOKEN_ALGORITHMS: 'RS256,ES256',
    HEADEND_ROLES_FILE: rolesFile,
  };
  engine = await program.start('control', env);
}, 120_000);

afterAll(async () => {
  await program?.close();
  await authority?.close();
  await azurite?.close();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

const call = (token: string | undefined, method = 'GET', path = '/assets', body?: string) =>
  callArm(engine, program.caPem, {
    method,
    path: `${ACCOUNT_ID}${path}?${API}`,
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { body }),
  });

const errorOf = (body: unknown) => Object(Reflect.get(Object(body), 'error'));

describe('access tokens of an external issuer', () => {
  const unsigned = (token: string) => {
    const [, payload = ''] = token.split('.');
    const head = Buffer.from(JSON.stringify({ alg: 'none', typ: 'JWT' })).toString('base64url');
    return `${head}.${payload}.`;
  };
  const changed = (token: string) => {
    const [head = '', payload = '', signature = ''] = token.split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
    const other = Buffer.from(JSON.stringify({ ...claims, roles: ['Headend.Owner'] })).toString('base64url');
    return `${head}.${other}.${signature}`;
  };

  it.each<[string, TokenWish]>([
    ['an app role', { claims: CONTRIBUTOR }],
    ['a built-in role by its name', { claims: { roles: ['Reader'] } }],
    ['several audiences, one of them ours', { claims: { ...CONTRIBUTOR, aud: ['other', AUDIENCE] } }],
    ['a final slash in the audience', { claims: { ...CONTRIBUTOR, aud: `${AUDIENCE}/` } }],
    ['expired within the clock skew', { claims: CONTRIBUTOR, expiresInSeconds: -30 }],
    ['not valid yet within the clock skew', { claims: CONTRIBUTOR, notBeforeInSeconds: 30 }],
    ['a role that was assigned to its group', { claims: { groups: ['x', 'LIVE-TEAM'] } }],
    ['a role that was assigned to its principal', { claims: { oid: 'reader' } }],
  ])('are good: %s', async (_name, wish) => {
    expect((await call(await authority.token(wish))).status).toBe(200);
  });

  it.each<[string, string, TokenWish, ((token: string) => string)?]>([
    ['no algorithm', 'InvalidAuthenticationToken', { claims: CONTRIBUTOR }, unsigned],
    ['claims that were changed', 'InvalidAuthenticationToken', { claims: { roles: ['Reader'] } }, changed],
    [
      'another audience',
      'InvalidAuthenticationTokenAudience',
      { claims: { aud: 'https://vault.azure.net' } },
    ],
    ['no audience', 'InvalidAuthenticationTokenAudience', { claims: { aud: undefined } }],
    ['another issuer', 'InvalidAuthenticationTokenTenant', { claims: { iss: 'https://login.example/v2.0' } }],
    ['expired', 'ExpiredAuthenticationToken', { expiresInSeconds: -90 }],
    ['no expiry', 'InvalidAuthenticationToken', { claims: { exp: undefined } }],
    ['an expiry that is no number', 'InvalidAuthenticationToken', { claims: { exp: 'tomorrow' } }],
    ['not valid yet', 'InvalidAuthenticationToken', { notBeforeInSeconds: 600 }],
    ['nobody', 'InvalidAuthenticationToken', { claims: { sub: undefined } }],
    ['an ID token', 'InvalidAuthenticationToken', { claims: { ...CONTRIBUTOR, nonce: 'n' } }],
    ['too long', 'InvalidAuthenticationToken', { claims: { ...CONTRIBUTOR, x: 'y'.repeat(9_500) } }],
  ])('are refused: %s', async (_name, code, wish, change = (token) => token) => {
    const answer = await call(change(await authority.token(wish)));
    expect({ status: answer.status, code: errorOf(answer.body)['code'] }).toEqual({ status: 401, code });
    expect(answer.headers['www-authenticate']).toMatch(
      /^Bearer authorization_uri="http:\/\/127\.0\.0\.1:\d+", error="invalid_token", error_description="[^"]+"$/,
    );
  });

  it('are refused with a key of the issuer and an algorithm that is not allowed', async () => {
    const strange = await authority.makeKey('pss', 'PS256');
    authority.publish([authority.key, strange]);
    const answer = await call(await authority.token({ claims: CONTRIBUTOR, key: strange }));
    expect({ status: answer.status, code: errorOf(answer.body)['code'] }).toEqual({
      status: 401,
      code: 'InvalidAuthenticationToken',
    });
  });

  it('are refused when there is none, in the words of Azure Resource Manager', async () => {
    expect(await call(undefined)).toMatchObject({
      status: 401,
      body: {
        error: {
          code: 'AuthenticationFailed',
          message: "Authentication failed. The 'Authorization' header is missing.",
        },
      },
    });
  });

  it('are good with a key that is rotated in, and asking for unknown ones is bounded', async () => {
    const second = await authority.makeKey('second', 'ES256');
    const token = await authority.token({ claims: CONTRIBUTOR, key: second });
    const before = authority.asked();
    for (let attempt = 0; attempt < 20; attempt += 1) expect((await call(token)).status).toBe(401);
    // Once a second at most; this took less than a few.
    expect(authority.asked() - before).toBeLessThan(15);
    authority.publish([second]);
    await expectSoon(async () => (await call(token)).status === 200);
    const first = await call(await authority.token({ claims: CONTRIBUTOR }));
    expect(first.status).toBe(401);
    authority.publish([authority.key, second]);
    await expectSoon(async () => (await call(await authority.token({ claims: CONTRIBUTOR }))).status === 200);
  });

  it('are good with a known key while the key server fails; others get 503', async () => {
    const third = await authority.makeKey('third');
    const good = await authority.token({ claims: CONTRIBUTOR });
    expect((await call(good)).status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    authority.fail(true);
    const unknown = await call(await authority.token({ claims: CONTRIBUTOR, key: third }));
    expect(unknown).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
    expect((await call(good)).status).toBe(200);
    authority.fail(false);
  });
});

describe('what a caller may do', () => {
  const asset = JSON.stringify({ properties: {} });
  const event = JSON.stringify({ location: 'local', properties: { input: { streamingProtocol: 'RTMP' } } });

  it.each<[string, TokenWish['claims'], string, string, string, number]>([
    ['a reader reads', { roles: ['Reader'] }, 'GET', '/assets', '', 200],
    ['a reader creates nothing', { roles: ['Reader'] }, 'PUT', '/assets/no', asset, 403],
    [
      'a reader gets no write access',
      { roles: ['Reader'] },
      'POST',
      '/assets/no/listContainerSas',
      '{}',
      403,
    ],
    ['a media operator creates assets', { oid: 'operator' }, 'PUT', '/assets/op', asset, 201],
    [
      'a media operator starts no streaming endpoint',
      { oid: 'operator' },
      'POST',
      '/streamingEndpoints/default/start',
      '{}',
      403,
    ],
    [
      'a media operator does not see keys',
      { oid: 'operator' },
      'POST',
      '/assets/op/getEncryptionKey',
      '{}',
      403,
    ],
    ['a media operator starts no live event', { oid: 'operator' }, 'POST', '/liveEvents/no/start', '{}', 403],
    [
      'a live administrator creates live events',
      { groups: ['live-team'] },
      'PUT',
      '/liveEvents/le',
      event,
      201,
    ],
    [
      'a live administrator scales nothing',
      { groups: ['live-team'] },
      'POST',
      '/streamingEndpoints/default/scale',
      '{}',
      403,
    ],
    [
      'an endpoint administrator scales',
      { roles: ['Headend.StreamingEndpointsAdministrator'] },
      'POST',
      '/streamingEndpoints/default/scale',
      '{"scaleUnit":1}',
      200,
    ],
    [
      'an endpoint administrator creates no assets',
      { roles: ['Headend.StreamingEndpointsAdministrator'] },
      'PUT',
      '/assets/no',
      asset,
      403,
    ],
    ['below its scope', { oid: 'one-asset' }, 'PUT', '/assets/mine', asset, 201],
    ['beside its scope', { oid: 'one-asset' }, 'PUT', '/assets/mine2', asset, 403],
    ['nobody in particular', { oid: 'unknown' }, 'GET', '/assets', '', 403],
    ['a role that nobody knows', { roles: ['Superuser', 7] }, 'GET', '/assets', '', 403],
  ])('%s', async (_name, claims, method, path, body, status) => {
    const token = await authority.token({ claims: claims ?? {} });
    const answer = await call(token, method, path, body === '' ? undefined : body);
    expect(answer.status).toBe(status);
  });

  it('is refused in the words of Azure Resource Manager', async () => {
    const answer = await call(
      await authority.token({ claims: { roles: ['Reader'] } }),
      'PUT',
      '/assets/no',
      asset,
    );
    expect(answer).toMatchObject({
      status: 403,
      body: {
        error: {
          code: 'AuthorizationFailed',
          message: `The client 'application-1' with object id 'object-1' does not have authorization to perform action 'Microsoft.Media/mediaservices/assets/write' over scope '${ACCOUNT_ID}/assets/no' or the scope is invalid. If access was recently granted, please refresh your credentials.`,
        },
      },
    });
  });
});

describe('the file of role assignments', () => {
  const statusFor = async (oid: string) => (await call(await authority.token({ claims: { oid } }))).status;
  const until = async (oid: string, status: number) => {
    const deadline = Date.now() + 15_000;
    while ((await statusFor(oid)) !== status && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    return statusFor(oid);
  };

  it('is followed while the engine runs, and what cannot be read changes nothing', async () => {
    expect([await statusFor('newcomer'), await statusFor('reader')]).toEqual([403, 200]);
    const others = roleAssignments.filter(({ principalId }) => principalId !== 'reader');
    await assign([...others, { principalId: 'newcomer', roleDefinitionName: 'Reader' }]);
    expect([await until('newcomer', 200), await statusFor('reader')]).toEqual([200, 403]);
    await assign([{ principalId: 'newcomer', roleDefinitionName: 'Boss' }]);
    const deadline = Date.now() + 15_000;
    while (!engine.log().includes('settings.fileNotRead') && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    expect([await statusFor('newcomer'), await statusFor('reader')]).toEqual([200, 403]);
    expect(engine.log()).toContain('settings.fileNotRead');
  }, 60_000);
});

describe('the built-in token issuer', () => {
  it.each([
    [
      'storage elsewhere',
      {
        HEADEND_STORAGE:
          'DefaultEndpointsProtocol=https;AccountName=a;AccountKey=eA==;EndpointSuffix=core.windows.net',
      },
    ],
    ['an address that others reach', { HEADEND_BIND: '0.0.0.0' }],
  ])('does not start with %s', async (_name, settings) => {
    const storage = { HEADEND_STORAGE: azurite.connectionString };
    await expect(program.start('control', { ...storage, ...settings })).rejects.toMatchObject({
      message: expect.stringContaining('set HEADEND_TOKEN_ISSUERS'),
    });
  });

  it('does not start beside an external one', async () => {
    const settings = { ...env, HEADEND_IDENTITY_SECRET: 'x'.repeat(20), HEADEND_TOKEN_ALGORITHMS: 'HS256' };
    await expect(program.start('control', settings)).rejects.toMatchObject({
      message: expect.stringMatching(/HEADEND_IDENTITY_SECRET is of the built-in.*'HS256' is none of/s),
    });
  });

  describe('signs @azure/identity in, unmodified', () => {
    let local: RunningEngine;
    let caFile: string;

    beforeAll(async () => {
      caFile = join(folder, 'ca.pem');
      await writeFile(caFile, program.caPem);
      const ports = { HEADEND_ARM_PORT: '0', HEADEND_IDENTITY_PORT: '0' };
      local = await program.start('control', { HEADEND_STORAGE: azurite.connectionString, ...ports });
    }, 60_000);

    const authorityHost = () => `https://127.0.0.1:${local.ports['arm']}`;
    const client = () => ({ AZURE_CLIENT_ID: CLIENT_ID, AZURE_CLIENT_SECRET: program.identitySecret });

    it.each([
      [
        'DefaultAzureCredential with the environment',
        'new DefaultAzureCredential()',
        () => ({ ...client(), AZURE_TENANT_ID: 'adfs', AZURE_AUTHORITY_HOST: authorityHost() }),
      ],
      [
        'DefaultAzureCredential with the managed identity',
        'new DefaultAzureCredential()',
        () => ({
          IDENTITY_ENDPOINT: `http://127.0.0.1:${local.ports['identity']}/msi/token`,
          IDENTITY_HEADER: program.identitySecret,
        }),
      ],
      [
        'ClientSecretCredential without instance discovery',
        `new ClientSecretCredential('${TENANT_ID}', process.env.AZURE_CLIENT_ID, process.env.AZURE_CLIENT_SECRET, {
          authorityHost: process.env.AZURE_AUTHORITY_HOST, disableInstanceDiscovery: true })`,
        () => ({ ...client(), AZURE_AUTHORITY_HOST: authorityHost() }),
      ],
    ])(
      '%s',
      async (_name, credential, variables) => {
        // In a process of its own, because only at its start a process can be told whom to trust.
        const script = `
        import { AzureMediaServices } from '@azure/arm-mediaservices';
        import { ClientSecretCredential, DefaultAzureCredential } from '@azure/identity';
        const sdk = new AzureMediaServices(${credential}, '${SUBSCRIPTION}', {
          endpoint: '${authorityHost()}', credentialScopes: 'https://management.azure.com/.default' });
        console.log((await sdk.mediaservices.get('headend', 'headend')).name);
      `;
        const { stdout } = await promisify(execFile)(
          process.execPath,
          ['--input-type=module', '-e', script],
          {
            cwd: ROOT,
            env: {
              PATH: process.env['PATH'] ?? '',
              HOME: folder,
              NODE_EXTRA_CA_CERTS: caFile,
              ...variables(),
            },
          },
        );
        expect(stdout.trim()).toBe('headend');
      },
      60_000,
    );
  });
});

/** Runs last. */
describe('an engine without its own token issuer', () => {
  it('stops in order, and has said nothing of tokens', async () => {
    const token = await authority.token({ claims: CONTRIBUTOR });
    expect((await call(token)).status).toBe(200);
    expect(engine.ports['identity']).toBeUndefined();
    expect(await engine.stop('SIGTERM')).toBe(0);
    for (const part of token.split('.')) expect(engine.log()).not.toContain(part);
  });
});

async function expectSoon(condition: () => Promise<boolean>): Promise<void> {
  const WAIT_MS_MAX = 10_000;
  for (const beganAtMs = Date.now(); Date.now() - beganAtMs < WAIT_MS_MAX; ) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('it did not come true');
}
