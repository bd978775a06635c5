import type { PublishRequest } from '../../src/ingest/publish-session.ts';
import { type RtmpIngest, startRtmpIngest } from '../../src/ingest/rtmp-ingest.ts';
import type { RtmpIngestLimits } from '../../src/ingest/rtmp-limits.ts';
import { startSmoothIngest } from '../../src/ingest/smooth/smooth-ingest.ts';
import type { LiveDeps, LiveNewEvent } from '../../src/live/live-deps.ts';
import type { LiveEventView } from '../../src/live/live-directory.ts';
import { LiveRuntime } from '../../src/live/live-runtime.ts';
import { parseIndexLineValue } from '../../src/model/index-line.ts';
import type { FragmentEntry } from '../../src/model/presentation.ts';
import type { Track } from '../../src/model/track.ts';

export const TOKEN = 'abcd1234ef';
export const LIVE_EVENT = 'arena';
const unhurried = new AbortController().signal;

export interface ShownTrack {
  readonly track: Track;
  readonly fragments: readonly FragmentEntry[];
}

export interface LiveShow {
  readonly runtime: LiveRuntime;
  /** What the control plane's rows say; tests change it and call `refresh`. */
  view: LiveEventView;
  /** Recorded and transient ones, in the order in which they were told. */
  readonly events: LiveNewEvent[];
  readonly log: string[];
  url(stream: string, endpoint?: PublishRequest['endpoint']): string;
  smoothUrl(stream: string): string;
  port(endpoint?: PublishRequest['endpoint']): number;
  refresh(): Promise<void>;
  /** The preview as origins get it. */
  shown(): Promise<readonly ShownTrack[]>;
  /** ftyp + moov, and moof + mdat of everything shown of a track. */
  file(track: Track): Promise<Uint8Array>;
  /** Names of the events without their prefix, with the reasons or the result code. */
  told(): string[];
  data(name: string): readonly Readonly<Record<string, unknown>>[];
  close(): Promise<void>;
}

/** The live runtime behind real listeners, with a live event that runs and records nothing. */
export async function startLiveShow(
  view: Partial<LiveEventView> = {},
  clock: { now(): number } = Date,
  limits: Partial<RtmpIngestLimits> = {},
): Promise<LiveShow> {
  const events: LiveNewEvent[] = [];
  const log: string[] = [];
  const write = (event: string, fields?: object) => void log.push(`${event} ${JSON.stringify(fields ?? {})}`);
  const current = () => show.view;
  let epoch = 0;
  const deps: LiveDeps = {
    directory: {
      findLiveEventByAccessToken: async (token) => {
        const { accessToken, previousAccessToken } = current();
        return [accessToken, previousAccessToken?.token].includes(token) ? current() : undefined;
      },
      findLiveEvent: async () => current(),
    },
    recordings: {
      openRecorder: () => Promise.reject(new Error('nothing is recorded here')),
      finishRecording: () => Promise.reject(new Error('nothing is recorded here')),
    },
    ownerships: {
      acquire: async () => {
        epoch += 1;
        return { epoch, lost: new AbortController().signal, release: async () => undefined };
      },
    },
    events: {
      record: async (recorded) => void events.push(...recorded),
      emitTransient: (event) => void events.push(event),
    },
    feedAddress: () => 'http://127.0.0.1:1',
    clock,
    log: { info: write, warn: write, error: write },
  };
  const runtime = new LiveRuntime(deps);
  const ingest: RtmpIngest = await startRtmpIngest({
    addresses: { primary: { port: 0, endpoint: 'primary' }, backup: { port: 0, endpoint: 'backup' } },
    host: '127.0.0.1',
    publicHost: '127.0.0.1',
    door: runtime,
    log: deps.log,
    clock,
    limits,
  });
  const smooth = await startSmoothIngest({
    ...{ port: 0, host: '127.0.0.1', publicHost: '127.0.0.1', publicPort: 0 },
    door: runtime,
    log: deps.log,
    clock,
  });
  const port = (endpoint: PublishRequest['endpoint'] = 'primary') => ingest.ports[endpoint] ?? 0;
  const show: LiveShow = {
    runtime,
    events,
    log,
    view: {
      id: LIVE_EVENT,
      name: LIVE_EVENT,
      resourceState: 'Running',
      isResetting: false,
      encodingType: 'PassthroughStandard',
      streamingProtocol: 'RTMP',
      ingestAllow: [{ address: '127.0.0.0', prefixLength: 8 }],
      accessToken: TOKEN,
      previousAccessToken: undefined,
      previewLocatorId: '00000000-0000-0000-0000-000000000000',
      outputs: [],
      ...view,
    },
    port,
    url: (stream, endpoint) => `rtmp://127.0.0.1:${port(endpoint)}/live/${TOKEN}/${stream}`,
    smoothUrl: (stream) => `http://127.0.0.1:${smooth.port}/${TOKEN}/ingest.isml/Streams(${stream})`,
    refresh: () => runtime.refresh(LIVE_EVENT),
    shown: () => readPreview(runtime),
    file: async (track) => {
      const feed = runtime.find(LIVE_EVENT);
      const shown = (await readPreview(runtime)).find((one) => one.track.folder === track.folder);
      const header = feed?.header(track.folder, 0);
      const parts = (shown?.fragments ?? []).map(({ decodeTimeTicks }) =>
        feed?.fragment(track.folder, decodeTimeTicks),
      );
      return Buffer.concat([header, ...parts].flatMap((part) => part ?? []));
    },
    told: () => events.map(briefly),
    data: (name) => events.filter(({ type }) => type.endsWith(`.${name}`)).map(({ data }) => data),
    close: async () => {
      await Promise.all([ingest.close(), smooth.close()]);
      await runtime.close();
    },
  };
  return show;
}

async function readPreview(runtime: LiveRuntime): Promise<readonly ShownTrack[]> {
  const reply = await runtime.find(LIVE_EVENT)?.source('preview')?.read(undefined, 0, unhurried);
  if (reply === undefined || reply === 'gone') return [];
  const tracks = new Map<string, { track: Track; fragments: FragmentEntry[] }>();
  for (const { folder, line } of reply.lines) {
    const parsed = parseIndexLineValue(line);
    if (parsed.kind === 'track') tracks.set(folder, { track: parsed.track, fragments: [] });
    if (parsed.kind === 'fragment') tracks.get(folder)?.fragments.push(parsed.entry);
  }
  return [...tracks.values()];
}

function briefly({ type, data }: LiveNewEvent): string {
  const name = type.replace(/^.*\.(LiveEvent)?/, '');
  const reasons = data['reasons'];
  const about = data['resultCode'] ?? (Array.isArray(reasons) ? [data['health'], ...reasons].join(' ') : '');
  return about === '' ? name : `${name} ${String(about)}`;
}
