import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { importJWK, SignJWT } from 'jose';
import { openHeadendTable } from '../../src/store/headend-table.ts';
import { ACCOUNT, ACCOUNT_ID, callArm, GROUP, SUBSCRIPTION } from '../support/arm-client.ts';
import { type ArmStack, secretsInLog, startArmStack } from '../support/arm-stack.ts';

const API = 'api-version=2022-08-01';

let stack: ArmStack;

beforeAll(async () => {
  stack = await startArmStack();
  const { liveEvents, assets } = stack.client;
  const event = { location: 'local', input: { streamingProtocol: 'RTMP' } };
  await liveEvents.beginCreateAndWait(GROUP, ACCOUNT, 'auto', event, { autoStart: true });
  const basic = { ...event, encoding: { encodingType: 'PassthroughBasic' } };
  await liveEvents.beginCreateAndWait(GROUP, ACCOUNT, 'basic', basic);
  await assets.createOrUpdate(GROUP, ACCOUNT, 'page-000', {});
}, 120_000);

afterAll(() => stack?.close(), 60_000);

describe('what is refused', () => {
  const liveEvent = (properties: object) => ({ location: 'local', properties });
  const rtmp = { streamingProtocol: 'RTMP' };
  const output = (properties: object) => ({
    properties: { assetName: 'a', archiveWindowLength: 'PT1H', ...properties },
  });

  it.each([
    ['a name with a space', '/liveEvents/a%20b', liveEvent({ input: rtmp }), 'BadRequest', /The name 'a b'/],
    [
      'a name that is too long',
      `/liveEvents/${'a'.repeat(33)}`,
      liveEvent({ input: rtmp }),
      'BadRequest',
      /1 to 32/,
    ],
    [
      'a name that ends with a hyphen',
      '/liveEvents/a-',
      liveEvent({ input: rtmp }),
      'BadRequest',
      /name 'a-'/,
    ],
    ['an asset name with a dot', '/assets/a.b', {}, 'BadRequest', /name 'a\.b'/],
    [
      'an unknown field',
      '/liveEvents/x',
      liveEvent({ input: rtmp, colour: 1 }),
      'BadRequest',
      /properties\.colour/,
    ],
    ['no properties', '/liveEvents/x', { location: 'local' }, 'BadRequest', /'properties'/],
    [
      'an unknown protocol',
      '/liveEvents/x',
      liveEvent({ input: { streamingProtocol: 'SRT' } }),
      'BadRequest',
      /streamingProtocol/,
    ],
    [
      'a preset of another encoding type',
      '/liveEvents/x',
      liveEvent({ input: rtmp, encoding: { encodingType: 'Standard', presetName: 'Default1080p' } }),
      'BadRequest',
      /encoding\.presetName.*Default720p/,
    ],
    [
      'a key frame interval out of range',
      '/liveEvents/x',
      liveEvent({ input: { ...rtmp, keyFrameIntervalDuration: 'PT21S' } }),
      'BadRequest',
      /PT0\.5S to PT20S/,
    ],
    [
      'an address that is none',
      '/liveEvents/x',
      liveEvent({ input: { ...rtmp, accessControl: { ip: { allow: [{ address: '10.0.0.256' }] } } } }),
      'BadRequest',
      /accessControl\.ip\.allow\[0\]\.address/,
    ],
    [
      'a prefix that is too long',
      '/liveEvents/x',
      liveEvent({
        input: rtmp,
        preview: { accessControl: { ip: { allow: [{ address: '10.0.0.0', subnetPrefixLength: 33 }] } } },
      }),
      'BadRequest',
      /preview\.accessControl.*at most 32/,
    ],
    [
      'a host name prefix that is no label',
      '/liveEvents/x',
      liveEvent({ input: rtmp, useStaticHostname: true, hostnamePrefix: 'a.b' }),
      'BadRequest',
      /hostnamePrefix/,
    ],
    [
      'the low latency of encoding live events',
      '/liveEvents/x',
      liveEvent({ input: rtmp, streamOptions: ['LowLatencyV2'] }),
      'BadRequest',
      /streamOptions/,
    ],
    [
      'an unknown stream option',
      '/liveEvents/x',
      liveEvent({ input: rtmp, streamOptions: ['Fast'] }),
      'BadRequest',
      /streamOptions/,
    ],
    [
      'an access token that is no GUID',
      '/liveEvents/x',
      liveEvent({ input: { ...rtmp, accessToken: 'secret' } }),
      'BadRequest',
      /accessToken/,
    ],
    [
      'more than eight hours of a basic live event',
      '/liveEvents/basic/liveOutputs/o',
      output({ archiveWindowLength: 'PT8H1S' }),
      'BadRequest',
      /PT8H/,
    ],
    [
      'an archive window that is too short',
      '/liveEvents/auto/liveOutputs/o',
      output({ archiveWindowLength: 'PT59S' }),
      'BadRequest',
      /PT1M to PT25H/,
    ],
    [
      'an archive window that is too long',
      '/liveEvents/auto/liveOutputs/o',
      output({ archiveWindowLength: 'PT25H0.1S' }),
      'BadRequest',
      /PT1M to PT25H/,
    ],
    [
      'a window in months',
      '/liveEvents/auto/liveOutputs/o',
      output({ archiveWindowLength: 'P1M' }),
      'BadRequest',
      /ISO 8601/,
    ],
    [
      'a rewind window longer than the archive',
      '/liveEvents/auto/liveOutputs/o',
      output({ rewindWindowLength: 'PT2H' }),
      'BadRequest',
      /rewindWindowLength/,
    ],
    [
      'a manifest name that leaves its folder',
      '/liveEvents/auto/liveOutputs/o',
      output({ manifestName: '../x' }),
      'BadRequest',
      /manifestName/,
    ],
    ['an output on a missing asset', '/liveEvents/auto/liveOutputs/o', output({}), 'NotFound', /asset 'a'/],
    [
      'an output of a missing live event',
      '/liveEvents/nobody/liveOutputs/o',
      output({}),
      'ParentResourceNotFound',
      /'headend\/nobody'/,
    ],
    [
      'a locator of a missing asset',
      '/streamingLocators/l',
      { properties: { assetName: 'nothing', streamingPolicyName: 'Predefined_ClearStreamingOnly' } },
      'NotFound',
      /not found/,
    ],
    [
      'a locator with an unknown policy',
      '/streamingLocators/l',
      { properties: { assetName: 'page-000', streamingPolicyName: 'mine' } },
      'NotFound',
      /'mine'/,
    ],
    [
      "the engine's own container",
      '/assets/x',
      { properties: { container: 'headend-system' } },
      'BadRequest',
      /reserved/,
    ],
  ])('%s', async (_name, path, body, code, message) => {
    const answer = await stack.raw('PUT', `${path}?${API}`, JSON.stringify(body));
    expect(answer.body).toEqual({ error: { code, message: expect.stringMatching(message) } });
    expect(answer.status).toBe(code === 'BadRequest' ? 400 : 404);
  });

  it.each([
    ['broken JSON', 'PUT', `/assets/x?${API}`, '{"a":', 400, 'InvalidRequestContent'],
    ['JSON that is no object', 'PUT', `/assets/x?${API}`, '[1]', 400, 'BadRequest'],
    [
      'a body of more than a megabyte',
      'PUT',
      `/assets/x?${API}`,
      `"${'x'.repeat(1_100_000)}"`,
      413,
      'RequestEntityTooLarge',
    ],
    ['no api-version', 'GET', '/assets', undefined, 400, 'MissingApiVersionParameter'],
    [
      'an unknown api-version',
      'GET',
      '/assets?api-version=2018-07-01',
      undefined,
      400,
      'InvalidApiVersionParameter',
    ],
    [
      'a $filter on what has none',
      'GET',
      `/liveEvents?${API}&$filter=name%20eq%20'x'`,
      undefined,
      400,
      'BadRequest',
    ],
    ['a $top of nothing', 'GET', `/assets?${API}&$top=0`, undefined, 400, 'BadRequest'],
    ['a resource type that is missing', 'GET', `/programs?${API}`, undefined, 404, 'InvalidResourceType'],
    [
      'a method that the resource has not',
      'PATCH',
      `/streamingPolicies/x?${API}`,
      '{}',
      405,
      'MethodNotAllowed',
    ],
  ])('%s', async (_name, method, path, body, status, code) => {
    const answer = await stack.raw(method, path, body);
    expect({ status: answer.status, body: answer.body }).toEqual({
      status,
      body: { error: { code, message: expect.any(String) } },
    });
  });

  it.each([
    ['what is in an account that is missing', ['account', 'other'], '/assets', 'ParentResourceNotFound'],
    ['an account that is missing', ['account', 'other'], '', 'ResourceNotFound'],
    ['a resource group that is missing', ['resourceGroup', 'other'], '', 'ResourceGroupNotFound'],
    [
      'a subscription that is missing',
      ['subscription', '11111111-1111-1111-1111-111111111111'],
      '/assets',
      'SubscriptionNotFound',
    ],
    ['what is no subscription', ['subscription', 'mine'], '', 'InvalidSubscriptionId'],
  ])('%s', async (_name, [part, value], rest, code) => {
    const [subscription = '', resourceGroup = '', account = ''] = [
      'subscription',
      'resourceGroup',
      'account',
    ].map((name, at) => (name === part ? value : [SUBSCRIPTION, GROUP, ACCOUNT][at]));
    const group = `/subscriptions/${subscription}/resourceGroups/${resourceGroup}`;
    const path = `${group}/providers/Microsoft.Media/mediaservices/${account}${rest}?${API}`;
    const headers = { authorization: `Bearer ${stack.token}` };
    expect(await callArm(stack.engine, stack.program.caPem, { path, headers })).toMatchObject({
      status: code === 'InvalidSubscriptionId' ? 400 : 404,
      body: { error: { code } },
    });
  });

  it('a caller without a good token', async () => {
    const call = (authorization?: string) =>
      callArm(stack.engine, stack.program.caPem, {
        path: `${ACCOUNT_ID}/assets?${API}`,
        headers: authorization === undefined ? {} : { authorization },
      });
    const issuer = `https://127.0.0.1:${stack.engine.ports['arm']}/00000000-0000-0000-0000-00000000ad15/v2.0`;
    const table = await openHeadendTable(stack.azurite.connectionString, ACCOUNT);
    const jwk = Object((await table.find('k!signingkey'))?.body);
    const key = await importJWK(jwk, 'RS256');
    const signed = (claims: { audience?: string; issuer?: string; lifetime?: string }) =>
      new SignJWT({})
        .setProtectedHeader({ alg: 'RS256', kid: String(Reflect.get(jwk, 'kid')) })
        .setIssuer(claims.issuer ?? issuer)
        .setAudience(claims.audience ?? 'https://management.azure.com')
        .setSubject('00000000-0000-0000-0000-00000000c11e')
        .setIssuedAt()
        .setExpirationTime(claims.lifetime ?? '1h')
        .sign(key);
    expect((await call(`Bearer ${await signed({})}`)).status).toBe(200);
    const [head = '', payload = ''] = stack.token.split('.');
    const refused: readonly (readonly [string, string | undefined, string])[] = [
      ['missing', undefined, 'AuthenticationFailed'],
      ['of another scheme', 'Basic eDp5', 'AuthenticationFailed'],
      ['not a token', 'Bearer x', 'InvalidAuthenticationToken'],
      ['unsigned', `Bearer ${head}.${payload}.`, 'InvalidAuthenticationToken'],
      ['signed by another', `Bearer ${head}.${payload}.${'A'.repeat(342)}`, 'InvalidAuthenticationToken'],
      ['expired', `Bearer ${await signed({ lifetime: '-1h' })}`, 'ExpiredAuthenticationToken'],
      [
        'for another audience',
        `Bearer ${await signed({ audience: 'https://storage.azure.com' })}`,
        'InvalidAuthenticationTokenAudience',
      ],
      [
        'of another issuer',
        `Bearer ${await signed({ issuer: 'https://login.example' })}`,
        'InvalidAuthenticationTokenTenant',
      ],
    ];
    for (const [name, authorization, code] of refused) {
      const answer = await call(authorization);
      expect([name, answer.status, answer.headers['www-authenticate']]).toEqual([
        name,
        401,
        expect.stringContaining('Bearer '),
      ]);
      expect(answer.body).toEqual({ error: { code, message: expect.any(String) } });
    }
  });

  it.each([
    [
      'a wrong header',
      'wrong-wrong-wrong-wrong',
      'api-version=2019-08-01&resource=https://management.azure.com',
      401,
    ],
    ['another resource', undefined, 'api-version=2019-08-01&resource=https://vault.azure.net', 400],
    ['another version', undefined, 'api-version=2017-09-01&resource=https://management.azure.com', 400],
  ])('by the managed identity endpoint: %s', async (_name, header, query, status) => {
    const answer = await fetch(`http://127.0.0.1:${stack.engine.ports['identity']}/msi/token?${query}`, {
      headers: { 'X-IDENTITY-HEADER': header ?? stack.program.identitySecret },
    });
    expect(answer.status).toBe(status);
    expect(await answer.text()).not.toContain('access_token');
  });
});

