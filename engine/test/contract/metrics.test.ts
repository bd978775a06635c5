import { fileURLToPath } from 'node:url';
import { ManagedIdentityCredential } from '@azure/identity';
import { MetricsQueryClient } from '@azure/monitor-query';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ACCOUNT, ACCOUNT_ID, callArm, createArmClient, fetchToken, GROUP } from '../support/arm-client.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import { buildEngine, type EngineProgram, type RunningEngine } from '../support/engine-program.ts';
import { type StoredShow, storeShow } from '../support/stored-show.ts';

const DEMO = fileURLToPath(new URL('../../../devstack/media/demo-loop.flv', import.meta.url));
const FRAGMENT_BYTES = 50_000;
const ENDPOINT_ID = `${ACCOUNT_ID}/streamingEndpoints/default`;

let azurite: Azurite;
let program: EngineProgram;
let engine: RunningEngine;
let show: StoredShow;
let client: MetricsQueryClient;
let base: string;

beforeAll(async () => {
  [azurite, program] = await Promise.all([startAzurite(), buildEngine()]);
  show = await storeShow(azurite.connectionString, { fragments: 4, sizeBytes: FRAGMENT_BYTES });
  engine = await program.start('control,ingest,origin', {
    HEADEND_STORAGE: azurite.connectionString,
    HEADEND_ORIGIN_PROCESSES_MAX: '2',
    HEADEND_PUBLIC_RTMP_PORT: '0',
  });
  base = `http://127.0.0.1:${engine.ports['streaming']}`;
  const { liveEvents } = createArmClient(engine, program.caPem, program.identitySecret);
  const accessControl = { ip: { allow: [{ address: '127.0.0.0', subnetPrefixLength: 8 }] } };
  const event = { location: 'local', input: { streamingProtocol: 'RTMP', accessControl } };
  await liveEvents.beginCreateAndWait(GROUP, ACCOUNT, 'Show', event, { autoStart: true });
  const { input } = await liveEvents.get(GROUP, ACCOUNT, 'Show');
  await program.publish(['--url', `${input?.endpoints?.[0]?.url}/main`, '--file', DEMO, '--loop']);
  client = new MetricsQueryClient(new ManagedIdentityCredential(), {
    endpoint: `https://127.0.0.1:${engine.ports['arm']}`,
    tlsOptions: { ca: program.caPem },
    audience: 'https://management.azure.com',
  });
}, 120_000);

