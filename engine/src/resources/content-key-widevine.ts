import { z } from 'zod';
import { refuse } from './content-key-field.ts';
import { requestProblem } from './request-problems.ts';

const SPECS_MAX = 64;
const TEXT_LENGTH_MAX = 4096;
const SECONDS_MAX = 2 ** 53 - 1;

const text = z.string().max(TEXT_LENGTH_MAX);
const seconds = z.int().min(0).max(SECONDS_MAX);

/**
 * The fields that the service documents. Others go through: the template is handed to the license server as it is,
 * which knows more than the documentation tells.
 */
const WidevineTemplate = z.looseObject({
  payload: z.base64().optional(),
  content_id: z.base64().optional(),
  provider: text.optional(),
  policy_name: text.optional(),
  allowed_track_types: z.enum(['SD_ONLY', 'SD_HD', 'SD_UHD1', 'SD_UHD2']).optional(),
  content_key_specs: z
    .array(
      z.looseObject({
        track_type: text.optional(),
        security_level: z.int().min(1).max(5).optional(),
        required_output_protection: z
          .looseObject({
            hdcp: z
              .string()
              .regex(/^HDCP_/, 'HDCP_NONE, HDCP_V1, … is expected')
              .optional(),
          })
          .optional(),
        key: z.base64().optional(),
        key_id: z.base64().optional(),
      }),
    )
    .max(SPECS_MAX)
    .optional(),
  policy_overrides: z
    .looseObject({
      can_play: z.boolean().optional(),
      can_persist: z.boolean().optional(),
      can_renew: z.boolean().optional(),
      license_duration_seconds: seconds.optional(),
      rental_duration_seconds: seconds.optional(),
      playback_duration_seconds: seconds.optional(),
      renewal_server_url: text.optional(),
      renewal_delay_seconds: seconds.optional(),
      renewal_retry_interval_seconds: seconds.optional(),
      renewal_recovery_duration_seconds: seconds.optional(),
      renew_with_usage: z.boolean().optional(),
    })
    .optional(),
});

/** Throws `InvalidField` naming the place in the template. */
export function checkWidevineTemplate(template: string, field: string): void {
  const value = parseJson(template);
  if (value === undefined) refuse(field, 'a JSON object is expected');
  const result = WidevineTemplate.safeParse(value);
  if (result.success) return;
  const problem = requestProblem(result.error.issues, value);
  refuse(problem.field === 'body' ? field : `${field}.${problem.field}`, problem.reason);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
