import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SignJWT } from 'jose';
import { FRAMES_PER_SECOND, makeCountedVideo } from '../support/counted-video.ts';
import { MediaApi } from '../support/media-api.ts';
import { untilSegments } from '../support/playlist.ts';
import { type PlayRequest, ProtectedPlayerBrowser } from '../support/protected-player-page.ts';
import {
  finishShow,
  prepareShow,
  type Show,
  type ShowEncoder,
  startReconnectingEncoder,
} from '../support/show.ts';
import { type Stack, startStack } from '../support/stack.ts';

const WATCH_SECONDS = Number(process.env['HEADEND_WATCH_SECONDS'] ?? 5);
/** So many players at once: a software decoder each. */
const PLAYERS_AT_ONCE = 5;
const LOOP_SECONDS = 60;
const LOOP_FRAMES = LOOP_SECONDS * FRAMES_PER_SECOND;
const ISSUER = 'https://issuer.test';
const AUDIENCE = 'viewers';
const KEY_ID_CLAIM = 'urn:microsoft:azure:mediaservices:contentkeyidentifier';
const SIGNING_KEY = randomBytes(32);
const PROTOCOLS = { download: false, dash: true, hls: true, smoothStreaming: true };
const CLEAR_KEY = { clearKeyEncryptionConfiguration: {} };

let folder: string;
let stack: Stack;
let media: MediaApi;
let browser: ProtectedPlayerBrowser;
let encoder: ShowEncoder;
let show: Show;
let manifest: string;
const tokens: string[] = [];
const locators: Record<string, { readonly id: string; readonly keyId: string | undefined }> = {};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headend-formats-'));
  const file = join(folder, 'show.flv');
  await makeCountedVideo({
    file,
    width: 320,
    height: 180,
    bitrateKbps: 300,
    gopSeconds: 2,
    seconds: LOOP_SECONDS,
  });
  stack = await startStack();
  [media, browser] = await Promise.all([MediaApi.open(stack), ProtectedPlayerBrowser.open()]);
  show = await prepareShow(stack, 'formats');
  encoder = startReconnectingEncoder(show.ingestUrl, file);
  await untilSegments(show.hls, 1);
  manifest = /\/([^/]+)\.ism/.exec(show.hls)?.[1] ?? '';
  await publishInEveryWay();
  await untilSegments(show.hls, 5);
}, 120_000);

