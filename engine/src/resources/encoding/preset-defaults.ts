type Fields = Readonly<Record<string, unknown>>;

/**
 * What the service fills in, by type and, for what has no `@odata.type`, by where it stands in one. The values of H.264
 * video and of the lists are those of recorded answers, the others are what the specification calls the default.
 */
const DEFAULTS: Readonly<Record<string, Fields>> = {
  TransformOutput: { onError: 'StopProcessingJob', relativePriority: 'Normal' },
  FaceDetectorPreset: { resolution: 'SourceResolution', mode: 'Analyze' },
  AudioAnalyzerPreset: { mode: 'Standard' },
  VideoAnalyzerPreset: { mode: 'Standard', insightsToExtract: 'AllInsights' },
  'StandardEncoderPreset.filters': { rotation: 'Auto' },
  'StandardEncoderPreset.filters.deinterlace': { parity: 'Auto', mode: 'AutoPixelAdaptive' },
  AudioOverlay: { audioGainLevel: 1 },
  VideoOverlay: { audioGainLevel: 1, opacity: 1 },
  AacAudio: { channels: 2, samplingRate: 48_000, bitrate: 128_000, profile: 'AacLc' },
  DDAudio: { channels: 2, samplingRate: 48_000, bitrate: 192_000 },
  H264Video: {
    keyFrameInterval: 'PT2S',
    stretchMode: 'AutoSize',
    syncMode: 'Auto',
    sceneChangeDetection: false,
    rateControlMode: 'ABR',
    complexity: 'Balanced',
    layers: [],
  },
  'H264Video.layers': {
    bFrames: 3,
    slices: 0,
    adaptiveBFrame: true,
    profile: 'Auto',
    level: 'auto',
    bufferWindow: 'PT5S',
    referenceFrames: 3,
    crf: 23,
    entropyMode: 'Cabac',
  },
  H265Video: {
    keyFrameInterval: 'PT2S',
    stretchMode: 'AutoSize',
    syncMode: 'Auto',
    sceneChangeDetection: false,
    complexity: 'Balanced',
    layers: [],
  },
  'H265Video.layers': {
    bFrames: 3,
    slices: 0,
    adaptiveBFrame: true,
    profile: 'Auto',
    level: 'auto',
    bufferWindow: 'PT5S',
    referenceFrames: 3,
    crf: 28,
  },
  JpgImage: { stretchMode: 'AutoSize', syncMode: 'Auto', step: '10%', range: '100%', layers: [] },
  'JpgImage.layers': { quality: 70 },
  PngImage: { stretchMode: 'AutoSize', syncMode: 'Auto', step: '10%', range: '100%', layers: [] },
  Mp4Format: { outputFiles: [] },
  TransportStreamFormat: { outputFiles: [] },
  JobInputClip: { files: [], inputDefinitions: [] },
  JobInputAsset: { files: [], inputDefinitions: [] },
  JobInputHttp: { files: [], inputDefinitions: [] },
  JobInputSequence: { inputs: [] },
  JobInputs: { inputs: [] },
  FromAllInputFile: { includedTracks: [] },
  FromEachInputFile: { includedTracks: [] },
  InputFile: { includedTracks: [] },
};

/** A field which, when it is not sent, is as another one beside it. */
const TAKEN_FROM: Readonly<Record<string, readonly { readonly field: string; readonly other: string }[]>> = {
  'H264Video.layers': [{ field: 'maxBitrate', other: 'bitrate' }],
  'H265Video.layers': [{ field: 'maxBitrate', other: 'bitrate' }],
};

const TYPE_PREFIX = '#Microsoft.Media.';

/** `H264Video` of an object whose `@odata.type` is `#Microsoft.Media.H264Video`. */
export const typeNameOf = (typed: { readonly '@odata.type': string }): string =>
  typed['@odata.type'].slice(TYPE_PREFIX.length);

/** As the service answers it: what was not sent or sent as null has its default or is not there. */
export function withDefaults<T>(value: T, kind = ''): T {
  // The same shape with other optional fields set, which the type of a parsed body allows.
  return filled(value, kind) as T;
}

function filled(value: unknown, kind: string): unknown {
  if (Array.isArray(value)) return value.map((item) => filled(item, kind));
  if (typeof value !== 'object' || value === null) return value;
  const type: unknown = Reflect.get(value, '@odata.type');
  const name = typeof type === 'string' ? type.slice(TYPE_PREFIX.length) : kind;
  const sent = Object.entries(value).filter(([, field]) => field !== null && field !== undefined);
  const fields = new Map<string, unknown>(Object.entries(DEFAULTS[name] ?? {}));
  for (const { field, other } of TAKEN_FROM[name] ?? []) fields.set(field, Reflect.get(value, other));
  for (const [key, field] of sent) fields.set(key, filled(field, `${name}.${key}`));
  return Object.fromEntries(fields);
}
