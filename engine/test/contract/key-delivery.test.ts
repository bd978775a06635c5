import { createHash, type KeyObject, randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AzureMediaServices, ContentKeyPolicyOption } from '@azure/arm-mediaservices';
import { BlobServiceClient } from '@azure/storage-blob';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ACCOUNT, GROUP } from '../support/arm-client.ts';
import { type ArmStack, startArmStack } from '../support/arm-stack.ts';
import { makeRsaCertificate } from '../support/certificates.ts';
import type { RunningEngine } from '../support/engine-program.ts';
import { type LicenseServer, startLicenseServer } from '../support/license-server.ts';
import {
  AUDIENCE,
  claims,
  ISSUER,
  jwt,
  KEY_ID_CLAIM,
  MAX_USES_CLAIM,
  nowSeconds,
  rsaKeys,
  swt,
  swtPairs,
} from '../support/playback-tokens.ts';
import { startTokenAuthority, type TokenAuthority } from '../support/token-authority.ts';

const AT = [GROUP, ACCOUNT] as const;
const HOUR_MS = 3_600_000;
const UNAUTHORIZED = {
  status: 401,
  body: '{"error":{"code":"Unauthorized","message":"A valid token is required."}}',
  challenge: 'Bearer realm="key delivery"',
};
/** What must be in no log: token keys, content keys, tokens, license servers' secrets. */
const canaries: string[] = [];
const secret = (size = 32): Buffer => {
  const bytes = randomBytes(size);
  canaries.push(bytes.toString('base64'), bytes.toString('base64url'), bytes.toString('hex'));
  return bytes;
};

interface Published {
  readonly locator: string;
  readonly keyId: string;
  readonly value: Buffer;
}

let stack: ArmStack;
let client: AzureMediaServices;
let processes: readonly RunningEngine[];
let authority: TokenAuthority;
let licenses: LicenseServer;
let bases: readonly string[];
let folder: string;
const published: Record<string, Published> = {};

const primary = secret();
const alternate = secret();
const rsa = rsaKeys();
const shortRsa = rsaKeys(1024);
const strangerRsa = rsaKeys();
const LICENSE_SECRET = secret().toString('base64url');
let certificate: { der: Uint8Array; privateKey: KeyObject };
let expired: { der: Uint8Array; privateKey: KeyObject };

const CLEAR_KEY = { odataType: '#Microsoft.Media.ContentKeyPolicyClearKeyConfiguration' } as const;
const OPEN = { odataType: '#Microsoft.Media.ContentKeyPolicyOpenRestriction' } as const;
const symmetric = (keyValue: Uint8Array) =>
  ({ odataType: '#Microsoft.Media.ContentKeyPolicySymmetricTokenKey', keyValue }) as const;
const rsaKey = ({ exponent, modulus }: { exponent: Uint8Array; modulus: Uint8Array }) =>
  ({ odataType: '#Microsoft.Media.ContentKeyPolicyRsaTokenKey', exponent, modulus }) as const;
const x509 = (rawBody: Uint8Array) =>
  ({ odataType: '#Microsoft.Media.ContentKeyPolicyX509CertificateTokenKey', rawBody }) as const;

type Restriction = Partial<
  Extract<
    ContentKeyPolicyOption['restriction'],
    { odataType: '#Microsoft.Media.ContentKeyPolicyTokenRestriction' }
  >
>;
const tokens = (changes: Restriction = {}): ContentKeyPolicyOption['restriction'] => ({
  odataType: '#Microsoft.Media.ContentKeyPolicyTokenRestriction',
  issuer: ISSUER,
  audience: AUDIENCE,
  restrictionTokenType: 'Jwt',
  primaryVerificationKey: symmetric(primary),
  ...changes,
});
const option = (
  restriction: ContentKeyPolicyOption['restriction'],
  configuration: ContentKeyPolicyOption['configuration'] = CLEAR_KEY,
): ContentKeyPolicyOption => ({ configuration, restriction });
const WIDEVINE = {
  odataType: '#Microsoft.Media.ContentKeyPolicyWidevineConfiguration',
  widevineTemplate: '{}',
} as const;
const PLAYREADY: ContentKeyPolicyOption['configuration'] = {
  odataType: '#Microsoft.Media.ContentKeyPolicyPlayReadyConfiguration',
  licenses: [
    {
      allowTestDevices: true,
      licenseType: 'NonPersistent',
      contentKeyLocation: {
        odataType: '#Microsoft.Media.ContentKeyPolicyPlayReadyContentEncryptionKeyFromHeader',
      },
      contentType: 'Unspecified',
      playRight: {
        digitalVideoOnlyContentRestriction: false,
        imageConstraintForAnalogComponentVideoRestriction: false,
        imageConstraintForAnalogComputerMonitorRestriction: false,
        allowPassingVideoContentToUnknownOutput: 'Allowed',
      },
    },
  ],
};