afterAll(async () => {
  await program?.close();
  await azurite?.close();
}, 60_000);

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 45_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not in time: ${what}\n${engine.log().slice(-4_000)}`);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

const timespan = { duration: 'PT1H' };

/** All points of a metric added up, by the values of its dimensions. */
async function totals(resourceId: string, metric: string, filter?: string): Promise<Record<string, number>> {
  const result = await client.queryResource(resourceId, [metric], {
    ...{ timespan, granularity: 'PT1M', aggregations: ['Total'] },
    ...(filter === undefined ? {} : { filter }),
  });
  const series = result.getMetricByName(metric)?.timeseries ?? [];
  return Object.fromEntries(
    series.map(({ metadataValues, data }) => [
      (metadataValues ?? []).map(({ value }) => value).join(' '),
      (data ?? []).reduce((sum, { total }) => sum + (total ?? 0), 0),
    ]),
  );
}

describe('metrics, read with the client of Azure Monitor', () => {
  it('of a streaming endpoint count what viewers were sent, to the byte', async () => {
    const playlist = `${show.path}/manifest(format=m3u8-cmaf)`;
    let playlistBytes = 0;
    for (let turn = 0; turn < 5; turn += 1) {
      for (let sequence = 0; sequence < 4; sequence += 1) {
        await (await fetch(base + show.fragmentPath(sequence))).arrayBuffer();
      }
      playlistBytes += (await (await fetch(base + playlist)).arrayBuffer()).byteLength;
    }
    const refused = await fetch(`${base}/no-locator/x.ism/manifest(format=mpd-time-cmaf)`);
    const refusedBytes = (await refused.arrayBuffer()).byteLength;
    const part = await fetch(base + show.fragmentPath(0), { headers: { range: 'bytes=0-99' } });
    await part.arrayBuffer();
    await until('27 requests are told', async () => (await totals(ENDPOINT_ID, 'Requests'))[''] === 27);
    expect(await totals(ENDPOINT_ID, 'Egress')).toEqual({
      '': 20 * FRAGMENT_BYTES + playlistBytes + refusedBytes + 100,
    });
    const filter = "OutputFormat eq '*' and HttpStatusCode eq '*' and ErrorCode eq '*'";
    expect(await totals(ENDPOINT_ID, 'Requests', filter)).toEqual({
      'HLS 200 None': 25,
      'HLS 206 None': 1,
      [`DASH ${refused.status} ${refused.headers.get('x-ms-mpe-error')}`]: 1,
    });
  }, 60_000);

  it('of a streaming endpoint tell how busy, how fast and how loaded it is', async () => {
    const names = ['CPU', 'EgressBandwidth', 'SuccessE2ELatency'];
    const aggregations = ['Average', 'Maximum', 'Count'] as const;
    const result = await client.queryResource(ENDPOINT_ID, names, {
      ...{ timespan, granularity: 'PT1H', aggregations: [...aggregations] },
    });
    expect(result).toMatchObject({ namespace: 'Microsoft.Media/mediaservices/streamingEndpoints' });
    for (const name of names) {
      const metric = result.getMetricByName(name);
      const points = (metric?.timeseries[0]?.data ?? []).filter(({ count }) => (count ?? 0) > 0);
      expect(points.length).toBeGreaterThan(0);
      for (const { average = -1, maximum = -1 } of points) {
        expect(maximum).toBeGreaterThan(0);
        expect(maximum).toBeGreaterThanOrEqual(average);
      }
    }
  });

  it('of a live event are those of its tracks', async () => {
    const id = `${ACCOUNT_ID}/liveEvents/show`;
    const bitrates = async () => {
      const found = await client.queryResource(id, ['IngestBitrate'], {
        ...{ timespan, aggregations: ['Maximum'], filter: "TrackName eq '*'" },
      });
      return found.getMetricByName('IngestBitrate')?.timeseries ?? [];
    };
    await until('a heartbeat is measured', async () => (await bitrates()).length >= 2);
    const tracks = (await bitrates()).map(({ metadataValues, data }) => ({
      track: metadataValues?.[0]?.value?.replace(/_\d+$/, ''),
      isSending: (data ?? []).some(({ maximum }) => (maximum ?? 0) > 10_000),
    }));
    expect(tracks.sort((one, other) => String(one.track).localeCompare(String(other.track)))).toEqual([
      { track: 'audio', isSending: true },
      { track: 'video', isSending: true },
    ]);
  }, 60_000);

  it('of the account are what it has and what it may have', async () => {
    const names = ['AssetCount', 'JobsQueued', 'MaxChannelsAndLiveEventsCount', 'JobQuota'];
    await until('the account is measured', async () => {
      const result = await client.queryResource(ACCOUNT_ID, names, { timespan, aggregations: ['Average'] });
      const last = names.map((name) =>
        result.getMetricByName(name)?.timeseries[0]?.data?.findLast(({ average }) => average !== undefined),
      );
      return last.every((point) => point !== undefined) && last.at(2)?.average === 100;
    });
  }, 60_000);

  it('are defined, and have a namespace', async () => {
    const names: (string | undefined)[] = [];
    for await (const { name, unit, dimensions } of client.listMetricDefinitions(ENDPOINT_ID)) {
      names.push(`${name} ${unit} ${dimensions?.join()}`);
    }
    expect(names).toEqual([
      'CPU Percent ',
      'Egress Bytes OutputFormat',
      'EgressBandwidth BitsPerSecond ',
      'Requests Count OutputFormat,HttpStatusCode,ErrorCode',
      'SuccessE2ELatency MilliSeconds OutputFormat',
    ]);
    for await (const { metricNamespaceName } of client.listMetricNamespaces(ENDPOINT_ID)) {
      expect(metricNamespaceName).toBe('Microsoft.Media/mediaservices/streamingEndpoints');
    }
  });

  it.each([
    [
      'the version of 2018',
      `${ENDPOINT_ID}/providers/microsoft.insights/metrics?api-version=2018-01-01`,
      200,
      undefined,
    ],
    [
      'a version of Media Services',
      `${ENDPOINT_ID}/providers/Microsoft.Insights/metrics?api-version=2022-11-01`,
      400,
      'InvalidApiVersionParameter',
    ],
    [
      'no such endpoint',
      `${ACCOUNT_ID}/streamingEndpoints/none/providers/Microsoft.Insights/metrics?api-version=2018-01-01`,
      404,
      'NotFound',
    ],
    [
      'no such metric',
      `${ENDPOINT_ID}/providers/Microsoft.Insights/metrics?api-version=2018-01-01&metricnames=Egres`,
      400,
      'BadRequest',
    ],
    [
      'two slashes',
      `/${ENDPOINT_ID}/providers/Microsoft.Insights/metrics?api-version=2018-01-01`,
      200,
      undefined,
    ],
    ['what is no address', '/\\[x/', 404, 'InvalidResourceType'],
    [
      'no metrics of assets',
      `${ACCOUNT_ID}/assets/x/providers/Microsoft.Insights/metrics?api-version=2018-01-01`,
      404,
      'InvalidResourceType',
    ],
  ])('with %s', async (_name, path, status, code) => {
    const token = await fetchToken(engine, program.identitySecret);
    const answer = await callArm(engine, program.caPem, {
      path,
      headers: { authorization: `Bearer ${token}` },
    });
    expect(answer.status).toBe(status);
    if (code !== undefined) expect(answer.body).toMatchObject({ error: { code } });
  });
});
