import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { BlobServiceClient } from '@azure/storage-blob';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseFragment } from '../../src/formats/isobmff/fragment-reader.ts';
import { parseXml } from '../../src/manifests/xml-document.ts';
import { ACCOUNT, ACCOUNT_ID, createArmClient, GROUP } from '../support/arm-client.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import { buildEngine, type EngineProgram, type RunningEngine } from '../support/engine-program.ts';
import { readMpd } from '../support/manifest-readers.ts';
import { writeOriginalArchive } from '../support/original-archive.ts';
import { run } from '../support/programs.ts';
import { makeSource, packetsOf } from '../support/source-media.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const LOCATOR = '11111111-2222-4333-8444-555555555555';
const SHOW_LOCATOR = '22222222-2222-4333-8444-555555555555';
const KEY_ID = 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee';
const KEY = 'AAECAwQFBgcICQoLDA0ODw==';
/** Says which bundle it wants by its name; esbuild does not run inside Jest's realm. */
const BUILD = `
  import { build } from 'esbuild';
  import { bundles } from './scripts/bundles.mjs';
  const { esbuild } = bundles.find((bundle) => bundle.name === 'import');
  await build({ ...esbuild, bundle: true, outfile: process.argv[1] });
`;

let folder: string;
let azurite: Azurite;
let program: EngineProgram;
let engine: RunningEngine;
let importer: string;
let source: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headend-import-'));
  importer = join(folder, 'import.mjs');
  [azurite, program, source] = await Promise.all([
    startAzurite(),
    buildEngine(),
    makeSource(folder, 'source.mp4', 6),
    promisify(execFile)(process.execPath, ['--input-type=module', '-e', BUILD, importer], { cwd: ROOT }),
  ]);
  engine = await program.start('control,origin', { HEADEND_STORAGE: azurite.connectionString });
  await client().streamingEndpoints.beginStartAndWait(GROUP, ACCOUNT, 'default', { updateIntervalInMs: 20 });
  await writeFile(join(folder, 'ca.pem'), program.caPem);
  await writeOriginalArchive(join(folder, 'asset-live'), source, {
    manifestName: 'arena',
    formats: 'vod-fmp4',
    startTicks: 15_336_831_650_000_000n,
    hasClientManifest: true,
  });
  await mkdir(join(folder, 'films'));
  await writeFile(join(folder, 'films', 'film.mp4'), await readFile(source));
  const track = (type: string, id: number, bitrate: number) =>
    `<${type} src="film.mp4" systemBitrate="${bitrate}"><param name="trackID" value="${id}"/></${type}>`;
  const tracks = `${track('video', 1, 300_000)}${track('audio', 2, 64_000)}<video src="lost.mp4" systemBitrate="1"/>`;
  await writeFile(join(folder, 'films', 'film.ism'), `<smil><body><switch>${tracks}</switch></body></smil>`);
  await mkdir(join(folder, 'shows'));
  const smooth = ['-c', 'copy', '-map', '0', '-f', 'ismv'];
  await run('ffmpeg', '-v', 'error', '-i', source, ...smooth, join(folder, 'shows', 'show.ismv'));
  const shown = `${track('video', 1, 300_000)}${track('audio', 2, 64_000)}`.replaceAll(
    'film.mp4',
    'show.ismv',
  );
  await writeFile(join(folder, 'shows', 'show.ism'), `<smil><body><switch>${shown}</switch></body></smil>`);
  for (const name of ['asset-live', 'films', 'shows']) await upload(join(folder, name), name);
  await blobs().getContainerClient('documents').create();
}, 90_000);

afterAll(async () => {
  await program?.close();
  await azurite?.close();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

const client = () => createArmClient(engine, program.caPem, program.identitySecret);
const blobs = () => BlobServiceClient.fromConnectionString(azurite.connectionString);

async function upload(root: string, container: string): Promise<void> {
  const target = blobs().getContainerClient(container);
  await target.create();
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name.endsWith('.tmp.mp4')) continue;
    const path = join(entry.parentPath, entry.name);
    await target.getBlockBlobClient(relative(root, path)).uploadFile(path);
  }
}

async function runImport(...args: readonly string[]) {
  const env = {
    PATH: process.env['PATH'],
    HEADEND_IMPORT_STORAGE: azurite.connectionString,
    MEDIA_SERVICES_ENDPOINT: `https://127.0.0.1:${engine.ports['arm']}`,
    MEDIA_SERVICES_ACCOUNT_ID: ACCOUNT_ID,
    NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem'),
    IDENTITY_ENDPOINT: `http://127.0.0.1:${engine.ports['identity']}/msi/token`,
    IDENTITY_HEADER: program.identitySecret,
  };
  const report = join(folder, 'report.jsonl');
  const outcome = await promisify(execFile)(process.execPath, [importer, '--report', report, ...args], {
    env,
  }).catch((error: unknown) => ({
    stdout: String(Reflect.get(Object(error), 'stdout')),
    stderr: String(Reflect.get(Object(error), 'stderr')),
  }));
  const summary = /^\{.*\}$/m.exec(outcome.stdout)?.[0];
  return { ...outcome, report, summary: summary === undefined ? undefined : JSON.parse(summary) };
}

