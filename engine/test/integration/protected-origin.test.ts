import { createDecipheriv, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TrackKey } from '../../src/delivery/delivery-directory.ts';
import { secretDigest } from '../../src/delivery/origin-gate.ts';
import { writeMpd } from '../../src/packager/dash-packager.ts';
import { PREDEFINED_POLICIES, type StreamingPolicyRules } from '../../src/resources/streaming-policy.ts';
import { makeSmallShow, rulesOf, type SmallShow, startShowOrigin } from '../support/protected-origin.ts';

const KEY = randomBytes(16);
const KEY_ID = '0f0e0d0c-0b0a-4908-8706-050403020100';
const keysOf = (scheme: string): readonly TrackKey[] => [
  {
    tracks: [],
    key: {
      ...{ id: KEY_ID, value: KEY },
      ...(scheme === 'aes128'
        ? { keyUrl: 'https://keys.example.net/?kid=1' }
        : { clearKey: { licenseUrl: 'https://keys.example.net/ClearKey/?kid=1' } }),
    },
  },
];

let show: SmallShow;
let served: Awaited<ReturnType<typeof startShowOrigin>>;

beforeAll(async () => {
  show = await makeSmallShow();
  served = await startShowOrigin(show, { writeMpd });
}, 60_000);
afterAll(() => served?.origin.close({ idleMs: 10 }));

const FORMATS = ['m3u8-cmaf', 'm3u8-aapl', 'm3u8-aapl-v3', 'mpd-time-cmaf', 'mpd-time-csf', '', 'fmp4-v20'];
const ENCRYPTIONS = ['', 'cbc', 'cenc', 'cbcs-aapl', 'piff'];
const FORMS = FORMATS.flatMap((format) =>
  ENCRYPTIONS.map((encryption) =>
    [format && `format=${format}`, encryption && `encryption=${encryption}`]
      .filter((key) => key !== '')
      .join(),
  ),
);

/** Every kind of address of a form. */
function pathsOf(form: string): string[] {
  const key = form === '' ? '' : `,${form}`;
  return [
    form === '' ? 'manifest' : `manifest(${form})`,
    `QualityLevels(1000000)/Manifest(video${key})`,
    ...show.tracks.flatMap(({ track, fragments }) => [
      `QualityLevels(1000000)/Fragments(${track.streamName}=i${key})`,
      `QualityLevels(1000000)/Fragments(${track.streamName}=${fragments[0]?.decodeTimeTicks}${key})`,
    ]),
    `QualityLevels(1000000)/Fragments(video=0${key},type=keyframes)`,
  ];
}

/**
 * Pieces from within the slices and frames: none of them may be in anything that is encrypted. `cbcs` leaves nine of ten
 * blocks of pictures alone, so a piece is longer there.
 */
function clearPieces(form: string): Buffer[] {
  const [video, audio] = show.media;
  const isWhole = form.includes('encryption') && !form.includes('cbcs');
  const sizeBytes = isWhole ? 32 : 192;
  return [
    ...(video?.samples ?? [])
      .slice(0, 12)
      .flatMap(({ data }) => (data.length > 800 ? cut(data, sizeBytes) : [])),
    ...(audio?.samples ?? []).slice(0, 12).flatMap(({ data }) => (data.length > 120 ? cut(data, 32) : [])),
  ];
}

const cut = (data: Uint8Array, sizeBytes: number): Buffer[] =>
  [0.4, 0.6].map((at) => Buffer.from(data.slice(Math.floor(data.length * at)).subarray(0, sizeBytes)));

const look = async (path: string) => {
  const response = await fetch(`${served.base}${served.path}/${path}`);
  const body = Buffer.from(await response.arrayBuffer());
  return {
    status: response.status,
    code: response.headers.get('x-ms-mpe-error'),
    headers: response.headers,
    body,
  };
};

function protocolOf(form: string): 'hls' | 'dash' | 'smoothStreaming' {
  if (form.includes('m3u8')) return 'hls';
  return form.includes('mpd') ? 'dash' : 'smoothStreaming';
}

