import type { AudioTrack, Channel } from './input-tracks.ts';
import type { PlacedClip } from './timeline.ts';
import { notConfigurable } from './unplannable.ts';

/** Sound that is made, with all that its encoder is told. */
export interface SoundTrack {
  readonly codec: 'aac' | 'ac3';
  readonly label: string | undefined;
  readonly channels: number;
  readonly samplingRate: number;
  readonly bitrateBps: number;
  /** As the source says. */
  readonly language: string | undefined;
  /** Of each clip; several are one channel each, none is silence. */
  readonly sources: readonly (readonly AudioTrack[])[];
}

export type SoundSettings = Pick<SoundTrack, 'codec' | 'label' | 'channels' | 'samplingRate' | 'bitrateBps'>;

const STEREO: readonly Channel[] = ['StereoLeft', 'StereoRight'];
const SURROUND: readonly Channel[] = [
  'FrontLeft',
  'FrontRight',
  'Center',
  'LowFrequencyEffects',
  'BackLeft',
  'BackRight',
];

/**
 * What is made with some settings: one of every track that was selected as it is, and one of the tracks that were mapped
 * to channels. None when no clip has sound. Throws `Unplannable` for channels that make no whole.
 */
export function soundTracks(clips: readonly PlacedClip[], settings: SoundSettings): readonly SoundTrack[] {
  const plain = Math.max(0, ...clips.map((clip) => plainTracks(clip).length));
  const isMapped = clips.some(({ audios }) => audios.some(({ channel }) => channel !== undefined));
  const whole = Array.from({ length: plain }, (_, at) =>
    clips.map((clip) => plainTracks(clip).slice(at, at + 1)),
  );
  const mapped = isMapped ? [clips.map((clip) => mappedTracks(clip, settings.channels))] : [];
  return [...whole, ...mapped].map((sources) => ({
    ...settings,
    sources,
    language: sources.flat().find(({ audio }) => audio.language !== undefined)?.audio.language,
  }));
}

const plainTracks = ({ audios }: PlacedClip): readonly AudioTrack[] =>
  audios.filter(({ channel }) => channel === undefined);

/** In the order of the channels that FFmpeg has in `stereo` and `5.1`. */
function mappedTracks({ audios }: PlacedClip, channels: number): readonly AudioTrack[] {
  const has = (names: readonly Channel[]) =>
    names.every((name) => audios.some(({ channel }) => channel === name));
  const stereo = has(STEREO) ? STEREO : undefined;
  const front = has(SURROUND) ? SURROUND : has(SURROUND.slice(0, 2)) ? SURROUND.slice(0, 2) : undefined;
  const names = channels <= 2 ? (stereo ?? front) : (front ?? stereo);
  if (names === undefined) {
    throw notConfigurable(
      `Channels are mapped, but neither ${STEREO.join(' and ')} nor ${SURROUND.join(', ')} are all there.`,
    );
  }
  return names.flatMap((name) => audios.find(({ channel }) => channel === name) ?? []);
}

const LAYOUTS = ['mono', 'stereo', '3.0', '4.0', '5.0', '5.1', '6.1', '7.1'] as const;

/** FFmpeg's name of so many channels, as AAC and Dolby Digital order them. */
export function layoutOf(codec: SoundTrack['codec'], channels: number): string {
  if (codec === 'ac3' && channels === 6) return '5.1(side)';
  return LAYOUTS[channels - 1] ?? 'stereo';
}
