import type {
  IngestResultCode,
  PublishDoor,
  PublishedTrack,
  PublishRequest,
} from '../../src/ingest/publish-session.ts';
import { type RtmpAddress, type RtmpIngest, startRtmpIngest } from '../../src/ingest/rtmp-ingest.ts';
import type { RtmpIngestLimits } from '../../src/ingest/rtmp-limits.ts';
import type { Sample } from '../../src/model/sample.ts';

export const TOKEN = 'ABCD-1234-ef';
export const silentLog = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** A door that lets the right token in, one publisher per name, and keeps what it gets. */
export class RecordingDoor implements PublishDoor {
  readonly requests: PublishRequest[] = [];
  readonly refusals: IngestResultCode[] = [];
  readonly refusedRequests: Partial<PublishRequest>[] = [];
  readonly closes: IngestResultCode[] = [];
  /** By track key, of all sessions. */
  readonly samples: Record<string, Sample[]> & Record<'video' | 'audio', Sample[]> = { video: [], audio: [] };
  readonly tracks: string[] = [];
  readonly descriptions: (PublishedTrack & { readonly trackKey: string })[] = [];
  readonly #publishing = new Set<string>();
  /** Of the session opened last. */
  revocation = new AbortController();
  /** What the session does with a sample before it takes the next. */
  onSample: (sample: Sample) => Promise<void> | undefined = () => undefined;
  onTrack: (track: PublishedTrack) => void = () => undefined;
  onOpen: () => Promise<void> = () => Promise.resolve();

  async open(request: PublishRequest): ReturnType<PublishDoor['open']> {
    this.requests.push(request);
    await this.onOpen();
    if (request.accessToken !== 'abcd1234ef') {
      return { kind: 'refused', resultCode: 'MPE_RTMP_APPID_AUTH_FAILURE', message: 'Wrong access token.' };
    }
    if (this.#publishing.has(request.streamId)) {
      return {
        kind: 'refused',
        resultCode: 'MPE_INGEST_ENCODER_CONNECTION_DENIED',
        message: 'Already sent.',
      };
    }
    this.#publishing.add(request.streamId);
    this.revocation = new AbortController();
    return {
      kind: 'accepted',
      session: {
        beginFragment: () => true,
        setTrack: (trackKey, track) => {
          this.descriptions.push({ ...track, trackKey });
          this.tracks.push(`${trackKey} ${track.format.codecString}`);
          this.onTrack(track);
        },
        addSample: (key, sample) => {
          this.samples[key] ??= [];
          this.samples[key].push(sample);
          return this.onSample(sample);
        },
        addTextFragment: () => undefined,
        close: async (code) => {
          this.#publishing.delete(request.streamId);
          this.closes.push(code);
        },
        revoked: this.revocation.signal,
      },
    };
  }

  async reportRefusal(request: Partial<PublishRequest>, resultCode: IngestResultCode): Promise<void> {
    this.refusals.push(resultCode);
    this.refusedRequests.push(request);
  }
}

/** A listening ingest before a door that records. */
export async function startRecordingIngest(
  options: {
    readonly limits?: Partial<RtmpIngestLimits>;
    readonly addresses?: Readonly<Record<string, RtmpAddress>>;
    readonly door?: RecordingDoor;
  } = {},
): Promise<{ readonly door: RecordingDoor; readonly ingest: RtmpIngest; readonly port: number }> {
  const door = options.door ?? new RecordingDoor();
  const ingest = await startRtmpIngest({
    addresses: options.addresses ?? { rtmp: { port: 0, endpoint: 'primary' } },
    ...{ host: '127.0.0.1', publicHost: 'media.example', door, log: silentLog, clock: Date },
    limits: options.limits ?? {},
  });
  return { door, ingest, port: ingest.ports['rtmp'] ?? 0 };
}
