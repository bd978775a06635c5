import { assemblePlan } from './assemble-plan.ts';
import { builtInDraft } from './built-in-draft.ts';
import type { EncodingPlan } from './encoding-plan.ts';
import type { EncodingRequest } from './encoding-request.ts';
import { standardDraft } from './standard-draft.ts';
import { survey } from './survey.ts';
import { type RefusalCode, Unplannable } from './unplannable.ts';

export type PlanResult =
  | { readonly kind: 'planned'; readonly plan: EncodingPlan }
  /** With the code and the message of the job's error. */
  | { readonly kind: 'refused'; readonly code: RefusalCode; readonly message: string };

/**
 * What is run and written for one output of a job, the same each time for the same request. Every step writes into one
 * working folder, in which the request's sources lie already; names of files have no folders.
 */
export function planEncoding(request: EncodingRequest): PlanResult {
  const { preset } = request;
  try {
    if (preset['@odata.type'] === '#Microsoft.Media.BuiltInStandardEncoderPreset') {
      const surveyed = survey(request);
      return { kind: 'planned', plan: assemblePlan(surveyed, builtInDraft(preset, surveyed)) };
    }
    const surveyed = survey(request, preset.filters ?? undefined);
    return { kind: 'planned', plan: assemblePlan(surveyed, standardDraft(preset, surveyed)) };
  } catch (error) {
    if (error instanceof Unplannable) return { kind: 'refused', code: error.code, message: error.message };
    throw error;
  }
}
