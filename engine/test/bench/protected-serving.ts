import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FragmentEntry } from '../../src/model/presentation.ts';
import { writeMpd } from '../../src/packager/dash-packager.ts';
import { makeSmallShow, rulesOf, type SmallShow, startShowOrigin } from '../support/protected-origin.ts';
import { startTlsCache } from './tls-cache.ts';
import { isInstalled, type Load, type WrkResult, wrk } from './wrk.ts';

const ROUNDS = 3;
const SECONDS = 3;
const CONNECTIONS = 32;
/** More than the cache in front holds, so that those asked for in turn are never in it. */
const FRAGMENTS = 900;
const CACHE_MIB = 256;
const ONE_MISS_IN = 10;
const TARGET_GBIT = 5;
const TARGET_RATIO = 0.95;
/** 5 Mbit/s, a second each. */
const PICTURE = [
  ...['-i', 'testsrc2=size=1280x720:rate=25,noise=alls=20:allf=t', '-preset', 'ultrafast'],
  ...['-b:v', '5M', '-minrate', '5M', '-maxrate', '5M', '-bufsize', '5M'],
];
const FORMS = {
  'clear CMAF': 'format=mpd-time-cmaf',
  'cenc CMAF': 'format=mpd-time-cmaf,encryption=cenc',
  'cbcs CMAF': 'format=m3u8-cmaf,encryption=cbcs-aapl',
  'MPEG-TS, AES-128': 'format=m3u8-aapl-v3,encryption=cbc',
} as const;

/** Segments over HTTP from one origin process, packaged each time and from its cache; then by TLS through Varnish. */
export async function benchProtectedServing(): Promise<string> {
  if (!(await isInstalled('wrk'))) return 'protected serving: not measured, wrk is not installed';
  const show = repeated(await makeSmallShow(PICTURE));
  const lines = [
    '| segments of one process over HTTP | requests/s | Gbit/s | µs of processor/request | Gbit/s per core |',
    '|---|---|---|---|---|',
  ];
  for (const cache of ['without the cache of packaged segments', 'with it'] as const) {
    const origin = await startProtectedOrigin(show, cache === 'with it' ? undefined : 1);
    try {
      for (const [name, form] of Object.entries(FORMS)) {
        lines.push(await row(`${name}, ${cache}`, origin.urlOf(0, form), { pid: process.pid }));
      }
    } finally {
      await origin.close();
    }
  }
  return [...lines, ...(await throughVarnish(show))].join('\n');
}

/** The same second of picture again and again. */
function repeated(show: SmallShow): SmallShow {
  const [first, ...others] = show.tracks;
  const [entry] = first?.fragments ?? [];
  const bytes = show.bytesOf(first?.track.folder ?? '', entry?.decodeTimeTicks ?? 0);
  if (first === undefined || entry === undefined || bytes === undefined) throw new Error('no picture');
  const fragments = Array.from(
    { length: FRAGMENTS },
    (_, sequence): FragmentEntry => ({
      ...entry,
      sequence,
      decodeTimeTicks: entry.decodeTimeTicks + sequence * entry.durationTicks,
      firstSample: sequence * entry.sampleCount,
    }),
  );
  const { folder } = first.track;
  return {
    ...show,
    tracks: [{ ...first, fragments }, ...others],
    bytesOf: (name, ticks) => (name === folder ? bytes : show.bytesOf(name, ticks)),
  };
}

async function startProtectedOrigin(show: SmallShow, packagedBytesMax: number | undefined) {
  const cached = packagedBytesMax === undefined ? {} : { packagedBytesMax };
  const { origin, world, base, path } = await startShowOrigin(show, { writeMpd, ...cached });
  const enabledProtocols = { download: false, dash: true, hls: true, smoothStreaming: true };
  const scheme = { enabledProtocols, clearTracks: [], contentKeys: { keyToTrackMappings: [] } };
  const key = {
    id: '0f0e0d0c-0b0a-4908-8706-050403020100',
    value: randomBytes(16),
    keyUrl: 'https://k/',
  };
  world.rules = rulesOf(
    {
      noEncryption: { enabledProtocols },
      envelopeEncryption: scheme,
      commonEncryptionCenc: scheme,
      commonEncryptionCbcs: scheme,
    },
    () => [{ tracks: [], key }],
  );
  const entries = show.tracks[0]?.fragments ?? [];
  return {
    port: origin.port,
    pathOf: (at: number, form: string) =>
      `${path}/QualityLevels(1000000)/Fragments(video=${entries[at]?.decodeTimeTicks},${form})`,
    urlOf(at: number, form: string) {
      return `${base}${this.pathOf(at, form)}`;
    },
    close: () => origin.close({ idleMs: 10 }),
  };
}

