import type {
  IngestResultCode,
  ProbedDoor,
  PublishDecision,
  PublishedTrack,
  PublishRequest,
  TrackKey,
} from '../../src/ingest/publish-session.ts';
import type { Sample } from '../../src/model/sample.ts';

export interface ReceivedFragment {
  readonly key: TrackKey;
  readonly timestampTicks: number;
  readonly durationTicks: number;
  readonly samples: Sample[];
}

/** A door that lets one token in and keeps what it gets; what it shall answer can be set. */
export class FragmentDoor implements ProbedDoor {
  readonly requests: PublishRequest[] = [];
  readonly probes: PublishRequest[] = [];
  readonly refusals: IngestResultCode[] = [];
  readonly closes: IngestResultCode[] = [];
  readonly tracks = new Map<TrackKey, PublishedTrack>();
  readonly fragments: ReceivedFragment[] = [];
  readonly #accessToken: string;
  /** Of the session opened last. */
  revocation = new AbortController();
  /** What the session does with a sample before it takes the next. */
  onSample: (sample: Sample) => Promise<void> | undefined = () => undefined;
  onOpen: () => Promise<void> = () => Promise.resolve();
  wantsFragment: (key: TrackKey, timestampTicks: number) => boolean = () => true;

  constructor(accessToken: string) {
    this.#accessToken = accessToken;
  }

  samplesOf(type: PublishedTrack['type']): Sample[] {
    return this.fragments
      .filter(({ key }) => this.tracks.get(key)?.type === type)
      .flatMap(({ samples }) => samples);
  }

  async probe(request: PublishRequest): ReturnType<ProbedDoor['probe']> {
    this.probes.push(request);
    return this.#decide(request) ?? { kind: 'accepted' };
  }

  async open(request: PublishRequest): Promise<PublishDecision> {
    this.requests.push(request);
    await this.onOpen();
    const refusal = this.#decide(request);
    if (refusal !== undefined) return refusal;
    const revocation = new AbortController();
    this.revocation = revocation;
    return {
      kind: 'accepted',
      session: {
        setTrack: (key, track) => void this.tracks.set(key, track),
        beginFragment: (key, times) => {
          const isWanted = this.wantsFragment(key, times.timestampTicks);
          if (isWanted) this.fragments.push({ key, ...times, samples: [] });
          return isWanted;
        },
        addSample: (key, sample) => {
          this.fragments.findLast((fragment) => fragment.key === key)?.samples.push(sample);
          return this.onSample(sample);
        },
        addTextFragment: (key, { samples }) => {
          this.fragments.findLast((fragment) => fragment.key === key)?.samples.push(...samples);
          return undefined;
        },
        close: async (code) => void this.closes.push(code),
        revoked: revocation.signal,
      },
    };
  }

  async reportRefusal(_request: Partial<PublishRequest>, resultCode: IngestResultCode): Promise<void> {
    this.refusals.push(resultCode);
  }

  #decide({
    accessToken,
    encoderIp,
  }: PublishRequest): Extract<PublishDecision, { kind: 'refused' }> | undefined {
    if (accessToken !== this.#accessToken) {
      return { kind: 'refused', resultCode: 'MPE_RTMP_APPID_AUTH_FAILURE', message: 'Wrong access token.' };
    }
    if (this.denies(encoderIp)) {
      return {
        kind: 'refused',
        resultCode: 'MPE_INGEST_ENCODER_CONNECTION_DENIED',
        message: 'Not from there.',
      };
    }
    return undefined;
  }

  denies: (encoderIp: string) => boolean = () => false;
}