async function publish(
  policy: string,
  more: {
    readonly startTime?: Date;
    readonly endTime?: Date;
    readonly options?: ContentKeyPolicyOption[];
  } = {},
): Promise<Published> {
  const { options, ...times } = more;
  if (options !== undefined) {
    await client.contentKeyPolicies.createOrUpdate(...AT, policy, { options });
  }
  const locator = `locator-${randomUUID()}`;
  await client.streamingLocators.create(...AT, locator, {
    assetName: 'film',
    streamingPolicyName: 'Predefined_ClearKey',
    defaultContentKeyPolicyName: policy,
    ...times,
  });
  const { contentKeys = [] } = await client.streamingLocators.listContentKeys(...AT, locator);
  const [key] = contentKeys;
  const value = Buffer.from(key?.value ?? '', 'base64');
  canaries.push(value.toString('base64'), value.toString('base64url'), value.toString('hex'));
  return { locator, keyId: key?.id ?? '', value };
}

const of = (policy: string): Published => {
  const found = published[policy];
  if (found === undefined) throw new Error(`nothing is published under ${policy}`);
  return found;
};

beforeAll(async () => {
  const now = Date.now();
  [authority, licenses, certificate, expired] = await Promise.all([
    startTokenAuthority(),
    startLicenseServer(),
    makeRsaCertificate(now - HOUR_MS, now + HOUR_MS),
    makeRsaCertificate(now - 2 * HOUR_MS, now - HOUR_MS),
  ]);
  stack = await startArmStack();
  ({ client } = stack);
  folder = await mkdtemp(join(tmpdir(), 'headend-licenses-'));
  const file = join(folder, 'license-servers.json');
  const server = (system: string, path: string) => ({
    ...{ system, url: `${licenses.base}${path}`, headers: { 'x-api-key': LICENSE_SECRET } },
  });
  const servers = { licenseServers: [server('PlayReady', '/playready'), server('Widevine', '/widevine')] };
  await writeFile(file, JSON.stringify(servers));
  const env = {
    HEADEND_STORAGE: stack.azurite.connectionString,
    HEADEND_KEYS_ISSUER_COOLDOWN_SECONDS: '1',
    HEADEND_TRUSTED_PROXIES: '127.0.0.1',
    HEADEND_LICENSE_SERVERS: file,
  };
  [processes] = await Promise.all([
    Promise.all([stack.program.start('keys', env), stack.program.start('keys', env)]),
    client.assets.createOrUpdate(...AT, 'film', {}),
  ]);
  bases = processes.map(({ ports }) => `http://127.0.0.1:${ports['keys']}/${ACCOUNT}`);
  const alternateVerificationKeys = [
    symmetric(alternate),
    rsaKey(rsa),
    rsaKey(shortRsa),
    x509(certificate.der),
    x509(expired.der),
  ];
  const requiredClaims = [
    { claimType: KEY_ID_CLAIM },
    { claimType: 'role', claimValue: 'viewer' },
    { claimType: 'sub' },
  ];
  const policies: Record<string, ContentKeyPolicyOption[]> = {
    open: [option(OPEN)],
    claims: [option(tokens({ alternateVerificationKeys, requiredClaims }))],
    plain: [option(tokens({ alternateVerificationKeys }))],
    swt: [option(tokens({ restrictionTokenType: 'Swt', requiredClaims: [{ claimType: KEY_ID_CLAIM }] }))],
    discovery: [
      option(
        tokens({
          issuer: authority.issuer,
          audience: AUDIENCE,
          openIdConnectDiscoveryDocument: authority.discoveryUrl,
        }),
      ),
    ],
    drm: [option(tokens(), PLAYREADY), option(tokens(), WIDEVINE)],
    several: [
      option(OPEN, WIDEVINE),
      option(tokens({ issuer: 'https://elsewhere.example.net/' })),
      option(tokens()),
    ],
  };
  for (const [name, options] of Object.entries(policies)) published[name] = await publish(name, { options });
  published['later'] = await publish('open', { startTime: new Date(now + HOUR_MS) });
  published['over'] = await publish('open', {
    startTime: new Date(now - HOUR_MS),
    endTime: new Date(now - HOUR_MS / 2),
  });
}, 120_000);

afterAll(async () => {
  await stack?.close();
  await authority?.close();
  await licenses?.close();
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
}, 60_000);

interface Call {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly process?: number;
}

