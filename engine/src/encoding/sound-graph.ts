import type { z } from 'zod';
import type * as contract from '../contract/encoding.ts';
import { REPEATABLE } from './encoder-arguments.ts';
import type { WholeStep } from './encoding-plan.ts';
import { frameSeconds } from './frame-rate.ts';
import type { AudioTrack } from './input-tracks.ts';
import { mediaSeconds } from './media-seconds.ts';
import { isStill, overlayFile, secondsOf } from './overlay-graph.ts';
import { seconds } from './picture-graph.ts';
import type { PictureWork } from './picture-work.ts';
import { layoutOf, type SoundTrack } from './sound-track.ts';
import type { Ratio } from './source.ts';
import { zeroOf } from './timeline.ts';

type Overlay = z.output<typeof contract.Overlay>;

/** All sound of an output before it is made into tracks. */
export interface SoundWork {
  readonly clips: readonly HeardClip[];
  readonly filters: PictureWork['filters'];
  readonly overlays: PictureWork['overlays'];
  /** Of the output: what fades by frames or percent are measured by. */
  readonly durationSeconds: number;
  readonly rate: Ratio;
  readonly threads: number;
}

export interface HeardClip {
  readonly fromSeconds: number;
  readonly startsAtSeconds: number;
  readonly durationSeconds: number;
}

const PREROLL_SECONDS = 1;
/** Seconds of sound that one core encodes in a second, about. */
const ENCODED_PER_SECOND = 40;

/** The whole time line at once: encoders of sound begin with silence of their own, which a seam would repeat. */
export function soundStep(work: SoundWork, sounds: readonly SoundTrack[]): WholeStep {
  const inputs: (readonly string[])[] = [];
  const chains = sounds.flatMap((sound, at) => soundChains(work, sound, { at, inputs }));
  return {
    kind: 'whole',
    name: 'sound',
    cost: (work.durationSeconds * sounds.length) / ENCODED_PER_SECOND,
    run: {
      arguments: [
        '-copyts',
        ...inputs.flat(),
        ...['-filter_complex_threads', String(work.threads), '-filter_complex', chains.join(';')],
        ...sounds.flatMap((sound, at) => ['-map', `[a${at}]`, ...audioArguments(sound), soundPath(at)]),
      ],
      writes: sounds.map((_, at) => soundPath(at)),
      texts: [],
      durationSeconds: work.durationSeconds,
    },
  };
}

export const soundPath = (at: number): string => `a${at}.mp4`;

function audioArguments({ codec, bitrateBps }: SoundTrack): string[] {
  return [...REPEATABLE, '-flags:a', '+bitexact', '-c:a', codec, '-b:a', String(bitrateBps)];
}

interface Place {
  readonly at: number;
  /** Grows by what is read. */
  readonly inputs: (readonly string[])[];
}

function soundChains(work: SoundWork, sound: SoundTrack, { at, inputs }: Place): string[] {
  const chains: string[] = [];
  const isOne = work.clips.length === 1;
  for (const [index, clip] of work.clips.entries()) {
    const label = `a${at}c${index}`;
    const sources = sound.sources[index] ?? [];
    const read = sources.map((source) => {
      inputs.push(soundInput(source, clip));
      return `[${inputs.length - 1}:${source.audio.streamIndex}]${clipSound(source, clip, sound)}`;
    });
    chains.push(
      ...clipChains(read, { label, sound, padding: isOne && read.length > 0 ? [] : padding(clip, sound) }),
    );
  }
  const labels = work.clips.map((_, index) => `[a${at}c${index}]`).join('');
  const joined = isOne ? 'anull' : `concat=n=${work.clips.length}:v=0:a=1`;
  const mixed = mixedOverlays(work, sound, { at, inputs });
  chains.push(`${labels}${joined}[a${at}o0]`, ...mixed.chains);
  const shaped = `aformat=sample_fmts=fltp:sample_rates=${sound.samplingRate}:channel_layouts=${layout(sound)}`;
  chains.push(`[a${at}o${mixed.count}]${[...fades(work), shaped].join(',')}[a${at}]`);
  return chains;
}

const layout = ({ codec, channels }: SoundTrack): string => layoutOf(codec, channels);

function soundInput({ file }: AudioTrack, { fromSeconds }: HeardClip): readonly string[] {
  const seek = fromSeconds + zeroOf(file) - file.startSeconds - PREROLL_SECONDS;
  return seek <= 0 ? ['-i', file.path] : ['-noaccurate_seek', '-ss', seconds(seek), '-i', file.path];
}

/** Silence where the file has none of its own, before it begins and in holes, so that it stays with the pictures. */
function clipSound({ file }: AudioTrack, clip: HeardClip, { samplingRate }: SoundTrack): string {
  const zero = seconds(zeroOf(file) + clip.fromSeconds);
  return [
    `asetpts=floor(PTS-${zero}/TB+0.5)`,
    `atrim=start=0:end=${seconds(clip.durationSeconds)}`,
    `aresample=${samplingRate}:async=1:first_pts=0`,
  ].join(',');
}

/** Clips of a sequence are as long as their pictures, to the sample. */
function padding({ startsAtSeconds, durationSeconds }: HeardClip, { samplingRate }: SoundTrack): string[] {
  const from = Math.round(startsAtSeconds * samplingRate);
  const until = Math.round((startsAtSeconds + durationSeconds) * samplingRate);
  return [`apad=whole_len=${until - from}`, `atrim=end_sample=${until - from}`];
}