describe('the import of a library', () => {
  it('makes assets and locators in place, says what it could not read, and goes on where it ended', async () => {
    const assignments = join(folder, 'assignments.csv');
    const header = 'container,assetName,streamingLocatorId,streamingPolicyName,contentKeys';
    await writeFile(
      assignments,
      [
        header,
        `asset-live,arena-final,${LOCATOR},,`,
        `films,film,,Predefined_ClearKey,clearKeyDefault=${KEY_ID}:${KEY}`,
        `shows,show,${SHOW_LOCATOR},,`,
        'nowhere,,,,',
      ].join('\n'),
    );
    const planned = await runImport('--assignments', assignments, '--dry-run');
    expect(planned.summary).toMatchObject({ created: 0, planned: 3, failed: 0, missing: ['nowhere'] });
    await expect(client().assets.get(GROUP, ACCOUNT, 'film')).rejects.toMatchObject({ statusCode: 404 });

    const first = await runImport('--assignments', assignments);
    expect(first.stderr).toBe('');
    expect(first.summary).toMatchObject({ created: 3, failed: 0, unreadable: 1, missing: ['nowhere'] });
    const lines = (await readFile(first.report, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    // Each line as soon as its container is done.
    const created = lines.filter(({ asset }) => asset === 'created');
    expect(created.toSorted((left, right) => left.container.localeCompare(right.container))).toMatchObject([
      {
        container: 'asset-live',
        assetName: 'arena-final',
        manifests: [{ name: 'arena', tracks: 2, unreadable: [] }],
        locators: [{ name: LOCATOR, outcome: 'created' }],
      },
      {
        container: 'films',
        assetName: 'film',
        manifests: [
          {
            name: 'film',
            tracks: 2,
            unreadable: [{ source: 'lost.mp4', reason: 'the file is not in the container' }],
          },
        ],
        locators: [{ name: 'film-locator', outcome: 'created' }],
      },
      {
        container: 'shows',
        assetName: 'show',
        manifests: [{ name: 'show', tracks: 2, unreadable: [] }],
        locators: [{ name: SHOW_LOCATOR, outcome: 'created' }],
      },
    ]);
    expect(first.stdout + first.stderr + JSON.stringify(lines)).not.toContain(KEY);
    const { contentKeys } = await client().streamingLocators.listContentKeys(GROUP, ACCOUNT, 'film-locator');
    expect(contentKeys).toMatchObject([{ id: KEY_ID, value: KEY }]);

    const second = await runImport('--assignments', assignments);
    expect(second.summary).toMatchObject({ created: 0, failed: 0 });
    expect(second.summary.doneBefore).toBeGreaterThanOrEqual(3);
    await rm(second.report);
    const third = await runImport('--assignments', assignments);
    expect(third.summary).toMatchObject({ created: 0, already: 3, failed: 0 });
  }, 60_000);

  it('refuses a file that is no table of assignments, and tells no key', async () => {
    const assignments = join(folder, 'bad.csv');
    await writeFile(assignments, `container,contentKeys\nfilms,x=${KEY_ID}:${KEY.slice(2)}\n`);
    const { stderr } = await runImport('--assignments', assignments);
    expect(stderr).toMatch(/^InvalidAssignments: row 1: contentKeys\.0\.id/);
    expect(stderr).not.toContain(KEY.slice(2));
  });

  it.each([
    ['an archive', `${LOCATOR}/arena.ism`],
    ['a Smooth Streaming file', `${SHOW_LOCATOR}/show.ism`],
  ])(
    '%s plays in place: FFmpeg reads every frame of its HLS, DASH and Smooth readers find all segments',
    async (_name, path) => {
      const base = `http://127.0.0.1:${engine.ports['streaming']}/${path}`;
      const samples = {
        video: (await packetsOf(source, 'v:0')).length,
        audio: (await packetsOf(source, 'a:0')).length,
      };
      const counted = await run(
        'ffprobe',
        ...[
          '-v',
          'error',
          '-extension_picky',
          '0',
          '-allowed_segment_extensions',
          'ALL',
          '-count_packets',
          '-show_entries',
          'stream=codec_type,nb_read_packets',
        ],
        ...['-of', 'csv=p=0', `${base}/manifest(format=m3u8-cmaf).m3u8`],
      );
      expect(counted.stderr).toBe('');
      expect(counted.stdout).toContain(`video,${samples.video}`);
      expect(counted.stdout).toContain(`audio,${samples.audio}`);

      const mpd = await (await fetch(`${base}/manifest(format=mpd-time-cmaf)`)).text();
      let found = 0;
      for (const { url } of readMpd(mpd, Date.now())) {
        const bytes = await (await fetch(`${base}/${url}`)).arrayBuffer();
        found += parseFragment(new Uint8Array(bytes)).samples.length;
      }
      expect(found).toBe(samples.video + samples.audio);

      let smoothFound = 0;
      for (const url of smoothUrls(await (await fetch(`${base}/manifest`)).text())) {
        const bytes = await (await fetch(`${base}/${url}`)).arrayBuffer();
        smoothFound += parseFragment(new Uint8Array(bytes)).samples.length;
      }
      expect(smoothFound).toBe(samples.video + samples.audio);
    },
    30_000,
  );
});

/** Every fragment of a client manifest, [MS-SSTR] §2.2.2. */
function smoothUrls(manifest: string): readonly string[] {
  const streams = parseXml(manifest).children.filter(({ name }) => name === 'StreamIndex');
  return streams.flatMap(({ attributes, children }) => {
    const template = attributes['Url'] ?? '';
    const [level] = children.filter(({ name }) => name === 'QualityLevel');
    let time = 0;
    return children.flatMap((chunk) => {
      if (chunk.name !== 'c') return [];
      time = Number(chunk.attributes['t'] ?? time);
      const urls: string[] = [];
      for (let left = Number(chunk.attributes['r'] ?? 1); left > 0; left -= 1) {
        const of = { '{bitrate}': level?.attributes['Bitrate'] ?? '', '{start time}': String(time) };
        urls.push(template.replace(/\{(?:bitrate|start time)\}/g, (key) => Reflect.get(of, key)));
        time += Number(chunk.attributes['d']);
      }
      return urls;
    });
  });
}