describe('the token endpoint', () => {
  const askFor = (form: Readonly<Record<string, string>>) =>
    callArm(stack.engine, stack.program.caPem, {
      method: 'POST',
      path: '/adfs/oauth2/v2.0/token',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: '00000000-0000-0000-0000-00000000c11e',
        client_secret: stack.program.identitySecret,
        scope: 'https://management.azure.com/.default',
        ...form,
      }).toString(),
    });

  it('gives the built-in client a token that the API takes', async () => {
    const answer = await askFor({});
    expect(answer).toMatchObject({ status: 200, body: { token_type: 'Bearer' } });
    const authorization = `Bearer ${String(Reflect.get(Object(answer.body), 'access_token'))}`;
    const path = `${ACCOUNT_ID}?api-version=2021-11-01`;
    const headers = { authorization };
    expect((await callArm(stack.engine, stack.program.caPem, { path, headers })).status).toBe(200);
  });

  it.each([
    ['a wrong secret', { client_secret: 'wrong-wrong-wrong-wrong' }, 401, 'invalid_client'],
    ['another client', { client_id: '00000000-0000-0000-0000-000000000000' }, 401, 'invalid_client'],
    ['another scope', { scope: 'https://vault.azure.net/.default' }, 400, 'invalid_scope'],
    ['another grant', { grant_type: 'password' }, 400, 'unsupported_grant_type'],
    ['a form that is too long', { scope: 'x'.repeat(20_000) }, 413, 'invalid_request'],
  ])('refuses %s', async (_name, form, status, error) => {
    expect(await askFor(form)).toMatchObject({ status, body: { error } });
  });
});

/** Runs last: it looks at everything that the calls above have left. */
describe('the log', () => {
  it('holds no key, secret or token', async () => {
    const log = stack.engine.log();
    expect(log).toContain('engine.ready');
    expect(await secretsInLog(stack, log)).toEqual([]);
    expect(stack.receiver.faults).toEqual([]);
  });
});
