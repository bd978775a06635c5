import type { Draft } from './assemble-plan.ts';
import type { WrittenTrack } from './container-files.ts';
import { basenameOf, distinctNames, fileName } from './file-names.ts';
import type { AudioTrack, VideoTrack } from './input-tracks.ts';
import type { CopiedTrack, MediaFile } from './media-files.ts';
import { seconds } from './picture-graph.ts';
import { displaySize } from './picture-size.ts';
import type { SourceFile } from './source.ts';
import type { Survey } from './survey.ts';
import { type PlacedClip, zeroOf } from './timeline.ts';
import { notConfigurable, notSupported } from './unplannable.ts';

const VIDEO_CODECS = ['h264', 'hevc'];
const AUDIO_CODECS = ['aac', 'ac3', 'eac3'];
const AUDIO_NAMES: Readonly<Record<string, string>> = { aac: 'AACAudio', ac3: 'DDAudio', eac3: 'DDPAudio' };

/** Every track of the input as it is, in a file of its own. A clip begins at a key frame. Throws `Unplannable`. */
export function copyDraft(survey: Survey): Draft {
  const clip = onlyClip(survey);
  const basename = basenameOf(survey.sourceName, 'copied');
  const videos = clip.tracks.videos.map((track) => copiedVideo(track, clip));
  const audios = distinctAudios(clip.tracks.audios).map((track) => copiedAudio(track, clip));
  const names = distinctNames([...videos, ...audios].map(({ track }) => nameOf(basename, track)));
  return {
    basename,
    layers: [],
    sounds: [],
    files: [...videos, ...audios].map(
      (copy, at): MediaFile => ({
        name: names[at] ?? '',
        container: 'mp4',
        layers: [],
        sounds: [],
        copies: [copy],
      }),
    ),
    isVariable: false,
    images: () => [],
  };
}

export function onlyClip({ clips }: Survey): PlacedClip {
  const [clip] = clips;
  if (clip === undefined || clips.length > 1) {
    throw notConfigurable('Clips are put together by encoding them: tracks of a sequence cannot be copied.');
  }
  return clip;
}

function nameOf(basename: string, track: WrittenTrack): string {
  const { bitrateBps } = track;
  if (track.type === 'video') {
    const pattern = '{Basename}_{Resolution}_{Bitrate}{Extension}';
    return fileName(pattern, { basename, extension: '.mp4', size: track.size, bitrateBps });
  }
  const codec = AUDIO_NAMES[track.codec];
  return fileName('{Basename}_{Codec}_{Bitrate}{Extension}', {
    basename,
    extension: '.mp4',
    codec,
    bitrateBps,
  });
}

/** Files of one ladder have the same sound each. */
function distinctAudios(audios: readonly AudioTrack[]): readonly AudioTrack[] {
  const seen = new Set<string>();
  return audios.filter(({ file, audio }) => {
    const others = file.audio.filter(
      (one) => one.language === audio.language && one.channels === audio.channels,
    );
    const key = JSON.stringify([audio.language, audio.channels, audio.codec, others.indexOf(audio)]);
    const isNew = !seen.has(key);
    seen.add(key);
    return isNew;
  });
}

export function copiedVideo({ file, video }: VideoTrack, clip: PlacedClip): CopiedTrack {
  if (!VIDEO_CODECS.includes(video.codec)) {
    throw notSupported(
      `'${file.name}' has pictures of the codec '${video.codec}', which cannot be copied into MP4.`,
    );
  }
  const heardBps = file.audio.reduce((sum, { bitrateBps = 0 }) => sum + bitrateBps, 0);
  const restBps = (file.bitrateBps ?? averageBps(file)) - heardBps;
  return {
    input: copyInput(file, clip),
    streamIndex: video.streamIndex,
    track: {
      type: 'video',
      codec: video.codec,
      size: displaySize(video, video.rotationDegrees),
      rate: video.frameRate,
      bitrateBps: Math.max(1, Math.round(video.bitrateBps ?? restBps)),
    },
  };
}

const BITRATE_UNKNOWN_BPS = 128_000;

export function copiedAudio({ file, audio }: AudioTrack, clip: PlacedClip): CopiedTrack {
  if (!AUDIO_CODECS.includes(audio.codec)) {
    throw notSupported(
      `'${file.name}' has sound of the codec '${audio.codec}', which cannot be copied into MP4.`,
    );
  }
  const { channels, samplingRate, language, codec } = audio;
  const bitrateBps = audio.bitrateBps ?? BITRATE_UNKNOWN_BPS;
  return {
    input: copyInput(file, clip),
    streamIndex: audio.streamIndex,
    track: { type: 'audio', codec, channels, samplingRate, language, bitrateBps },
  };
}

const averageBps = ({ sizeBytes, durationSeconds }: SourceFile): number =>
  durationSeconds > 0 ? (sizeBytes * 8) / durationSeconds : 1;

function copyInput(
  file: SourceFile,
  { fromSeconds, durationSeconds, isWhole }: PlacedClip,
): readonly string[] {
  const zero = zeroOf(file) - file.startSeconds;
  if (isWhole) return [...(zero > 0 ? ['-itsoffset', seconds(-zero)] : []), '-i', file.path];
  const start = fromSeconds + zero;
  return [...(start > 0 ? ['-ss', seconds(start)] : []), '-t', seconds(durationSeconds), '-i', file.path];
}
