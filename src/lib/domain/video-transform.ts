import type { Indexing, OutputLabel, VideoEncoding, VideoSettings } from './video.ts';

const TYPE = '#Microsoft.Media.';

/** The app's words for presets of the media service. */
const BUILT_IN: Readonly<Record<string, string>> = {
  adaptive: 'AdaptiveStreaming',
  contentAware: 'ContentAwareEncoding',
  none: 'CopyAllBitrateNonInterleaved',
  copy: 'CopyAllBitrateNonInterleaved',
};

export const SPRITE_COLUMNS = 10;
const SPRITES = 100;

/** A poster by content, and small pictures at even steps in one grid with its WebVTT. */
const IMAGES = {
  '@odata.type': `${TYPE}StandardEncoderPreset`,
  codecs: [
    {
      '@odata.type': `${TYPE}JpgImage`,
      label: 'poster',
      start: '{Best}',
      step: '1',
      range: '1',
      stretchMode: 'AutoSize',
      layers: [{ label: 'poster', width: '100%', height: '100%', quality: 85 }],
    },
    {
      '@odata.type': `${TYPE}JpgImage`,
      label: 'sprite',
      start: '0%',
      step: `${100 / SPRITES}%`,
      range: '100%',
      spriteColumn: SPRITE_COLUMNS,
      stretchMode: 'AutoSize',
      layers: [{ label: 'sprite', width: '160', height: '90', quality: 70 }],
    },
  ],
  formats: [{ '@odata.type': `${TYPE}JpgFormat`, filenamePattern: '{Label}-{Index}{Extension}' }],
};

export interface TransformOutput {
  readonly label: OutputLabel;
  readonly onError: 'StopProcessingJob' | 'ContinueJob';
  readonly relativePriority: 'High' | 'Normal' | 'Low';
  /** In the words of the v3 API. */
  readonly preset: Readonly<Record<string, unknown>>;
}

/** What one job makes of a source, in this order: streams first; pictures and an index that fail hold up nothing. */
export function transformOutputs({
  encoding,
  indexing,
  poster,
}: Pick<VideoSettings, 'encoding' | 'indexing' | 'poster'>): readonly TransformOutput[] {
  return [
    {
      label: 'encode',
      onError: 'StopProcessingJob',
      relativePriority: 'High',
      preset: encodingPreset(encoding),
    },
    ...(poster ? [{ label: 'images', ...ASIDE, relativePriority: 'Normal', preset: IMAGES } as const] : []),
    ...(indexing === null
      ? []
      : [{ label: 'index', ...ASIDE, relativePriority: 'Low', preset: indexingPreset(indexing) } as const]),
  ];
}

const ASIDE = { onError: 'ContinueJob' } as const;

function encodingPreset(encoding: VideoEncoding): Readonly<Record<string, unknown>> {
  if (typeof encoding !== 'string') return encoding.preset;
  return {
    '@odata.type': `${TYPE}BuiltInStandardEncoderPreset`,
    presetName: BUILT_IN[encoding] ?? encoding,
  };
}

function indexingPreset({ language, mode, video }: Indexing): Readonly<Record<string, unknown>> {
  return {
    '@odata.type': `${TYPE}${video ? 'VideoAnalyzerPreset' : 'AudioAnalyzerPreset'}`,
    ...(language === 'auto' ? {} : { audioLanguage: language }),
    mode: mode === 'basic' ? 'Basic' : 'Standard',
    ...(video ? { insightsToExtract: 'AllInsights' } : {}),
  };
}
