import { JobPlan } from '../resources/encoding/job.ts';
import { withoutQueries } from '../resources/encoding/job-input-rules.ts';
import type { StoredRow } from './control-store.ts';
import type { SecretSealer } from './sealed-secrets.ts';

/** The plan as it is stored: query strings of addresses, which may be signatures, are sealed. */
export function sealedPlan({ seal }: Pick<SecretSealer, 'seal'>, plan: JobPlan, rowKey: string): JobPlan {
  const input = withoutQueries(plan.input);
  const text = JSON.stringify(plan.input);
  return text === JSON.stringify(input) ? plan : { ...plan, input, sealed: seal(text, rowKey) };
}

/** The plan as it was asked for. Throws where the master key that it was sealed with is not known. */
export function openedPlan({ body, rowKey }: StoredRow, open: SecretSealer['open'] | undefined): JobPlan {
  const { sealed, ...plan } = JobPlan.parse(body);
  if (sealed === undefined) return plan;
  if (open === undefined) throw new Error('HEADEND_MASTER_KEY_FILE is not set');
  return { ...plan, input: JobPlan.shape.input.parse(JSON.parse(open(sealed, rowKey))) };
}
