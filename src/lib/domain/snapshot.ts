import type { Channel, InputTrack, LiveState } from './channel.ts';
import type { Program } from './program.ts';
import type { KeyLabel } from './protection.ts';

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

/** How far the media service has what a profile asks for. */
export interface ProtectionReading {
  /** `stale`: it says what the profile said before. `external`: others deliver all keys. */
  readonly keyPolicy: 'notNeeded' | 'external' | 'absent' | 'stale' | 'ready' | 'foreign' | 'secretMissing';
  readonly deliveryPolicy: 'builtIn' | 'absent' | 'ready';
  /** The content keys that the program needs and has not. */
  readonly missingKeys: readonly KeyLabel[];
}

export interface ProgramReading {
  readonly program: Program;
  readonly asset: 'absent' | 'ours' | 'foreign';
  /** `outdated`: ours, made for another protection than it has now. */
  readonly locator: 'absent' | 'ours' | 'outdated' | 'foreign';
  /** Undefined: there is no such profile. `settled`: not read again, as nothing is left to do. */
  readonly protection: ProtectionReading | 'settled' | undefined;
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