/** Pieces of clear media in everything that is answered with 200. */
async function leaksOf(form: string): Promise<number> {
  const pieces = clearPieces(form);
  const answers = await Promise.all(pathsOf(form).map(look));
  expect(
    answers.map(({ status }) => status).filter((status) => ![200, 400, 403, 404].includes(status)),
  ).toEqual([]);
  const bodies = answers.filter(({ status }) => status === 200).map(({ body }) => body);
  return bodies.flatMap((body) => pieces.filter((piece) => body.includes(piece))).length;
}

async function use(policy: StreamingPolicyRules): Promise<void> {
  served.world.rules = rulesOf(policy, keysOf);
  await new Promise((resolve) => setTimeout(resolve, 1_050));
}

const all = { download: false, dash: true, hls: true, smoothStreaming: true };
const part = (enabledProtocols: typeof all) => ({
  enabledProtocols,
  clearTracks: [],
  contentKeys: { defaultKey: { label: 'k' }, keyToTrackMappings: [] },
});
const CUSTOM: readonly (readonly [string, StreamingPolicyRules])[] = [
  [
    'two schemes for everything',
    { envelopeEncryption: part(all), commonEncryptionCenc: { ...part(all), drm: { widevine: {} } } },
  ],
  [
    'cbcs only',
    {
      commonEncryptionCbcs: {
        ...part({ ...all, smoothStreaming: false }),
        clearKeyEncryptionConfiguration: {},
      },
    },
  ],
  [
    'clear HLS, everything else cenc',
    {
      noEncryption: { enabledProtocols: { ...all, dash: false, smoothStreaming: false } },
      commonEncryptionCenc: { ...part({ ...all, hls: false }), drm: { widevine: {} } },
    },
  ],
];

describe('every form of every policy', () => {
  it.each([...PREDEFINED_POLICIES.map(({ name, rules }) => [name, rules] as const), ...CUSTOM])(
    '%s: nothing that is to be encrypted is in the clear',
    async (_name, policy) => {
      await use(policy);
      const clear = policy.noEncryption?.enabledProtocols;
      for (const form of FORMS) {
        const mayBeClear = clear?.[protocolOf(form)] === true && !form.includes('encryption');
        const leaks = await leaksOf(form);
        if (mayBeClear) expect(leaks).toBeGreaterThan(0);
        else expect([form, leaks]).toEqual([form, 0]);
      }
    },
    40_000,
  );

  it('is asked for by name where there is a choice, and the only one elsewhere', async () => {
    const answers = async (...forms: string[]) =>
      Promise.all(
        forms.map(async (form) => {
          const { status, code } = await look(form === '' ? 'manifest' : `manifest(${form})`);
          return `${status} ${code ?? ''}`.trim();
        }),
      );
    await use({ envelopeEncryption: part(all) });
    expect(
      await answers(
        'format=m3u8-cmaf',
        'format=mpd-time-cmaf',
        'format=m3u8-aapl',
        'format=mpd-time-csf',
        '',
        'format=m3u8-cmaf,encryption=cenc',
      ),
    ).toEqual([
      '400 MPE_ENC_ENCRYPTION_NOT_SPECIFIED_IN_URL',
      '400 MPE_ENC_ENCRYPTION_NOT_SPECIFIED_IN_URL',
      '200',
      '200',
      '200',
      '403 MPE_OUTPUT_FORMAT_BLOCKED',
    ]);
    expect((await look('manifest(format=m3u8-aapl)')).body.toString()).toContain('encryption=cbc');
    await use(CUSTOM[0]?.[1] ?? {});
    expect(await answers('format=m3u8-aapl', 'format=mpd-time-csf', '')).toEqual(
      Array.from({ length: 3 }, () => '400 MPE_ENC_ENCRYPTION_NOT_SPECIFIED_IN_URL'),
    );
  }, 20_000);
});