type Asked = Pick<Load, 'pid' | 'script'> & { readonly url: string };

/** In turns, so that a slow minute of the machine is everybody's; the figure that counts is the median's. */
async function measure(all: readonly Asked[]): Promise<WrkResult[]> {
  const results = all.map((): WrkResult[] => []);
  const once = ({ url, ...load }: Asked) => wrk(url, { ...load, connections: CONNECTIONS, seconds: SECONDS });
  for (const asked of all) await once(asked); // until it is compiled
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [at, asked] of all.entries()) results[at]?.push(await once(asked));
  }
  const cost = (result: WrkResult) => result.processorMicrosecondsPerRequest;
  return results.map((measured) => {
    const median = measured.toSorted((a, b) => cost(a) - cost(b))[Math.floor(ROUNDS / 2)];
    if (median === undefined) throw new Error('nothing was measured');
    return median;
  });
}

async function row(name: string, url: string, load: Pick<Load, 'pid' | 'script'>): Promise<string> {
  const sizeBytes = (await (await fetch(url)).arrayBuffer()).byteLength;
  const [result] = await measure([{ ...load, url }]);
  if (result === undefined) throw new Error('nothing was measured');
  return rowOf(`${name} (${sizeBytes} bytes)`, result, { sizeBytes });
}

function rowOf(
  name: string,
  result: WrkResult,
  { sizeBytes, target }: { readonly sizeBytes: number; readonly target?: number },
): string {
  const { requestsPerSecond: rate, processorMicrosecondsPerRequest: cost, problems } = result;
  const perCore = (sizeBytes * 8) / cost / 1e3;
  const gbit = (rate * sizeBytes * 8) / 1e9;
  const verdict = target === undefined ? '' : ` (target ${target.toFixed(2)})`;
  return `| ${name}${problems} | ${rate.toFixed(0)} | ${gbit.toFixed(2)} | ${cost.toFixed(0)} | ${perCore.toFixed(2)}${verdict} |`;
}

/** One request in ten is for what Varnish does not have. Processor time is that of TLS, Varnish and what is behind it. */
async function throughVarnish(show: SmallShow): Promise<string[]> {
  for (const program of ['varnishd', 'nginx']) {
    if (!(await isInstalled(program))) return [`through Varnish: not measured, ${program} is not installed`];
  }
  const folder = await mkdtemp(join(tmpdir(), 'headend-bench-'));
  const origin = await startProtectedOrigin(show, undefined);
  const body = new Uint8Array(await (await fetch(origin.urlOf(0, FORMS['cenc CMAF']))).arrayBuffer());
  const cache = await startTlsCache({ originPort: origin.port ?? 0, file: body, cacheMiB: CACHE_MIB });
  try {
    const script = join(folder, 'one-in-ten.lua');
    const paths = show.tracks[0]?.fragments.map((_, at) => origin.pathOf(at, FORMS['cenc CMAF'])) ?? [];
    await writeFile(script, missesScript(paths));
    const sizeBytes = body.byteLength;
    const pid = [process.pid, ...cache.origin.pids];
    const [ours, files] = await measure([
      { url: cache.origin.base, pid, script },
      { url: cache.files.base, pid: cache.files.pids, script },
    ]);
    if (ours === undefined || files === undefined) throw new Error('nothing was measured');
    const ratio = files.processorMicrosecondsPerRequest / ours.processorMicrosecondsPerRequest;
    return [
      rowOf('TLS and Varnish, 90 % hits, cenc CMAF of the origin', ours, { sizeBytes, target: TARGET_GBIT }),
      rowOf('TLS and Varnish, 90 % hits, the same bytes as files of nginx', files, { sizeBytes }),
      `\nthe origin, per core: ${ratio.toFixed(2)} × files (target ${TARGET_RATIO})`,
    ];
  } finally {
    await cache.stop();
    await origin.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** The first segment nine times, then one of the others in turn. */
function missesScript(paths: readonly string[]): string {
  return [
    `local paths = { ${paths.map((path) => JSON.stringify(path)).join(', ')} }`,
    'local asked = 0',
    'local missed = 0',
    'request = function()',
    '  asked = asked + 1',
    `  if asked % ${ONE_MISS_IN} ~= 0 then return wrk.format("GET", paths[1]) end`,
    '  missed = missed + 1',
    '  return wrk.format("GET", paths[2 + missed % (#paths - 1)])',
    'end',
  ].join('\n');
}
