import { strToU8, zipSync } from 'fflate';

/** What OBS Studio needs to know of a channel. */
export interface ObsTarget {
  readonly channel: string;
  /** `rtmps://host:2935/live`, without the key. */
  readonly server: string;
  /** What OBS calls the stream key. */
  readonly streamKey: string;
  readonly videoKbps: number;
  readonly height: 720 | 1080;
  readonly framesPerSecond: number;
}

const AUDIO_KBPS = 160;
/** Two seconds: what this service and every player are at their best with. */
const KEY_FRAME_SECONDS = 2;
const RECONNECT_RETRY_SECONDS = 1;
const RECONNECT_RETRIES_MAX = 1000;

/** The files of an OBS profile folder: `Profile → Import` reads it. */
export function obsProfileFiles(target: ObsTarget): Readonly<Record<string, string>> {
  const width = target.height === 1080 ? 1920 : 1280;
  const ini: Readonly<Record<string, Readonly<Record<string, string | number | boolean>>>> = {
    General: { Name: profileName(target.channel) },
    Output: {
      Mode: 'Advanced',
      Reconnect: true,
      RetryDelay: RECONNECT_RETRY_SECONDS,
      MaxRetries: RECONNECT_RETRIES_MAX,
    },
    AdvOut: {
      Encoder: 'obs_x264',
      TrackIndex: 1,
      ApplyServiceSettings: false,
      Track1Bitrate: AUDIO_KBPS,
    },
    Video: {
      BaseCX: width,
      BaseCY: target.height,
      OutputCX: width,
      OutputCY: target.height,
      FPSType: 1,
      FPSInt: target.framesPerSecond,
    },
    Audio: { SampleRate: 48_000, ChannelSetup: 'Stereo' },
  };
  const service = {
    type: 'rtmp_custom',
    settings: { server: target.server, key: target.streamKey, use_auth: false, bwtest: false },
  };
  const encoder = {
    rate_control: 'CBR',
    bitrate: target.videoKbps,
    keyint_sec: KEY_FRAME_SECONDS,
    preset: 'veryfast',
    profile: 'high',
    tune: '',
    x264opts: '',
    bf: 2,
  };
  return {
    'basic.ini': Object.entries(ini).map(iniSection).join('\n'),
    'service.json': JSON.stringify(service, undefined, 2),
    'streamEncoder.json': JSON.stringify(encoder, undefined, 2),
  };
}

/** The profile's folder in a ZIP file. It holds the stream key. */
export function obsProfileZip(target: ObsTarget): Uint8Array<ArrayBuffer> {
  const folder = profileName(target.channel).replaceAll(' ', '_');
  const files = Object.entries(obsProfileFiles(target)).map(([name, text]) => [
    `${folder}/${name}`,
    strToU8(text),
  ]);
  return new Uint8Array(zipSync(Object.fromEntries(files)));
}

function profileName(channel: string): string {
  return `Headend ${channel}`;
}

function iniSection([name, values]: [string, Readonly<Record<string, unknown>>]): string {
  const lines = Object.entries(values).map(([key, value]) => `${key}=${value}`);
  return [`[${name}]`, ...lines, ''].join('\n');
}
