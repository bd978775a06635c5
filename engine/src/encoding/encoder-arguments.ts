import type { VideoLayer } from './video-layer.ts';

const X264_PRESETS = { Speed: 'superfast', Balanced: 'veryfast', Quality: 'medium' } as const;
const X265_PRESETS = { Speed: 'ultrafast', Balanced: 'superfast', Quality: 'medium' } as const;
/** How much a scene has to change, of x264 and x265 alike, when key frames may be added there. */
const SCENE_CUT = 40;
const VARIABLE_GOP_FACTOR = 8;
/**
 * How full the decoder's buffer is at the start, and how soon a mean bitrate is made good: with the encoders' own values
 * short files, and each part of a long one, come out a tenth too large.
 */
const BUFFER_AT_START = 0.5;
const RATE_TOLERANCE = 0.1;
/** What makes two runs of the same write the same bytes. */
export const REPEATABLE = ['-map_metadata', '-1', '-map_chapters', '-1', '-fflags', '+bitexact'] as const;

/** What is between `-map` and the name of the file. All parts of a layer have the same, so their parameter sets are one. */
export function videoArguments(layer: VideoLayer, threads: number): string[] {
  const common = [
    ...REPEATABLE,
    '-fps_mode',
    'passthrough',
    '-flags:v',
    '+bitexact',
    '-threads',
    String(threads),
  ];
  return [...common, ...(layer.codec === 'h264' ? h264Arguments(layer) : h265Arguments(layer, threads))];
}

/** Of 8 bits and 4:2:0, which is what players decode, unless the profile says otherwise. */
export function pixelFormat({ codec, profile }: VideoLayer): string {
  if (codec === 'h265') return profile === 'Main10' ? 'yuv420p10le' : 'yuv420p';
  if (profile === 'High422') return 'yuv422p';
  return profile === 'High444' ? 'yuv444p' : 'yuv420p';
}

function h264Arguments(layer: VideoLayer): string[] {
  const { profile, level, slices, gopFrames } = layer;
  return [
    ...['-c:v', 'libx264', '-preset', X264_PRESETS[layer.complexity]],
    ...(profile === 'Auto' ? [] : ['-profile:v', profile.toLowerCase()]),
    ...(level === undefined ? [] : ['-level:v', level]),
    ...['-bf', String(layer.bFrames), '-b_strategy', layer.adaptiveBFrame ? '1' : '0'],
    ...['-refs', String(layer.referenceFrames)],
    ...(slices === 0 ? [] : ['-slices', String(slices)]),
    ...keyFrameArguments(layer),
    ...rateArguments(layer),
    '-x264-params',
    [
      'open-gop=0',
      ...(addsKeyFrames(layer) ? [] : [`min-keyint=${gopFrames}`]),
      ...(layer.rateControl === 'ABR' ? [`ratetol=${RATE_TOLERANCE}`] : []),
      ...(layer.rateControl === 'CRF' ? [] : [`vbv-init=${BUFFER_AT_START}`]),
      ...(layer.entropy === 'Cavlc' ? ['cabac=0'] : []),
      ...(layer.rateControl === 'CBR' ? ['nal-hrd=cbr'] : []),
    ].join(':'),
  ];
}

function keyFrameArguments(layer: VideoLayer): string[] {
  const interval = ['-g', String(longestGop(layer))];
  const sceneCut = ['-sc_threshold', String(layer.sceneChangeDetection ? SCENE_CUT : 0)];
  return [...interval, ...sceneCut, ...forcedKeyFrames(layer)];
}

/** Added key frames must not move the others: those of all layers stand at the same times. */
function forcedKeyFrames({ gopFrames, keyFrameSeconds, sceneChangeDetection }: VideoLayer): string[] {
  if (!sceneChangeDetection && keyFrameSeconds === undefined) return [];
  const when =
    keyFrameSeconds === undefined ? `not(mod(n,${gopFrames}))` : `gte(t,n_forced*${keyFrameSeconds})`;
  return ['-forced-idr', '1', '-force_key_frames', `expr:${when}`];
}

/** Pictures that come as they please may come much faster for a while. */
const longestGop = ({ gopFrames, keyFrameSeconds }: VideoLayer): number =>
  keyFrameSeconds === undefined ? gopFrames : gopFrames * VARIABLE_GOP_FACTOR;

const addsKeyFrames = ({ sceneChangeDetection, keyFrameSeconds }: VideoLayer): boolean =>
  sceneChangeDetection || keyFrameSeconds !== undefined;

function rateArguments({ rateControl, bitrateBps, maxBitrateBps, bufferSeconds, crf }: VideoLayer): string[] {
  const buffer = ['-bufsize', String(Math.round(maxBitrateBps * bufferSeconds))];
  switch (rateControl) {
    case 'CRF':
      return ['-crf', String(crf), '-maxrate', String(maxBitrateBps), ...buffer];
    case 'CBR': {
      const rate = String(bitrateBps);
      const size = ['-bufsize', String(Math.round(bitrateBps * bufferSeconds))];
      return ['-b:v', rate, '-minrate', rate, '-maxrate', rate, ...size];
    }
    case 'ABR':
      return ['-b:v', String(bitrateBps), '-maxrate', String(maxBitrateBps), ...buffer];
  }
}

const KILOBITS = 1000;

/** libx265 reads little of FFmpeg's own options. */
function h265Arguments(layer: VideoLayer, threads: number): string[] {
  const { profile, level, gopFrames, maxBitrateBps, bufferSeconds, sceneChangeDetection } = layer;
  return [
    ...['-c:v', 'libx265', '-preset', X265_PRESETS[layer.complexity], '-tag:v', 'hvc1'],
    ...(profile === 'Auto' ? [] : ['-profile:v', profile.toLowerCase()]),
    ...forcedKeyFrames(layer),
    ...['-b:v', String(layer.bitrateBps)],
    '-x265-params',
    [
      'log-level=error',
      'info=0',
      'open-gop=0',
      'repeat-headers=0',
      `keyint=${longestGop(layer)}`,
      `min-keyint=${addsKeyFrames(layer) ? 1 : gopFrames}`,
      `scenecut=${sceneChangeDetection ? SCENE_CUT : 0}`,
      `vbv-maxrate=${Math.round(maxBitrateBps / KILOBITS)}`,
      `vbv-bufsize=${Math.round((maxBitrateBps / KILOBITS) * bufferSeconds)}`,
      `vbv-init=${BUFFER_AT_START}`,
      `bframes=${layer.bFrames}`,
      `b-adapt=${layer.adaptiveBFrame ? 1 : 0}`,
      `ref=${layer.referenceFrames}`,
      // One pool for all threads there are, however many frames are in flight.
      `pools=${threads}`,
      `frame-threads=${Math.min(threads, 4)}`,
      ...(layer.slices === 0 ? [] : [`slices=${layer.slices}`]),
      ...(level === undefined ? [] : [`level-idc=${level}`]),
    ].join(':'),
  ];
}
