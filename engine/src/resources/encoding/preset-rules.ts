import type { z } from 'zod';
import type * as contract from '../../contract/encoding.ts';
import { armError } from '../error-catalogue.ts';
import { codecProblems } from './codec-rules.ts';
import { type FieldProblems, outsideOf, refuse } from './field-problem.ts';
import { filterProblems } from './filter-rules.ts';
import { formatProblems } from './format-rules.ts';

export type Preset = z.output<typeof contract.Preset>;

/** Specification of BuiltInStandardEncoderPreset.configurations. */
const CONFIGURABLE: readonly string[] = ['ContentAwareEncoding', 'H265ContentAwareEncoding'];
const LAYERS = { min: 1, max: 20 };
const HEIGHT = { min: 1, max: 16_384 };
const BITRATE = { min: 1, max: 2 ** 31 - 1 };
const KEY_FRAME_SECONDS = { min: 0.5, max: 20 };
// RFC 5646 §2.1, as far as languages of speech go: `en`, `en-US`, `zh-Hans`.
const LANGUAGE = /^[a-z]{2,3}(?:-[a-z0-9]{2,8}){0,3}$/i;

/** Throws what the service refuses in a preset that has the form of the specification. */
export function checkPreset(preset: Preset, at: string): void {
  switch (preset['@odata.type']) {
    case '#Microsoft.Media.StandardEncoderPreset':
      // A recorded answer, word for word; it comes before all else.
      if (preset.codecs.length === 0) throw armError('NoCodecs');
      refuse(encoderProblems(preset, at));
      break;
    case '#Microsoft.Media.BuiltInStandardEncoderPreset':
      refuse(builtInProblems(preset, at));
      break;
    case '#Microsoft.Media.AudioAnalyzerPreset':
    case '#Microsoft.Media.VideoAnalyzerPreset':
      refuse(analyzerProblems(preset, at));
      break;
    case '#Microsoft.Media.FaceDetectorPreset':
      break;
  }
}

function* encoderProblems(
  preset: z.output<typeof contract.StandardEncoderPreset>,
  at: string,
): FieldProblems {
  for (const [index, codec] of preset.codecs.entries()) yield* codecProblems(codec, `${at}.codecs[${index}]`);
  if (preset.formats.length === 0) yield { field: `${at}.formats`, reason: 'it is empty' };
  yield* formatProblems(preset.formats, preset.codecs, at);
  if (preset.filters != null) yield* filterProblems(preset.filters, `${at}.filters`);
}

function* builtInProblems(
  preset: z.output<typeof contract.BuiltInStandardEncoderPreset>,
  at: string,
): FieldProblems {
  const { configurations, presetName } = preset;
  if (configurations == null) return;
  const field = `${at}.configurations`;
  if (!CONFIGURABLE.includes(presetName)) {
    yield { field, reason: `it is allowed with ${CONFIGURABLE.join(' and ')} only, not with ${presetName}` };
  }
  const { minHeight, maxHeight, minBitrateBps, maxBitrateBps, maxLayers } = configurations;
  yield* outsideOf(`${field}.maxLayers`, maxLayers, LAYERS);
  yield* outsideOf(`${field}.minHeight`, minHeight, HEIGHT);
  yield* outsideOf(`${field}.maxHeight`, maxHeight, { ...HEIGHT, min: minHeight ?? HEIGHT.min });
  yield* outsideOf(`${field}.minBitrateBps`, minBitrateBps, BITRATE);
  yield* outsideOf(`${field}.maxBitrateBps`, maxBitrateBps, {
    ...BITRATE,
    min: minBitrateBps ?? BITRATE.min,
  });
  yield* outsideOf(
    `${field}.keyFrameIntervalInSeconds`,
    configurations.keyFrameIntervalInSeconds,
    KEY_FRAME_SECONDS,
  );
}

type AnalyzerPreset =
  | z.output<typeof contract.VideoAnalyzerPreset>
  | Extract<Preset, { '@odata.type': '#Microsoft.Media.AudioAnalyzerPreset' }>;

function* analyzerProblems(preset: AnalyzerPreset, at: string): FieldProblems {
  const { audioLanguage, mode } = preset;
  const field = `${at}.audioLanguage`;
  if (audioLanguage != null && !LANGUAGE.test(audioLanguage)) {
    yield { field, reason: `a BCP-47 language such as en-US is expected, not '${audioLanguage}'` };
  }
  const hearsNothing = 'insightsToExtract' in preset && preset.insightsToExtract === 'VideoInsightsOnly';
  if (mode === 'Basic' && audioLanguage == null && !hearsNothing) {
    yield { field, reason: 'it is required with the mode Basic, which does not detect languages' };
  }
}

/** The labels of the inputs that a preset puts over the first one. */
export function overlayLabels(preset: Preset): readonly string[] {
  if (preset['@odata.type'] !== '#Microsoft.Media.StandardEncoderPreset') return [];
  return (preset.filters?.overlays ?? []).map(({ inputLabel }) => inputLabel);
}
