import type { z } from 'zod';
import type * as contract from '../contract/encoding.ts';
import { gopFramesOf } from './built-in-draft.ts';
import type { StandardPreset } from './encoding-request.ts';
import { framesPerSecond, parseFrameRate } from './frame-rate.ts';
import { adaptiveLadder } from './ladders.ts';
import { secondsOf } from './overlay-graph.ts';
import { stretched } from './picture-size.ts';
import type { SoundSettings } from './sound-track.ts';
import { picturesOf, type Survey } from './survey.ts';
import { notConfigurable } from './unplannable.ts';
import { LAYER_DEFAULTS, type VideoLayer } from './video-layer.ts';

type Codec = StandardPreset['codecs'][number];
type H264Video = z.output<typeof contract.H264Video>;
type H265Video = z.output<typeof contract.H265Video>;
type Layer = z.output<typeof contract.H264Layer> | z.output<typeof contract.H265Layer>;
type AudioCodec = z.output<typeof contract.AacAudio> | z.output<typeof contract.DDAudio>;

const KEY_FRAME_SECONDS = 2;
const AAC_DEFAULTS = { channels: 2, samplingRate: 48_000, bitrate: 128_000 };

/** The layers of a codec; one of the source's size without any. Throws `Unplannable`. */
export function videoLayers(
  codec: H264Video | H265Video,
  survey: Survey,
  isVariable: boolean,
): readonly VideoLayer[] {
  const layers: readonly Layer[] = codec.layers ?? [];
  if (layers.length > 0) return layers.map((layer) => videoLayer(codec, layer, { survey, isVariable }));
  const [rung] = adaptiveLadder(nameOf(codec), picturesOf(survey));
  const bitrate = rung?.bitrateBps ?? 1;
  return [videoLayer(codec, { bitrate }, { survey, isVariable })];
}

const nameOf = (codec: H264Video | H265Video): VideoLayer['codec'] =>
  codec['@odata.type'] === '#Microsoft.Media.H264Video' ? 'h264' : 'h265';

function videoLayer(
  codec: H264Video | H265Video,
  layer: Layer,
  { survey, isVariable }: { survey: Survey; isVariable: boolean },
): VideoLayer {
  const source = picturesOf(survey);
  const rate = parseFrameRate(layer.frameRate ?? '0/1') ?? source.rate;
  const keyFrameSeconds = secondsOf(codec.keyFrameInterval) ?? KEY_FRAME_SECONDS;
  const { width, height } = layer;
  return {
    ...encoderSettings(codec, layer),
    codec: nameOf(codec),
    label: layer.label ?? undefined,
    codecLabel: codec.label ?? undefined,
    fitted: stretched(source.size, { width, height }, codec.stretchMode ?? 'AutoSize'),
    rate,
    gopFrames: gopFramesOf(keyFrameSeconds, framesPerSecond(rate)),
    keyFrameSeconds: isVariable ? keyFrameSeconds : undefined,
  };
}

/** What was left out is filled in by the service; what it does not fill in is as the specification says. */
function encoderSettings(codec: H264Video | H265Video, layer: Layer) {
  const settings = { ...LAYER_DEFAULTS, ...sentOnly(codec), ...sentOnly(layer) };
  return {
    bitrateBps: layer.bitrate,
    maxBitrateBps: layer.maxBitrate ?? layer.bitrate,
    bufferSeconds: secondsOf(layer.bufferWindow) ?? LAYER_DEFAULTS.bufferSeconds,
    rateControl:
      ('rateControlMode' in codec ? codec.rateControlMode : undefined) ?? LAYER_DEFAULTS.rateControl,
    crf: settings.crf,
    bFrames: settings.bFrames,
    adaptiveBFrame: settings.adaptiveBFrame,
    referenceFrames: settings.referenceFrames,
    slices: settings.slices,
    profile: settings.profile,
    level: levelOf(layer.level),
    entropy: ('entropyMode' in layer ? layer.entropyMode : undefined) ?? LAYER_DEFAULTS.entropy,
    complexity: settings.complexity,
    sceneChangeDetection: settings.sceneChangeDetection,
  };
}

type Sent<T> = { readonly [K in keyof T]?: NonNullable<T[K]> };

function sentOnly<T extends object>(value: T): Sent<T> {
  // Without its null and undefined fields it is what the type says.
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field != null)) as Sent<T>;
}

const levelOf = (level: string | null | undefined): string | undefined =>
  level == null || level.toLowerCase() === 'auto' ? undefined : level.replace(/\.0$/, '');

/** Throws `Unplannable` for what this service has no encoder of. */
export function audioSettings(codec: AudioCodec): SoundSettings {
  const isAac = codec['@odata.type'] === '#Microsoft.Media.AacAudio';
  if (isAac && codec.profile != null && codec.profile !== 'AacLc') {
    throw notConfigurable(
      `The AAC profile ${codec.profile} cannot be encoded: FFmpeg as it is installed here has no encoder for HE-AAC. Choose AacLc.`,
    );
  }
  return {
    codec: isAac ? 'aac' : 'ac3',
    label: codec.label ?? undefined,
    channels: codec.channels ?? AAC_DEFAULTS.channels,
    samplingRate: codec.samplingRate ?? AAC_DEFAULTS.samplingRate,
    bitrateBps: codec.bitrate ?? AAC_DEFAULTS.bitrate,
  };
}

/**
 * Whether pictures keep the times of the source. `Auto` does not: the original puts pictures of MP4 on a grid
 * (specification of syncMode). One decoding makes all layers, so they agree. Throws `Unplannable`.
 */
export function isVariableRate(codecs: readonly Codec[], { clips }: Survey): boolean {
  const videos = codecs.flatMap((codec) =>
    codec['@odata.type'] === '#Microsoft.Media.H264Video' ||
    codec['@odata.type'] === '#Microsoft.Media.H265Video'
      ? [codec]
      : [],
  );
  const variable = videos.filter(({ syncMode }) => syncMode === 'Passthrough' || syncMode === 'Vfr');
  if (variable.length === 0) return false;
  const rated = videos.some(({ layers }) =>
    layers?.some(({ frameRate }) => parseFrameRate(frameRate ?? '0/1') !== undefined),
  );
  if (variable.length < videos.length || rated || clips.length > 1) {
    const mode = variable[0]?.syncMode;
    throw notConfigurable(
      `The syncMode ${mode} is for one clip, without a frame rate, and for all of its video codecs.`,
    );
  }
  return true;
}
