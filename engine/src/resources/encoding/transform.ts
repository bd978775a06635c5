import { z } from 'zod';
import * as contract from '../../contract/encoding.ts';
import {
  type AccountScope,
  auditRecord,
  type Caller,
  newAudit,
  systemData,
  touchedAudit,
} from '../account-scope.ts';
import { armError } from '../error-catalogue.ts';
import { parseBody } from '../request-body.ts';
import { withDefaults } from './preset-defaults.ts';
import { checkPreset, type Preset } from './preset-rules.ts';

/** Of its outputs as JSON: a row of the table holds a little more. */
const OUTPUTS_LENGTH_MAX = 256 * 1024;

const TransformOutputRecord = z.object({
  onError: z.enum(['StopProcessingJob', 'ContinueJob']),
  relativePriority: z.enum(['Low', 'Normal', 'High']),
  preset: contract.Preset,
});
export type TransformOutputRecord = z.output<typeof TransformOutputRecord>;

export const TransformRecord = z.object({
  ...auditRecord,
  description: z.string().optional(),
  outputs: z.array(TransformOutputRecord),
  /** Set before its jobs go, so that there are no new ones; what is left of it goes with the last of them. */
  deleting: z.boolean(),
});
export type TransformRecord = z.output<typeof TransformRecord>;

export interface TransformBody {
  /** Null empties, undefined was not sent. */
  readonly description: string | null | undefined;
  readonly outputs: readonly TransformOutputRecord[];
}

/** The body of a PUT, with the defaults of the service; throws what it refuses. */
export function parseTransformBody(body: unknown, apiVersion: string): TransformBody {
  const properties = parseBody(contract.Transform, body, apiVersion).properties;
  if (properties == null) throw armError('InvalidField', { field: 'properties', reason: 'it is required' });
  return { description: properties.description, outputs: checkedOutputs(properties.outputs) };
}

/** The body of a PATCH: what is not sent stays. */
export function parseTransformPatch(body: unknown, apiVersion: string): Partial<TransformBody> {
  const properties = parseBody(contract.TransformPatch, body, apiVersion).properties;
  return {
    ...(properties?.description === undefined ? {} : { description: properties.description }),
    ...(properties?.outputs == null ? {} : { outputs: checkedOutputs(properties.outputs) }),
  };
}

function checkedOutputs(sent: readonly z.output<typeof contract.TransformOutput>[]): TransformOutputRecord[] {
  const field = 'properties.outputs';
  if (sent.length === 0) {
    throw armError('InvalidField', { field, reason: 'it has 0 items, at least 1 is required' });
  }
  const outputs = sent.map((output, index) => {
    checkPreset(output.preset, `${field}[${index}].preset`);
    return TransformOutputRecord.parse(withDefaults(output, 'TransformOutput'));
  });
  const { length } = JSON.stringify(outputs);
  if (length > OUTPUTS_LENGTH_MAX) {
    const reason = `its JSON has ${length} characters, at most ${OUTPUTS_LENGTH_MAX} are allowed`;
    throw armError('InvalidField', { field, reason });
  }
  return outputs;
}

interface Change {
  readonly caller: Caller;
  readonly nowIso: string;
}

export function newTransform(name: string, body: TransformBody, { caller, nowIso }: Change): TransformRecord {
  return {
    name,
    ...newAudit(caller, nowIso),
    ...(body.description == null ? {} : { description: body.description }),
    outputs: [...body.outputs],
    deleting: false,
  };
}

/** A PUT replaces what can be set, a PATCH what it sends; jobs that exist keep the outputs they were made with. */
export function updatedTransform(
  record: TransformRecord,
  body: Partial<TransformBody>,
  by: Change,
): TransformRecord {
  const { description: old, ...rest } = record;
  const description = 'description' in body ? body.description : old;
  return {
    ...rest,
    ...touchedAudit(by.caller, by.nowIso),
    ...(description == null ? {} : { description }),
    outputs: [...(body.outputs ?? record.outputs)],
  };
}

export function toArmTransform(scope: AccountScope, record: TransformRecord): object {
  return {
    name: record.name,
    id: `${scope.accountId}/transforms/${record.name}`,
    type: 'Microsoft.Media/mediaservices/transforms',
    properties: {
      created: record.created,
      ...(record.description === undefined ? {} : { description: record.description }),
      lastModified: record.lastModified,
      outputs: record.outputs,
    },
    systemData: systemData(record),
  };
}

/** What an output is called when the job does not say: `BuiltInStandardEncoderPreset_0` (specification of JobOutput). */
export function defaultLabel(preset: Preset, index: number): string {
  return `${preset['@odata.type'].replace('#Microsoft.Media.', '')}_${index}`;
}