const JOINED: Readonly<Record<number, string>> = {
  2: 'stereo:map=0.0-FL|1.0-FR',
  6: '5.1:map=0.0-FL|1.0-FR|2.0-FC|3.0-LFE|4.0-BL|5.0-BR',
};

function clipChains(
  read: readonly string[],
  { label, sound, padding }: { label: string; sound: SoundTrack; padding: readonly string[] },
): string[] {
  const shaped = `aformat=sample_fmts=fltp:sample_rates=${sound.samplingRate}:channel_layouts=${layout(sound)}`;
  const end = [shaped, ...padding].join(',');
  if (read.length === 0) return [`anullsrc=r=${sound.samplingRate}:cl=${layout(sound)},${end}[${label}]`];
  if (read.length === 1) return [`${read[0]},${end}[${label}]`];
  const channels = read.map(
    (chain, at) => `${chain},aformat=sample_fmts=fltp:channel_layouts=mono[${label}m${at}]`,
  );
  const labels = read.map((_, at) => `[${label}m${at}]`).join('');
  return [
    ...channels,
    `${labels}join=inputs=${read.length}:channel_layout=${JOINED[read.length]},${end}[${label}]`,
  ];
}

function fades({ filters, durationSeconds, rate }: SoundWork): string[] {
  const whole = { seconds: durationSeconds, rate };
  const { fadeIn, fadeOut } = filters;
  const filtersMade: string[] = [];
  if (fadeIn != null) {
    const start = mediaSeconds(fadeIn.start ?? 'PT0S', whole);
    filtersMade.push(`afade=t=in:st=${seconds(start)}:d=${seconds(mediaSeconds(fadeIn.duration, whole))}`);
  }
  if (fadeOut != null) {
    const lasts = mediaSeconds(fadeOut.duration, whole);
    const start = fadeOut.start == null ? durationSeconds - lasts : mediaSeconds(fadeOut.start, whole);
    filtersMade.push(`afade=t=out:st=${seconds(Math.max(0, start))}:d=${seconds(lasts)}`);
  }
  return filtersMade;
}

/** What overlays sound like, mixed in at their gain; the length stays that of the sound below them. */
function mixedOverlays(work: SoundWork, sound: SoundTrack, { at, inputs }: Place) {
  const chains: string[] = [];
  let count = 0;
  for (const overlay of work.filters.overlays ?? []) {
    const chain = overlayChain(work, overlay, { sound, inputs });
    if (chain === undefined) continue;
    chains.push(
      `${chain}[a${at}f${count}]`,
      `[a${at}o${count}][a${at}f${count}]amix=inputs=2:duration=first:dropout_transition=0:normalize=0[a${at}o${count + 1}]`,
    );
    count += 1;
  }
  return { chains, count };
}

function overlayChain(
  work: SoundWork,
  overlay: Overlay,
  { sound, inputs }: { sound: SoundTrack; inputs: (readonly string[])[] },
): string | undefined {
  const file = overlayFile(work.overlays, overlay.inputLabel);
  const [audio] = file.audio;
  const gain = overlay.audioGainLevel ?? 1;
  if (audio === undefined || isStill(file) || gain === 0) return undefined;
  const start = secondsOf(overlay.start) ?? 0;
  const end = Math.min(secondsOf(overlay.end) ?? work.durationSeconds, start + audio.durationSeconds);
  const fadeIn = secondsOf(overlay.fadeInDuration) ?? 0;
  const fadeOut = secondsOf(overlay.fadeOutDuration) ?? 0;
  inputs.push(['-i', file.path]);
  return [
    `[${inputs.length - 1}:${audio.streamIndex}]asetpts=floor(PTS-${seconds(zeroOf(file))}/TB+0.5)`,
    `atrim=start=0:end=${seconds(Math.max(0, end - start))}`,
    `volume=${gain}`,
    ...(fadeIn > 0 ? [`afade=t=in:st=0:d=${fadeIn}`] : []),
    ...(fadeOut > 0 ? [`afade=t=out:st=${seconds(Math.max(0, end - start - fadeOut))}:d=${fadeOut}`] : []),
    // Silence up to its start keeps it there.
    `asetpts=floor(PTS+${start}/TB+0.5)`,
    `aresample=${sound.samplingRate}:async=1:first_pts=0`,
    `aformat=sample_fmts=fltp:sample_rates=${sound.samplingRate}:channel_layouts=${layout(sound)}`,
  ].join(',');
}

/** Where clips are on the time line: those of a sequence last as long as the frames that they have. */
export function heardClips(
  clips: readonly { readonly fromSeconds: number; readonly durationSeconds: number }[],
  frames: readonly number[],
  rate: Ratio,
): readonly HeardClip[] {
  if (clips.length === 1) return clips.map((clip) => ({ ...clip, startsAtSeconds: 0 }));
  let before = 0;
  return clips.map(({ fromSeconds }, at) => {
    const startsAtSeconds = frameSeconds(before, rate);
    before += frames[at] ?? 0;
    return { fromSeconds, startsAtSeconds, durationSeconds: frameSeconds(before, rate) - startsAtSeconds };
  });
}