describe('one packaging', () => {
  it('is all that a thousand viewers of one segment cost, and it decrypts to what is stored', async () => {
    await use({ envelopeEncryption: part(all) });
    const form = 'format=m3u8-cmaf,encryption=cbc';
    const path = `QualityLevels(1000000)/Fragments(video=${show.tracks[0]?.fragments[2]?.decodeTimeTicks},${form})`;
    const before = served.origin.packagings;
    const answers: Awaited<ReturnType<typeof look>>[] = [];
    for (let turn = 0; turn < 10; turn += 1) {
      answers.push(...(await Promise.all(Array.from({ length: 100 }, () => look(path)))));
    }
    expect(answers.every(({ status, body }) => status === 200 && body.equals(answers[0]?.body ?? body))).toBe(
      true,
    );
    expect(served.origin.packagings - before).toBe(1);
    const playlist = (await look(`QualityLevels(1000000)/Manifest(video,${form})`)).body.toString();
    const ivs = [...playlist.matchAll(/IV=0x([0-9a-f]{32})/gi)].map(([, hex]) =>
      Buffer.from(hex ?? '', 'hex'),
    );
    expect(new Set(ivs.map((iv) => iv.toString('hex'))).size).toBe(3);
    const decipher = createDecipheriv('aes-128-cbc', KEY, ivs[2] ?? Buffer.alloc(16));
    const opened = Buffer.concat([decipher.update(answers[0]?.body ?? Buffer.alloc(0)), decipher.final()]);
    const entry = show.tracks[0]?.fragments[2];
    expect(
      opened.equals(show.bytesOf('video_1000000', entry?.decodeTimeTicks ?? -1) ?? Buffer.alloc(0)),
    ).toBe(true);

    const tag = answers[0]?.headers.get('etag') ?? '';
    expect(answers[0]?.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    const same = await fetch(`${served.base}${served.path}/${path}?token=abc`, {
      headers: { 'if-none-match': tag },
    });
    expect(same.status).toBe(304);
    expect(tag).toMatch(/^"[\w-]{22}"$/);
  }, 40_000);

  it('stops within two seconds when the locator goes', async () => {
    await use({ envelopeEncryption: part(all) });
    const path = 'QualityLevels(1000000)/Fragments(video=0,format=m3u8-cmaf,encryption=cbc)';
    expect((await look(path)).status).toBe(200);
    served.world.isPublished = false;
    const goneAtMs = Date.now();
    while ((await look(path)).status === 200) await new Promise((resolve) => setTimeout(resolve, 50));
    expect(Date.now() - goneAtMs).toBeLessThan(2_000);
    served.world.isPublished = true;
  }, 20_000);
});

describe('behind a CDN', () => {
  it('answers who carries one of the secrets, from where it may come, and knows the viewer by it', async () => {
    let secrets = ['first-secret-of-this-origin', 'second-secret-of-this-origin'].map(secretDigest);
    const loopback = [{ address: '127.0.0.0', prefixLength: 8 }];
    const gated = await startShowOrigin(show, {
      writeMpd,
      gate: {
        secret: { header: 'x-origin-secret', digests: () => secrets },
        allow: loopback,
        trustedProxies: loopback,
      },
    });
    const fenced = await startShowOrigin(show, {
      writeMpd,
      gate: { secret: undefined, allow: [{ address: '10.0.0.0', prefixLength: 8 }], trustedProxies: [] },
    });
    try {
      gated.world.rules = rulesOf({ noEncryption: { enabledProtocols: all } }, keysOf);
      fenced.world.rules = gated.world.rules;
      const url = `${gated.base}${gated.path}/manifest(format=mpd-time-cmaf)`;
      const ask = async (headers: Record<string, string>) => (await fetch(url, { headers })).status;
      expect(await ask({})).toBe(403);
      expect(await ask({ 'x-origin-secret': 'first-secret-of-this-origin ' })).toBe(200);
      expect(await ask({ 'x-origin-secret': 'second-secret-of-this-origin' })).toBe(200);
      expect(await ask({ 'x-origin-secret': 'no-secret-of-this-origin' })).toBe(403);
      secrets = secrets.slice(1);
      expect(await ask({ 'x-origin-secret': 'first-secret-of-this-origin' })).toBe(403);
      expect((await fetch(`${fenced.base}${fenced.path}/manifest(format=m3u8-cmaf)`)).status).toBe(403);
    } finally {
      await Promise.all([gated, fenced].map(({ origin }) => origin.close({ idleMs: 10 })));
    }
  }, 20_000);
});