afterAll(async () => {
  await encoder?.stop();
  await browser?.close();
  await stack?.stop();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

/** One recording, a locator for each protection, and keys for who has a token with the key's id in it. */
async function publishInEveryWay(): Promise<void> {
  const assetName = `${show.channel}-${show.program}`;
  await media.make('contentKeyPolicies/viewers', {
    options: [
      {
        name: 'members',
        configuration: { '@odata.type': '#Microsoft.Media.ContentKeyPolicyClearKeyConfiguration' },
        restriction: {
          '@odata.type': '#Microsoft.Media.ContentKeyPolicyTokenRestriction',
          issuer: ISSUER,
          audience: AUDIENCE,
          restrictionTokenType: 'Jwt',
          primaryVerificationKey: {
            '@odata.type': '#Microsoft.Media.ContentKeyPolicySymmetricTokenKey',
            keyValue: SIGNING_KEY.toString('base64'),
          },
          requiredClaims: [{ claimType: KEY_ID_CLAIM }],
        },
      },
    ],
  });
  await media.make('streamingPolicies/cenc-clear-key', {
    commonEncryptionCenc: {
      enabledProtocols: PROTOCOLS,
      contentKeys: { defaultKey: { label: 'cenc' } },
      drm: { playReady: {}, widevine: {} },
      ...CLEAR_KEY,
    },
  });
  await media.make('streamingPolicies/cbcs-clear-key', {
    commonEncryptionCbcs: {
      enabledProtocols: { ...PROTOCOLS, smoothStreaming: false },
      contentKeys: { defaultKey: { label: 'cbcs' } },
      drm: { fairPlay: { allowPersistentLicense: false } },
      ...CLEAR_KEY,
    },
  });
  const policies = {
    clear: 'Predefined_ClearStreamingOnly',
    aes: 'Predefined_ClearKey',
    cenc: 'cenc-clear-key',
    cbcs: 'cbcs-clear-key',
    other: 'Predefined_ClearKey',
  };
  for (const [name, streamingPolicyName] of Object.entries(policies)) {
    const id = randomUUID();
    await media.make(`streamingLocators/${name}`, {
      assetName,
      streamingPolicyName,
      streamingLocatorId: id,
      ...(name === 'clear' ? {} : { defaultContentKeyPolicyName: 'viewers' }),
    });
    const keys = await media.call('POST', `streamingLocators/${name}/listContentKeys`);
    locators[name] = { id, keyId: keys.body.contentKeys?.[0]?.id };
  }
}

const locatorOf = (name: string) => locators[name] ?? { id: '', keyId: undefined };

async function token(name: string, lifetimeSeconds = 600): Promise<string> {
  const { keyId = '' } = locatorOf(name);
  const signed = await new SignJWT({ [KEY_ID_CLAIM]: keyId })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setExpirationTime(Math.floor(Date.now() / 1000) + lifetimeSeconds)
    .sign(SIGNING_KEY);
  tokens.push(signed);
  return signed;
}

interface Case {
  readonly player: PlayRequest['player'];
  readonly locator: string;
  readonly form: string;
  readonly hasLicense?: boolean;
}

const CASES: readonly Case[] = [
  { player: 'hls.js', locator: 'clear', form: 'format=m3u8-cmaf' },
  { player: 'hls.js', locator: 'clear', form: 'format=m3u8-aapl' },
  { player: 'hls.js', locator: 'clear', form: 'format=m3u8-aapl-v3' },
  { player: 'hls.js', locator: 'aes', form: 'format=m3u8-cmaf,encryption=cbc' },
  { player: 'hls.js', locator: 'aes', form: 'format=m3u8-aapl,encryption=cbc' },
  { player: 'shaka', locator: 'clear', form: 'format=mpd-time-cmaf' },
  { player: 'shaka', locator: 'cenc', form: 'format=mpd-time-cmaf,encryption=cenc', hasLicense: true },
  { player: 'shaka', locator: 'cbcs', form: 'format=mpd-time-cmaf,encryption=cbcs-aapl', hasLicense: true },
  { player: 'shaka', locator: 'aes', form: 'format=m3u8-aapl,encryption=cbc' },
  { player: 'shaka', locator: 'aes', form: 'format=mpd-time-csf,encryption=cbc' },
  { player: 'shaka', locator: 'cbcs', form: 'format=m3u8-cmaf,encryption=cbcs-aapl,keyformat=identity' },
  { player: 'dash.js', locator: 'clear', form: 'format=mpd-time-csf' },
  { player: 'dash.js', locator: 'cenc', form: 'format=mpd-time-cmaf,encryption=cenc', hasLicense: true },
  { player: 'dash.js', locator: 'cbcs', form: 'format=mpd-time-cmaf,encryption=cbcs-aapl', hasLicense: true },
  { player: 'dash.js', locator: 'clear', form: '' },
  { player: 'hls.js', locator: 'cbcs', form: 'format=m3u8-cmaf,encryption=cbcs-aapl', hasLicense: true },
];

const nameOf = ({ player, locator, form }: Case): string => `${player} ${locator} (${form})`;

function urlOf({ locator, form }: Pick<Case, 'locator' | 'form'>): string {
  const keys = form === '' ? '' : `(${form})`;
  return `${stack.streamingBase}/${locatorOf(locator).id}/${manifest}.ism/manifest${keys}`;
}

const licenseUrl = (): string => `http://127.0.0.1:${stack.ports.keys}/ClearKey/`;

function request(one: Case, withToken: string | undefined): PlayRequest {
  const { player, hasLicense } = one;
  return { player, url: urlOf(one), token: withToken, licenseUrl: hasLicense ? licenseUrl() : undefined };
}

/** Viewers of DASH who watch to the end have a while to load the manifest again; until then it begins at the end. */
async function untilStatic(): Promise<void> {
  const url = urlOf({ locator: 'clear', form: 'format=mpd-time-cmaf' });
  const deadlineMs = Date.now() + 60_000;
  while (Date.now() < deadlineMs) {
    if ((await (await fetch(url)).text()).includes('type="static"')) return;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  throw new Error('the manifest does not become static');
}

/** Plays all, a few at once; what went wrong with each, nothing where nothing did. */
async function playAll(cases: readonly Case[]): Promise<Record<string, readonly string[]>> {
  const problems: Record<string, readonly string[]> = {};
  for (let from = 0; from < cases.length; from += PLAYERS_AT_ONCE) {
    const batch = cases.slice(from, from + PLAYERS_AT_ONCE);
    const outcomes = await Promise.all(batch.map((one) => playOne(one)));
    for (const [at, one] of batch.entries()) problems[nameOf(one)] = outcomes[at] ?? [];
  }
  return problems;
}

async function playOne(one: Case): Promise<readonly string[]> {
  const withToken = one.locator === 'clear' ? undefined : await token(one.locator);
  const page = await browser.play(request(one, withToken));
  const seen: number[] = [];
  try {
    const deadlineMs = Date.now() + (WATCH_SECONDS + 25) * 1000;
    for (;;) {
      const { counters, errors } = await page.report();
      if (errors.length > 0) return errors;
      if (counters.length > 0) seen.push(await page.counterInScreenshot());
      if (shownOf(seen) >= (WATCH_SECONDS - 1) * FRAMES_PER_SECOND) return checkCounters(seen);
      if (Date.now() > deadlineMs) return [`${counters.length} frames; seen: ${seen.join(' ')}`];
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  } finally {
    await page.close();
  }
}

/** How many frames went by between the first screenshot and the last. */
const shownOf = (seen: readonly number[]): number =>
  ((seen.at(-1) ?? 0) - (seen[0] ?? 0) + LOOP_FRAMES) % LOOP_FRAMES;

/** Numbers rise; the loop of the encoder begins anew once. */
function checkCounters(seen: readonly number[]): readonly string[] {
  const steps = seen.slice(1).map((counter, at) => counter - (seen[at] ?? 0));
  const isBroken = seen.includes(-1) || steps.filter((step) => step <= 0).length > 1;
  return isBroken ? [`seen: ${seen.join(' ')}`] : [];
}

const REFUSED: readonly { readonly name: string; make(): Promise<string | undefined> }[] = [
  { name: 'without a token', make: async () => undefined },
  { name: 'with one that has expired', make: () => token('aes', -3_600) },
  { name: 'with that of another title', make: () => token('other') },
];

const nothingWrong = (cases: readonly Case[]) => Object.fromEntries(cases.map((one) => [nameOf(one), []]));

describe('one recording, every format and protection', () => {
  it(`plays for ${WATCH_SECONDS} s while it is live`, async () => {
    expect(await playAll(CASES)).toEqual(nothingWrong(CASES));
  }, 300_000);

  it('has no key for a player that may have none, which says so, and it ends', async () => {
    await finishShow(stack, show);
    const refused = await Promise.all(
      REFUSED.map(async ({ name, make }) => [name, await refusalOf(await make())] as const),
    );
    expect(Object.fromEntries(refused)).toEqual(
      Object.fromEntries(REFUSED.map(({ name }) => [name, expect.stringMatching(/key/i)])),
    );
  }, 90_000);

  it(`plays for ${WATCH_SECONDS} s on demand`, async () => {
    await untilStatic();
    expect(await playAll(CASES)).toEqual(nothingWrong(CASES));
  }, 300_000);

  it('leaves no key, token, signature or stream key in any log', async () => {
    const values = await Promise.all(
      Object.keys(locators).map((name) => media.call('POST', `streamingLocators/${name}/listContentKeys`)),
    );
    const keys = values
      .flatMap(({ body }) => body.contentKeys ?? [])
      .map(({ value }: { value: string }) => value);
    expect(keys.length).toBe(Object.keys(locators).length - 1);
    const secrets = [
      ...keys,
      ...keys.map((key: string) => Buffer.from(key, 'base64').toString('hex')),
      ...tokens,
      SIGNING_KEY.toString('base64'),
      new URL(show.ingestUrl).pathname.split('/')[2] ?? '',
      stack.functionKey,
    ];
    const logs = await everyLog();
    expect(logs.length).toBeGreaterThan(1000);
    expect(secrets.filter((secret) => secret.length < 8 || logs.includes(secret))).toEqual([]);
    expect(logs).not.toMatch(/[?&]sig=[^&\s"*]{8}/);
  });
});

/** Everything that the stack's processes have written about the show, in files and on the way out. */
async function everyLog(): Promise<string> {
  const files = await readdir(join(stack.dataDir, 'logs'), { recursive: true, withFileTypes: true });
  const texts = files
    .filter((file) => file.isFile())
    .map((file) => readFile(join(file.parentPath, file.name), 'utf8'));
  return (await Promise.all(texts)).join('\n') + stack.stderr();
}

/** What a player says that is shown nothing. */
async function refusalOf(withToken: string | undefined): Promise<string> {
  const one: Case = { player: 'hls.js', locator: 'aes', form: 'format=m3u8-aapl,encryption=cbc' };
  const page = await browser.play(request(one, withToken));
  try {
    const error = await untilError(page);
    expect((await page.report()).counters).toEqual([]);
    return error;
  } finally {
    await page.close();
  }
}

async function untilError(page: Awaited<ReturnType<ProtectedPlayerBrowser['play']>>): Promise<string> {
  const deadlineMs = Date.now() + 40_000;
  while (Date.now() < deadlineMs) {
    const [error] = (await page.report()).errors;
    if (error !== undefined) return error;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error('the player shows no error');
}
