import type { Health } from './health.ts';
import type { OperationKind } from './operation.ts';

/** The media service's words for a live event's state, as the app's users read them. */
export type LiveState =
  | 'stopped'
  | 'allocating'
  | 'standby'
  | 'starting'
  | 'running'
  | 'stopping'
  | 'deleting';

/** `pending`: wanted, and not made in the media service yet. */
export type ChannelState = LiveState | 'pending';

export interface IngestSettings {
  readonly protocol: 'rtmp' | 'smooth';
  /** `dynamic`: another host name at each start. */
  readonly hostname: 'static' | 'dynamic';
  /** What a static host name begins with, instead of the channel's name. */
  readonly hostnamePrefix: string | null;
}

export interface ChannelSettings {
  readonly description: string;
  readonly encoding: 'passthrough' | 'passthroughBasic';
  readonly ingest: IngestSettings;
  readonly allowFrom: readonly string[];
  readonly keyFrameInterval: string | null;
  readonly autoStop: string | null;
  readonly labels: Readonly<Record<string, string>>;
}

/** What was last read from the media service. */
export interface ChannelActual {
  readonly state: LiveState;
  /** The token of the last read, to see whether a rotation arrived. */
  readonly ingestUrls: readonly string[];
  readonly previewUrl: string | null;
}

/** One quality of one stream that the encoder sends. */
export interface InputTrack {
  readonly type: 'video' | 'audio';
  /** RFC 6381, empty when it is not said. */
  readonly codec: string;
  readonly bitrateBps: number;
  readonly width: number | null;
  readonly height: number | null;
  readonly frameRate: number | null;
  readonly language: string | null;
}

export interface HealthReport extends Health {
  readonly sinceMs: number;
  /** When it was last reported. */
  readonly seenAtMs: number;
}

/** What events last said about the encoder: advice for people, never a reason to act. */
export interface EncoderNotice {
  /** At least one is connected. */
  readonly connected: boolean;
  /** The event's own time. */
  readonly atMs: number;
  readonly seenAtMs: number;
}

/** What the last event about one connection said, by the encoder's address. */
export type Connections = Readonly<Record<string, { readonly connected: boolean; readonly atMs: number }>>;

/** The media service's refusal of a step; without a step it is the channel as a whole that is refused. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly atMs: number;
  readonly step?: string;
}

export interface OpenOperation {
  readonly id: string;
  readonly kind: OperationKind;
  readonly program?: string;
}

export interface Channel {
  readonly name: string;
  readonly id: string;
  readonly createdAtMs: number;
  /** Counts changes of what is wanted; the API's ETag. */
  readonly generation: number;
  readonly desired: 'stopped' | 'standby' | 'running' | 'deleted';
  readonly settings: ChannelSettings;
  readonly accessToken: string;
  readonly previewLocator: string;
  /** The key before the last rotation, which opens the channel a while longer. */
  readonly previousKey: { readonly token: string; readonly validUntilMs: number } | null;
  /** A reset that has not been carried out. */
  readonly resetWanted: boolean;
  readonly actual: ChannelActual | null;
  /** The preview answers: an encoder's tracks are known. */
  readonly previewAnswers: boolean;
  readonly encoderNotice: EncoderNotice | null;
  readonly connections: Connections;
  /** The preview answers, and nothing says that its input has ended. */
  readonly encoderSending: boolean;
  /** When the encoder was last seen to begin sending. */
  readonly sendingSinceMs: number | null;
  /** At least one program had frames and a live output at the last reading. */
  readonly recording: boolean;
  /** When it was last seen to begin running, and when its input was last seen to grow. */
  readonly runningSinceMs: number | null;
  readonly inputSeenAtMs: number | null;
  readonly inputCheckedAtMs: number | null;
  readonly inputFingerprint: string | null;
  /** What the encoder sent at the last reading; none while it does not send. */
  readonly inputTracks: readonly InputTrack[];
  /** What an event complained of: it goes stale unless it is repeated. */
  readonly reported: HealthReport | null;
  /** What the input's health is said to be: it holds until it is taken back. */
  readonly lasting: HealthReport | null;
  /** The time of the last event that told the input's whole health; an older one that comes late says nothing. */
  readonly healthToldAtMs: number | null;
  readonly health: Health & { readonly sinceMs: number };
  readonly openOperations: readonly OpenOperation[];
  /** The last operation of each verb, which a repeated call gets again. */
  readonly lastOperation: { readonly kind: OperationKind; readonly id: string } | null;
  /** The media service's last refusal; cleared by the first success. */
  readonly failure: Failure | null;
}

const INGEST_DEFAULT: IngestSettings = { protocol: 'rtmp', hostname: 'static', hostnamePrefix: null };

/** A stored channel, with what an older version of the app did not store. */
export const upgradedChannel = (stored: Channel): Channel => ({
  ...stored,
  previousKey: stored.previousKey ?? null,
  connections: stored.connections ?? {},
  lasting: stored.lasting ?? null,
  settings: { ...stored.settings, ingest: stored.settings.ingest ?? INGEST_DEFAULT },
});

export const channelState = (channel: Channel): ChannelState => channel.actual?.state ?? 'pending';
