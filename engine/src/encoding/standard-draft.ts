import type { Draft } from './assemble-plan.ts';
import type { StandardPreset } from './encoding-request.ts';
import type { Survey } from './survey.ts';
import { notConfigurable } from './unplannable.ts';

export function standardDraft(_preset: StandardPreset, _survey: Survey): Draft {
  throw notConfigurable('StandardEncoderPreset is not carried out yet.');
}
