import type { NotExtracted } from '../analysis/insights.ts';

export const notExtracted = (insight: string, reason: string): NotExtracted => ({ insight, reason });

const NO_MODEL = 'It needs a model that is not part of this service.';

/** Insights of the original that nothing here makes, of sound. */
export const AUDIO_NOT_EXTRACTED: readonly NotExtracted[] = [
  ...['speakers', 'keywords', 'sentiments', 'emotions', 'topics', 'namedEntities', 'brands'],
  'audioEffects other than Silence',
].map((insight) => notExtracted(insight, NO_MODEL));

/** And of pictures. */
export const VIDEO_NOT_EXTRACTED: readonly NotExtracted[] = [
  ...['ocr', 'faces', 'labels', 'scenes', 'visualContentModeration'],
].map((insight) => notExtracted(insight, NO_MODEL));
