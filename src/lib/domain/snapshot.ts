import type { Channel, InputTrack, LiveState } from './channel.ts';
import type { Program } from './program.ts';

export interface LiveEventReading {
  readonly state: LiveState;
  readonly accessToken: string;
  readonly previewLocator: string;
  readonly allowFrom: readonly string[];
  readonly description: string;
  readonly passthrough: boolean;
  readonly ingestUrls: readonly string[];
  readonly previewUrl: string | null;
}

export interface OutputReading {
  readonly name: string;
  readonly assetName: string;
  readonly manifestName: string;
  readonly deleting: boolean;
}

export interface ProgramReading {
  readonly program: Program;
  readonly asset: 'absent' | 'ours' | 'foreign';
  readonly locator: 'absent' | 'ours' | 'foreign';
}

/** One reading of everything that belongs to a channel; what reconcile decides from. */
export interface Snapshot {
  readonly channel: Channel;
  readonly programs: readonly ProgramReading[];
  readonly liveEvent: LiveEventReading | undefined;
  readonly outputs: readonly OutputReading[];
  /** A preview goes on answering for what an encoder sent that has left. */
  readonly previewAnswers: boolean;
  readonly inputTracks: readonly InputTrack[];
  readonly encoderSending: boolean;
  readonly nowMs: number;
}