async function call(path: string, { method = 'GET', headers = {}, body, process = 0 }: Call = {}) {
  const response = await fetch(`${bases[process]}${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body }),
  });
  return { response, status: response.status, bytes: Buffer.from(await response.arrayBuffer()) };
}

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
const keyOf = (policy: string, more: Call = {}) => call(`/?kid=${of(policy).keyId}`, more);
const full = (changes: Readonly<Record<string, unknown>> = {}) =>
  claims({ [KEY_ID_CLAIM]: of('claims').keyId, role: 'viewer', sub: 'somebody', ...changes });
const remembered = (token: string): string => {
  canaries.push(token);
  return token;
};

describe('AES keys', () => {
  it.each<[string, () => [string, Call]]>([
    ['by GET', () => ['', {}]],
    ['by POST without a body', () => ['', { method: 'POST' }]],
    ['by POST as XML', () => ['', { method: 'POST', headers: { 'content-type': 'text/xml' }, body: '' }]],
    ['with parameters of the player', () => ['&playback=1&_=2', {}]],
  ])('are delivered %s', async (_name, make) => {
    const [query, request] = make();
    const { response, status, bytes } = await call(`/?kid=${of('open').keyId}${query}`, request);
    expect([status, bytes]).toEqual([200, of('open').value]);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-length': '16',
      'cache-control': 'no-store',
      'access-control-allow-origin': '*',
    });
    expect(response.headers.get('access-control-allow-credentials')).toBeNull();
  });

  it.each<[string, (token: string) => [string, Call]]>([
    ['Bearer, a space', (token) => ['', bearer(token)]],
    ['Bearer=', (token) => ['', { headers: { authorization: `Bearer=${token}` } }]],
    [
      'bearer in lower case, by POST',
      (token) => ['', { method: 'POST', headers: { authorization: `bearer ${token}` } }],
    ],
    ['a parameter', (token) => [`&token=${encodeURIComponent(token)}`, {}]],
    ['a parameter with Bearer%3D', (token) => [`&token=Bearer%3D${token}`, {}]],
    ['a parameter with Bearer and a space', (token) => [`&token=Bearer%20${token}`, {}]],
    ['a parameter with Bearer and a plus', (token) => [`&token=Bearer+${token}`, {}]],
    ['a parameter with Bearer, encoded twice', (token) => [`&token=Bearer%253D${token}`, {}]],
  ])('take a token as %s', async (_name, make) => {
    const [query, request] = make(remembered(jwt(full(), primary)));
    const { status, bytes } = await call(`/?kid=${of('claims').keyId.toUpperCase()}${query}`, request);
    expect([status, bytes]).toEqual([200, of('claims').value]);
  });

  it.each<[string, () => string]>([
    ['the primary key', () => jwt(full(), primary)],
    ['an alternate symmetric key', () => jwt(full(), alternate)],
    ['an RSA key', () => jwt(full(), rsa.privateKey)],
    ['the key of a certificate', () => jwt(full(), certificate.privateKey)],
    ['several audiences', () => jwt(full({ aud: ['x', AUDIENCE] }), primary)],
    ['several roles', () => jwt(full({ role: ['admin', 'viewer'] }), primary)],
    ['several keys', () => jwt(full({ [KEY_ID_CLAIM]: [randomUUID(), of('claims').keyId] }), primary)],
    ['a clock that is a minute ahead', () => jwt(full({ nbf: nowSeconds() + 60 }), primary)],
    ['an end of a minute ago', () => jwt(full({ exp: nowSeconds() - 60 }), primary)],
    ['a key name that says nothing', () => jwt(full(), primary, { alg: 'HS256', kid: 'unknown' })],
  ])('are delivered for a token with %s, the second time as well', async (_name, make) => {
    const request = bearer(remembered(make()));
    const first = await keyOf('claims', request);
    const second = await keyOf('claims', request);
    expect([first.status, second.bytes]).toEqual([200, of('claims').value]);
  });

  it('are delivered for simple web tokens, and by the first option that fits', async () => {
    const token = remembered(swt(swtPairs({ [KEY_ID_CLAIM]: of('swt').keyId }), primary));
    const asIs = await keyOf('swt', { headers: { authorization: `Bearer=${token}` } });
    const encoded = await keyOf('swt', {
      headers: { authorization: `Bearer=${encodeURIComponent(token)}` },
    });
    const inQuery = await call(`/?kid=${of('swt').keyId}&token=${encodeURIComponent(`Bearer=${token}`)}`);
    expect([asIs, encoded, inQuery].map(({ bytes }) => bytes)).toEqual(Array(3).fill(of('swt').value));
    const several = await keyOf('several', bearer(jwt(claims(), primary)));
    expect([several.status, several.bytes]).toEqual([200, of('several').value]);
  });

  it('are there for any page, which is told so beforehand', async () => {
    const { response, status } = await call('/?kid=x', {
      method: 'OPTIONS',
      headers: {
        origin: 'https://page.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type',
      },
    });
    expect(status).toBe(204);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'access-control-allow-origin': 'https://page.example',
      'access-control-allow-credentials': 'true',
      'access-control-allow-headers': 'authorization,content-type',
      'access-control-allow-methods': 'GET, POST, OPTIONS',
    });
  });
});

/** Each makes the token, and says nothing of why it is bad. */
const BAD_TOKENS: readonly (readonly [string, () => string])[] = [
  ['expired', () => jwt(full({ exp: nowSeconds() - 301 }), primary)],
  ['expired long ago', () => jwt(full({ exp: 1 }), primary)],
  ['without an end', () => jwt(full({ exp: undefined }), primary)],
  ['with an end as text', () => jwt(full({ exp: String(nowSeconds() + 60) }), primary)],
  ['with a negative end', () => jwt(full({ exp: -1 }), primary)],
  ['with an end in milliseconds of the far future', () => jwt(full({ exp: 9e15 }), primary)],
  ['not good yet', () => jwt(full({ nbf: nowSeconds() + 400 }), primary)],
  ['with a beginning as text', () => jwt(full({ nbf: 'now' }), primary)],
  ['of another issuer', () => jwt(full({ iss: 'https://evil.example/' }), primary)],
  ['of an issuer without its slash', () => jwt(full({ iss: ISSUER.slice(0, -1) }), primary)],
  ['without an issuer', () => jwt(full({ iss: undefined }), primary)],
  ['for another audience', () => jwt(full({ aud: 'urn:others' }), primary)],
  ['for no audience', () => jwt(full({ aud: [] }), primary)],
  ['for an audience in other letters', () => jwt(full({ aud: AUDIENCE.toUpperCase() }), primary)],
  ['without an audience', () => jwt(full({ aud: undefined }), primary)],
  ['for an audience in an object', () => jwt(full({ aud: { [AUDIENCE]: true } }), primary)],
  ['without a required claim', () => jwt(full({ sub: undefined }), primary)],
  ['with null for a required claim', () => jwt(full({ sub: null }), primary)],
  ['with an object for a required claim', () => jwt(full({ sub: { name: 'x' } }), primary)],
  ['with another value of a claim', () => jwt(full({ role: 'admin' }), primary)],
  ['with a claim in other letters', () => jwt(full({ role: 'Viewer' }), primary)],
  ['for another title', () => jwt(full({ [KEY_ID_CLAIM]: of('plain').keyId }), primary)],
  ['for no title', () => jwt(full({ [KEY_ID_CLAIM]: undefined }), primary)],
  ['for a wildcard of titles', () => jwt(full({ [KEY_ID_CLAIM]: '*' }), primary)],
  ['signed with a stranger’s secret', () => jwt(full(), randomBytes(32))],
  ['signed with an empty secret', () => jwt(full(), new Uint8Array())],
  ['signed with a stranger’s RSA key', () => jwt(full(), strangerRsa.privateKey)],
  ['signed with an RSA key that is too short', () => jwt(full(), shortRsa.privateKey)],
  ['signed with the key of an expired certificate', () => jwt(full(), expired.privateKey)],
  ['unsigned', () => `${jwt(full(), primary, { alg: 'none' }).split('.').slice(0, 2).join('.')}.`],
  ['unsigned, with a signature', () => jwt(full(), primary, { alg: 'none' })],
  ['of algorithm None', () => jwt(full(), primary, { alg: 'None' })],
  ['of algorithm HS384', () => jwt(full(), primary, { alg: 'HS384' })],
  ['of algorithm HS512', () => jwt(full(), primary, { alg: 'HS512' })],
  ['of algorithm RS512', () => jwt(full(), rsa.privateKey, { alg: 'RS512' })],
  ['of algorithm PS256', () => jwt(full(), rsa.privateKey, { alg: 'PS256' })],
  ['of algorithm ES256', () => jwt(full(), primary, { alg: 'ES256' })],
  ['of algorithm hs256 in lower case', () => jwt(full(), primary, { alg: 'hs256' })],
  ['without an algorithm', () => jwt(full(), primary, { typ: 'JWT' })],
  [
    'signed with the public RSA key as a secret',
    () => jwt(full(), Buffer.from(rsa.publicPem), { alg: 'HS256' }),
  ],
  ['signed with the modulus as a secret', () => jwt(full(), rsa.modulus, { alg: 'HS256' })],
  ['signed with the certificate as a secret', () => jwt(full(), certificate.der, { alg: 'HS256' })],
  ['signed by HMAC and said to be RS256', () => jwt(full(), primary, { alg: 'RS256' })],
  ['with a critical extension', () => jwt(full(), primary, { alg: 'HS256', crit: ['exp'] })],
  [
    'with a key of its own in the header',
    () => jwt(full(), strangerRsa.privateKey, { alg: 'RS256', jwk: { kty: 'RSA' } }),
  ],
  [
    'with an address of keys in the header',
    () => jwt(full(), strangerRsa.privateKey, { alg: 'RS256', jku: authority.jwksUrl }),
  ],
  [
    'with another payload than was signed',
    () => {
      const [header, , signature] = jwt(full(), primary).split('.');
      return [
        header,
        Buffer.from(JSON.stringify(full({ role: 'viewer', sub: 'else' }))).toString('base64url'),
        signature,
      ].join('.');
    },
  ],
  ['with a signature cut short', () => jwt(full(), primary).slice(0, -4)],
  ['with a signature and more', () => `${jwt(full(), primary)}AAAA`],
  ['of two parts', () => jwt(full(), primary).split('.').slice(0, 2).join('.')],
  ['of four parts', () => `${jwt(full(), primary)}.AAAA`],
  ['encrypted in form', () => 'eyJhbGciOiJkaXIifQ..AAAA.AAAA.AAAA'],
  ['with a payload that is a list', () => jwt('[]', primary)],
  ['with a payload that is no JSON', () => jwt('{"iss"', primary)],
  ['with a payload that is text', () => jwt('"x"', primary)],
  ['that is a word', () => 'opensesame'],
  ['that is very long', () => jwt(full({ more: 'x'.repeat(10_000) }), primary)],
  [
    'that is a simple web token',
    () => swt(swtPairs({ [KEY_ID_CLAIM]: of('claims').keyId, role: 'viewer', sub: 'x' }), primary),
  ],
  ['with uses that are no number', () => jwt(full({ [MAX_USES_CLAIM]: 'many' }), primary)],
  ['with no uses', () => jwt(full({ [MAX_USES_CLAIM]: 0 }), primary)],
  ['with a part of a use', () => jwt(full({ [MAX_USES_CLAIM]: 1.5 }), primary)],
  ['with two limits of uses', () => jwt(full({ [MAX_USES_CLAIM]: [1, 100] }), primary)],
  [
    'with few uses for a long time',
    () => jwt(full({ [MAX_USES_CLAIM]: 2, exp: nowSeconds() + 2 * 3600 }), primary),
  ],
];

const swtKey = () => ({ [KEY_ID_CLAIM]: of('swt').keyId });
const BAD_SIMPLE_TOKENS: readonly (readonly [string, () => string])[] = [
  ['expired', () => swt(swtPairs({ ...swtKey(), ExpiresOn: '1451025918' }), primary)],
  ['of another issuer', () => swt(swtPairs({ ...swtKey(), Issuer: 'x' }), primary)],
  ['for another audience', () => swt(swtPairs({ ...swtKey(), Audience: 'x' }), primary)],
  ['for another title', () => swt(swtPairs({ [KEY_ID_CLAIM]: of('plain').keyId }), primary)],
  ['with a stranger’s secret', () => swt(swtPairs(swtKey()), randomBytes(32))],
  ['with something after its signature', () => `${swt(swtPairs(swtKey()), primary)}&role=admin`],
  ['with a pair before what was signed', () => `role=admin&${swt(swtPairs(swtKey()), primary)}`],
  ['with a claim twice', () => `Issuer=x&${swt(swtPairs(swtKey()), primary)}`],
  ['without a signature', () => new URLSearchParams(swtPairs(swtKey())).toString()],
  ['with an end that is no number', () => swt(swtPairs({ ...swtKey(), ExpiresOn: 'never' }), primary)],
  ['that is a JSON web token', () => jwt(claims(swtKey()), primary)],
];

describe('what gets no key', () => {
  const outcome = ({ response, status, bytes }: Awaited<ReturnType<typeof call>>) => ({
    status,
    body: bytes.toString(),
    challenge: response.headers.get('www-authenticate'),
  });

  it('is every bad token, and all get the same answer', async () => {
    expect(BAD_TOKENS.length + BAD_SIMPLE_TOKENS.length).toBeGreaterThan(60);
    const bad = [
      ...BAD_TOKENS.map(([name, make]) => ['claims', name, make] as const),
      ...BAD_SIMPLE_TOKENS.map(([name, make]) => ['swt', name, make] as const),
    ];
    const headersOf = ({ response }: Awaited<ReturnType<typeof call>>) =>
      [...response.headers.keys()].filter((name) => name !== 'date').join();
    const seen = new Set<string>();
    const answers: Record<string, unknown> = {};
    for (const [policy, name, make] of bad) {
      const token = remembered(make());
      const byHeader = await keyOf(policy, { headers: { authorization: `Bearer ${token}` } });
      const byQuery = await call(`/?kid=${of(policy).keyId}&token=${encodeURIComponent(token)}`);
      answers[`${policy}: ${name}`] = [outcome(byHeader), outcome(byQuery)];
      seen.add(headersOf(byHeader)).add(headersOf(byQuery));
    }
    const none = await keyOf('claims');
    answers['no token'] = [outcome(none), outcome(none)];
    seen.add(headersOf(none));
    expect(answers).toEqual(
      Object.fromEntries(Object.keys(answers).map((name) => [name, [UNAUTHORIZED, UNAUTHORIZED]])),
    );
    expect(seen.size).toBe(1);
  });

  it.each<[string, number, string, () => [string, Call?]]>([
    ['no kid', 400, 'MalformedRequest', () => ['/']],
    ['an empty kid', 400, 'MalformedRequest', () => ['/?kid=']],
    ['a kid that is no GUID', 400, 'MalformedRequest', () => ['/?kid=abc']],
    ['a kid with more behind it', 400, 'MalformedRequest', () => [`/?kid=${of('open').keyId}0`]],
    ['two kids', 400, 'MalformedRequest', () => [`/?kid=${of('open').keyId}&kid=${of('claims').keyId}`]],
    ['a kid that is not UTF-8', 400, 'MalformedRequest', () => ['/?kid=%ff']],
    ['two tokens', 400, 'MalformedRequest', () => [`/?kid=${of('open').keyId}&token=a&token=b`]],
    ['a body', 400, 'MalformedRequest', () => [`/?kid=${of('open').keyId}`, { method: 'POST', body: '{}' }]],
    [
      'a huge body',
      413,
      'RequestTooLarge',
      () => [`/?kid=${of('open').keyId}`, { method: 'POST', body: 'x'.repeat(200_000) }],
    ],
    ['another method', 405, 'MethodNotAllowed', () => [`/?kid=${of('open').keyId}`, { method: 'PUT' }]],
    ['DELETE', 405, 'MethodNotAllowed', () => [`/?kid=${of('open').keyId}`, { method: 'DELETE' }]],
    ['a key that there is not', 404, 'ContentKeyNotFound', () => [`/?kid=${randomUUID()}`]],
    ['another address', 404, 'ResourceNotFound', () => [`/keys/more/?kid=${of('open').keyId}`]],
    ['a locator that is to come', 403, 'KeyDeliveryDenied', () => [`/?kid=${of('later').keyId}`]],
    ['a locator that is over', 403, 'KeyDeliveryDenied', () => [`/?kid=${of('over').keyId}`]],
    [
      'a policy that is for licenses only',
      403,
      'KeyDeliveryDenied',
      () => [`/?kid=${of('drm').keyId}`, bearer(jwt(claims(), primary))],
    ],
    [
      'a license of a system without an option',
      403,
      'KeyDeliveryDenied',
      () => [
        `/FairPlay/?kid=${of('drm').keyId}`,
        { method: 'POST', body: 'spc=AA', ...bearer(jwt(claims(), primary)) },
      ],
    ],
    ['a Clear Key request by GET', 405, 'MethodNotAllowed', () => ['/ClearKey/']],
    [
      'a Clear Key request that is no JSON',
      400,
      'MalformedRequest',
      () => ['/ClearKey/', { method: 'POST', body: '{' }],
    ],
    [
      'a Clear Key request without kids',
      400,
      'MalformedRequest',
      () => ['/ClearKey/', { method: 'POST', body: '{"kids":[]}' }],
    ],
    [
      'a Clear Key request with a kid of 15 bytes',
      400,
      'MalformedRequest',
      () => ['/ClearKey/', { method: 'POST', body: JSON.stringify({ kids: ['A'.repeat(20)] }) }],
    ],
    [
      'a Clear Key request with 33 kids',
      400,
      'MalformedRequest',
      () => ['/ClearKey/', { method: 'POST', body: JSON.stringify({ kids: Array(33).fill(kidOf('open')) }) }],
    ],
    [
      'a persistent license',
      400,
      'LicenseTypeNotSupported',
      () => [
        '/ClearKey/',
        { method: 'POST', body: JSON.stringify({ kids: [kidOf('open')], type: 'persistent-license' }) },
      ],
    ],
    [
      'a Widevine request without kid',
      400,
      'MalformedRequest',
      () => ['/Widevine/', { method: 'POST', body: 'x' }],
    ],
    [
      'a PlayReady challenge that is no XML',
      400,
      'MalformedRequest',
      () => ['/PlayReady/', { method: 'POST', body: '<<' }],
    ],
    [
      'a PlayReady challenge without keys',
      400,
      'MalformedRequest',
      () => ['/PlayReady/', { method: 'POST', body: '<a/>' }],
    ],
    [
      'a PlayReady challenge with a bomb',
      400,
      'MalformedRequest',
      () => ['/PlayReady/', { method: 'POST', body: '<a>'.repeat(2_000) }],
    ],
  ])('is %s: %d %s', async (_name, status, code, make) => {
    const answer = await call(...make());
    const body: unknown = JSON.parse(answer.bytes.toString() || '{}');
    expect([answer.status, Reflect.get(Object(body), 'error')]).toEqual([
      status,
      { code, message: expect.any(String) },
    ]);
    expect(answer.response.headers.get('cache-control')).toBe('no-store');
  });
});

const kidOf = (policy: string): string =>
  Buffer.from(of(policy).keyId.replaceAll('-', ''), 'hex').toString('base64url');

describe('Clear Key licenses', () => {
  const ask = (kids: readonly string[], more: Call = {}) =>
    call('/ClearKey/', { method: 'POST', body: JSON.stringify({ kids, type: 'temporary' }), ...more });
  const license = (...policies: readonly string[]) => ({
    keys: policies.map((policy) => ({
      ...{ kty: 'oct', k: of(policy).value.toString('base64url'), kid: kidOf(policy) },
    })),
    type: 'temporary',
  });

  it('have the keys that the token is good for, each by its own policy', async () => {
    const kids = ['open', 'claims', 'plain'].map(kidOf);
    const without = await ask(kids);
    const withToken = await ask(kids, bearer(jwt(full(), primary)));
    const inQuery = await call(`/clearkey/?kid=${of('open').keyId}&token=${jwt(full(), primary)}`, {
      method: 'POST',
      body: JSON.stringify({ kids }),
    });
    expect(withToken.response.headers.get('content-type')).toBe('application/json');
    expect([without, withToken, inQuery].map(({ bytes }) => JSON.parse(bytes.toString()))).toEqual([
      license('open'),
      license('open', 'claims', 'plain'),
      license('open', 'claims', 'plain'),
    ]);
    const refused = await ask([kidOf('claims'), kidOf('plain')]);
    expect([refused.status, refused.bytes.toString()]).toEqual([401, UNAUTHORIZED.body]);
  });

  it('count as one use, however many keys they have', async () => {
    const token = jwt(full({ [MAX_USES_CLAIM]: 2 }), primary);
    const kids = [kidOf('claims'), kidOf('plain')];
    const answers = [];
    for (let n = 0; n < 3; n += 1) answers.push((await ask(kids, bearer(token))).status);
    expect(answers).toEqual([200, 200, 401]);
  });
});

describe('use-limited tokens', () => {
  it('are counted over processes, exactly', async () => {
    const token = remembered(jwt(claims({ [MAX_USES_CLAIM]: '5' }), primary));
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, n) => keyOf('plain', { ...bearer(token), process: n % 2 })),
    );
    const statuses = answers.map(({ status }) => status);
    // One that was in the way of others too often may be told to come again.
    expect(statuses.filter((status) => status === 200)).toHaveLength(5);
    expect(statuses.every((status) => [200, 401, 503].includes(status))).toBe(true);
    expect((await keyOf('plain', { ...bearer(token), process: 1 })).status).toBe(401);
  });

  it('are used once when that is their limit, under another spelling as well', async () => {
    const token = jwt(claims({ [MAX_USES_CLAIM]: 1 }), primary);
    const first = await keyOf('plain', bearer(token));
    const again = await call(`/?kid=${of('plain').keyId}&token=Bearer%3D${token}`, { process: 1 });
    expect([first.status, again.status]).toEqual([200, 401]);
  });
});

describe('the license proxy', () => {
  const guidBytes = (guid: string): Buffer => {
    const bytes = Buffer.from(guid.replaceAll('-', ''), 'hex');
    bytes.subarray(0, 4).reverse();
    bytes.subarray(4, 6).reverse();
    bytes.subarray(6, 8).reverse();
    return bytes;
  };
  const challenge = (guids: readonly string[], token?: string): string => {
    const kids = guids.map((guid) => `<KID ALGID="AESCTR" VALUE="${guidBytes(guid).toString('base64')}"/>`);
    const data = `<CustomData xmlns="http://schemas.microsoft.com/Azure/MediaServices/KeyDelivery/PlayReadyCustomData/v1"><Token>${token}</Token></CustomData>`;
    const customData =
      token === undefined
        ? ''
        : `<CustomData>${data.replaceAll('<', '&lt;').replaceAll('>', '&gt;')}</CustomData>`;
    return `<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body><AcquireLicense xmlns="http://schemas.microsoft.com/DRM/2007/03/protocols"><challenge><Challenge xmlns="http://schemas.microsoft.com/DRM/2007/03/protocols/messages"><LA xmlns="http://schemas.microsoft.com/DRM/2007/03/protocols" Id="SignedData"><Version>1</Version><ContentHeader><WRMHEADER xmlns="http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader" version="4.2.0.0"><DATA><PROTECTINFO><KIDS>${kids.join('')}</KIDS></PROTECTINFO></DATA></WRMHEADER></ContentHeader>${customData}</LA></Challenge></challenge></AcquireLicense></soap:Body></soap:Envelope>`;
  };
  const post = (path: string, body: string, headers: Readonly<Record<string, string>> = {}) =>
    call(path, { method: 'POST', body, headers });

  it('checks the token, then asks the license server with its own secret and answers what that says', async () => {
    const token = remembered(jwt(claims(), primary));
    const body = challenge([of('drm').keyId], token);
    const playReady = await post('/PlayReady/', body, { 'content-type': 'text/xml', cookie: 'mine' });
    const widevine = await post(`/Widevine/?kid=${of('drm').keyId}`, 'challenge', {
      authorization: `Bearer=${token}`,
    });
    expect([playReady.status, playReady.bytes.toString(), widevine.status]).toEqual([200, 'a license', 200]);
    const [first, second] = licenses.asked;
    expect(first).toMatchObject({
      url: '/playready',
      body,
      headers: {
        'content-type': 'text/xml',
        'x-api-key': LICENSE_SECRET,
        'x-headend-account': ACCOUNT,
        'x-headend-key-ids': of('drm').keyId,
      },
    });
    expect([first?.headers['cookie'], first?.headers['authorization']]).toEqual([undefined, undefined]);
    expect([second?.url, second?.body]).toEqual(['/widevine', 'challenge']);
  });

  it('asks nobody without a good token for every key', async () => {
    const before = licenses.asked.length;
    const good = jwt(claims(), primary);
    const answers = [
      await post('/PlayReady/', challenge([of('drm').keyId])),
      await post('/PlayReady/', challenge([of('drm').keyId], 'x.y.z')),
      await post('/PlayReady/', challenge([of('drm').keyId, of('claims').keyId], good)),
      await post('/PlayReady/', challenge([randomUUID()], good)),
      await post(`/Widevine/?kid=${of('drm').keyId}`, 'challenge'),
      await post(`/Widevine/?kid=${of('claims').keyId}`, 'challenge', { authorization: `Bearer ${good}` }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 403, 404, 401, 403]);
    expect(licenses.asked).toHaveLength(before);
  });

  it('answers what goes wrong behind it with codes of its own', async () => {
    const authorization = `Bearer ${jwt(claims(), primary)}`;
    const ask = async (mode: LicenseServer['mode']) => {
      licenses.mode = mode;
      const { status, bytes } = await post(`/Widevine/?kid=${of('drm').keyId}`, 'challenge', {
        authorization,
      });
      return [status, bytes.toString().slice(0, 60)];
    };
    expect([await ask('fault'), await ask('redirect'), await ask('huge'), await ask('reset')]).toEqual([
      [500, 'a fault'],
      [502, expect.stringContaining('LicenseServerFailed')],
      [502, expect.stringContaining('LicenseServerFailed')],
      [502, expect.stringContaining('LicenseServerFailed')],
    ]);
    licenses.mode = 'license';
  });
});

describe('issuers with a discovery document', () => {
  it('may change their keys, be away, and are not asked for every key that somebody makes up', async () => {
    const get = async (token: string) => (await keyOf('discovery', bearer(token))).status;
    const wish = { claims: { aud: AUDIENCE } };
    expect(await get(await authority.token(wish))).toBe(200);
    const fresh = await authority.makeKey('second');
    const stranger = await authority.makeKey('third');
    authority.publish([authority.key, fresh]);
    await pause(1_100);
    const asked = authority.asked();
    const beganAtMs = Date.now();
    expect(await get(await authority.token({ ...wish, key: fresh }))).toBe(200);
    const made = await Promise.all(
      Array.from({ length: 10 }, () => authority.token({ ...wish, key: stranger })),
    );
    expect(await Promise.all(made.map(get))).toEqual(Array(10).fill(401));
    const coolDowns = Math.floor((Date.now() - beganAtMs) / 1_000);
    expect(authority.asked() - asked).toBeGreaterThan(0);
    expect(authority.asked() - asked).toBeLessThanOrEqual(1 + coolDowns);
    authority.fail(true);
    await pause(1_100);
    expect(await get(await authority.token({ ...wish, key: stranger }))).toBe(503);
    expect(await get(await authority.token({ ...wish, key: fresh }))).toBe(200);
    expect(await get(jwt(claims({ iss: authority.issuer }), primary))).toBe(200);
    authority.fail(false);
  });
});

describe('changes', () => {
  const until = async (what: () => Promise<boolean>): Promise<number> => {
    const begun = Date.now();
    while (!(await what())) {
      if (Date.now() - begun > 15_000) throw new Error('not within 15 s');
      await pause(100);
    }
    return Date.now() - begun;
  };

  it('of a policy are in force within 15 s', async () => {
    const next = secret();
    published['changing'] = await publish('changing', { options: [option(tokens())] });
    const before = jwt(claims(), primary);
    const after = jwt(claims(), next);
    expect((await keyOf('changing', bearer(before))).status).toBe(200);
    await client.contentKeyPolicies.update(...AT, 'changing', {
      options: [option(tokens({ primaryVerificationKey: symmetric(next) }))],
    });
    await until(async () => (await keyOf('changing', bearer(before))).status === 401);
    expect((await keyOf('changing', bearer(after))).bytes).toEqual(of('changing').value);
  });

  it('of what is published stop its keys within seconds', async () => {
    const { locator, keyId } = await publish('open');
    expect((await call(`/?kid=${keyId}`)).status).toBe(200);
    await client.streamingLocators.delete(...AT, locator);
    await until(async () => (await call(`/?kid=${keyId}`)).status === 404);
  });

  it('of who may ask are in force within 15 s', async () => {
    const ask = async (from: string) =>
      (await keyOf('open', { headers: { 'x-forwarded-for': from } })).status;
    const set = (accessControl: object) =>
      client.mediaservices.beginUpdateAndWait(...AT, { keyDelivery: { accessControl } });
    await set({ defaultAction: 'Deny', ipAllowList: ['203.0.113.7', '198.51.100.0/24', '2001:db8::/32'] });
    await until(async () => (await ask('192.0.2.1')) === 403);
    const denied = await keyOf('open');
    expect([denied.status, denied.bytes.toString()]).toEqual([
      403,
      expect.stringContaining('ClientAddressDenied'),
    ]);
    const from = ['203.0.113.7', '198.51.100.9', '2001:db8::1', '203.0.113.8', '203.0.113.7, 192.0.2.1', 'x'];
    expect(await Promise.all(from.map(ask))).toEqual([200, 200, 200, 403, 403, 403]);
    await set({ defaultAction: 'Allow', ipAllowList: [] });
    await until(async () => (await ask('192.0.2.1')) === 200);
  });
});

describe('what is left behind', () => {
  it('is an audit record of each delivery, without token or key', async () => {
    const token = remembered(jwt(claims({ jti: randomUUID() }), primary));
    const headers = { authorization: `Bearer ${token}`, 'x-forwarded-for': '203.0.113.99' };
    await keyOf('plain', { headers });
    await keyOf('plain', { headers: { 'x-forwarded-for': '203.0.113.99' } });
    await pause(1_000);
    const container = BlobServiceClient.fromConnectionString(
      stack.azurite.connectionString,
    ).getContainerClient('headend-system');
    const day = new Date().toISOString().slice(0, 10).replaceAll('-', '/');
    let text = '';
    let blobs = 0;
    for await (const { name } of container.listBlobsFlat({ prefix: `key-audit/${ACCOUNT}/${day}/` })) {
      blobs += 1;
      text += (await container.getBlobClient(name).downloadToBuffer()).toString();
    }
    expect(blobs).toBe(2);
    const mine = text
      .split('\n')
      .filter((line) => line.includes('203.0.113.99'))
      .map((line): unknown => JSON.parse(line));
    const common = { at: expect.any(String), account: ACCOUNT, kid: of('plain').keyId, kind: 'aes' };
    expect(mine).toEqual([
      {
        ...{ ...common, client: '203.0.113.99', outcome: 'delivered', status: 200, policy: 'plain' },
        option: expect.stringMatching(/^[0-9a-f-]{36}$/),
        token: createHash('sha256').update(token).digest('hex').slice(0, 32),
      },
      { ...common, client: '203.0.113.99', outcome: 'refused', status: 401, reason: 'noToken' },
    ]);
    expect(canaries.filter((canary) => text.includes(canary))).toEqual([]);
  });

  it('is no key, token or secret in any log', () => {
    const log = [stack.engine, ...processes].map((engine) => engine.log()).join('\n');
    expect(log).toContain('"event":"keys.refused"');
    expect(log).toContain('"reason":"expired"');
    expect(canaries.length).toBeGreaterThan(100);
    expect(canaries.filter((canary) => canary.length > 8 && log.includes(canary))).toEqual([]);
  });
});

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
