import type { Draft } from './assemble-plan.ts';
import { contentAwareRungs } from './content-aware.ts';
import { copyDraft } from './copy-draft.ts';
import type { BuiltInPreset } from './encoding-request.ts';
import { basenameOf, fileName, kilobits } from './file-names.ts';
import { framesPerSecond } from './frame-rate.ts';
import { adaptiveLadder, fixedLadder, type Rung } from './ladders.ts';
import type { MediaFile } from './media-files.ts';
import { type SoundSettings, type SoundTrack, soundTracks } from './sound-track.ts';
import { picturesOf, type Survey } from './survey.ts';
import { notSupported } from './unplannable.ts';
import { type Complexity, LAYER_DEFAULTS, type VideoLayer } from './video-layer.ts';

const VIDEO_PATTERN = '{Basename}_{Resolution}_{Bitrate}{Extension}';
const STEREO = { label: undefined, channels: 2, samplingRate: 48_000 } as const;
const STEREO_AAC: SoundSettings = { ...STEREO, codec: 'aac', bitrateBps: 128_000 };
const GOOD_QUALITY_BPS = 192_000;
const KEY_FRAME_SECONDS = 2;
/**
 * Held to its mean, x264 stays 6 % below it where pictures are hard: it keeps some of the decoder's buffer in reserve.
 * x265 comes within 4 % of it then, and with room above it exceeds it by 6 %.
 */
const PEAK_TO_MEAN = { h264: 1.1, h265: 1 } as const;

/** Reference §5.3. Throws `Unplannable`. */
export function builtInDraft(preset: BuiltInPreset, survey: Survey): Draft {
  const { presetName } = preset;
  switch (presetName) {
    case 'CopyAllBitrateNonInterleaved':
      return copyDraft(survey);
    case 'AACGoodQualityAudio':
      return audioDraft(survey, { ...STEREO, codec: 'aac', bitrateBps: GOOD_QUALITY_BPS });
    case 'DDGoodQualityAudio':
      return audioDraft(survey, { ...STEREO, codec: 'ac3', bitrateBps: GOOD_QUALITY_BPS });
    case 'AdaptiveStreaming':
    case 'H265AdaptiveStreaming':
    case 'ContentAwareEncoding':
    case 'ContentAwareEncodingExperimental':
    case 'H265ContentAwareEncoding':
      return adaptiveDraft(preset, survey);
    default:
      return ladderDraft(preset, survey, {
        rungs: fixedLadder(presetName, picturesOf(survey)) ?? [],
        isInterleaved: true,
        // Reference §5.3: the presets of one quality set key frames at scene changes as well.
        more: { sceneChangeDetection: presetName.includes('SingleBitrate') },
      });
  }
}

const codecOf = ({ presetName }: BuiltInPreset): VideoLayer['codec'] =>
  presetName.startsWith('H265') ? 'h265' : 'h264';

function adaptiveDraft(preset: BuiltInPreset, survey: Survey): Draft {
  const { pictures, request } = survey;
  if (pictures === undefined) return audioDraft(survey, STEREO_AAC);
  const { configurations } = preset;
  const rungs = preset.presetName.endsWith('AdaptiveStreaming')
    ? adaptiveLadder(codecOf(preset), pictures)
    : contentAwareRungs(survey, pictures, {
        codec: codecOf(preset),
        analysisBytes: request.analysisBytes,
        configurations,
      });
  return ladderDraft(preset, survey, {
    rungs,
    isInterleaved: configurations?.interleaveOutput === 'InterleavedOutput',
    more: {
      complexity: configurations?.complexity ?? 'Balanced',
      keyFrameSeconds: configurations?.keyFrameIntervalInSeconds ?? KEY_FRAME_SECONDS,
    },
  });
}

interface Ladder {
  readonly rungs: readonly Rung[];
  readonly isInterleaved: boolean;
  readonly more: {
    readonly sceneChangeDetection?: boolean;
    readonly complexity?: Complexity;
    readonly keyFrameSeconds?: number;
  };
}

function ladderDraft(preset: BuiltInPreset, survey: Survey, { rungs, isInterleaved, more }: Ladder): Draft {
  const { rate } = picturesOf(survey);
  const { keyFrameSeconds = KEY_FRAME_SECONDS, ...settings } = more;
  const codec = codecOf(preset);
  const layers = rungs.map(
    ({ size, bitrateBps }): VideoLayer => ({
      ...LAYER_DEFAULTS,
      ...settings,
      codec,
      fitted: { size, picture: size },
      rate,
      gopFrames: gopFramesOf(keyFrameSeconds, framesPerSecond(rate)),
      bitrateBps,
      maxBitrateBps: Math.round(bitrateBps * PEAK_TO_MEAN[codec]),
    }),
  );
  const sounds = soundTracks(survey.clips, STEREO_AAC);
  const basename = basenameOf(survey.sourceName, 'encoded');
  const all = sounds.map((_, at) => at);
  const videos = layers.map(
    ({ fitted: { size }, bitrateBps }, at): MediaFile => ({
      name: fileName(VIDEO_PATTERN, { basename, extension: '.mp4', size, bitrateBps }),
      container: 'mp4',
      layers: [at],
      sounds: isInterleaved ? all : [],
      copies: [],
    }),
  );
  return {
    basename,
    layers,
    sounds,
    files: [...videos, ...(isInterleaved ? [] : soundFiles(basename, sounds))],
    isVariable: false,
    images: () => [],
  };
}

export const gopFramesOf = (seconds: number, fps: number): number => Math.max(1, Math.round(seconds * fps));

function audioDraft(survey: Survey, settings: SoundSettings): Draft {
  const sounds = soundTracks(survey.clips, settings);
  if (sounds.length === 0)
    throw notSupported(`'${survey.sourceName}' has no sound, which the preset encodes.`);
  const basename = basenameOf(survey.sourceName, 'encoded');
  return {
    basename,
    layers: [],
    sounds,
    files: soundFiles(basename, sounds),
    isVariable: false,
    images: () => [],
  };
}

const CODEC_NAMES = { aac: 'AACAudio', ac3: 'DDAudio' } as const;

function soundFiles(basename: string, sounds: readonly SoundTrack[]): readonly MediaFile[] {
  return sounds.map(({ codec, bitrateBps }, at) => {
    const number = sounds.length === 1 ? '' : `_${at + 1}`;
    const name = `${basename}_${CODEC_NAMES[codec]}${number}_${kilobits(bitrateBps)}.mp4`;
    return { name, container: 'mp4', layers: [], sounds: [at], copies: [] };
  });
}
