import { armError } from './error-catalogue.ts';
import type { LiveEventBody } from './live-event-body.ts';

export const ENCODING_TYPES = [
  'None',
  'Standard',
  'Premium1080p',
  'PassthroughBasic',
  'PassthroughStandard',
] as const;
export type EncodingType = (typeof ENCODING_TYPES)[number];

export interface LiveEventEncodingFields {
  readonly encodingType: EncodingType;
  readonly presetName: string | null;
  readonly stretchMode: 'None' | 'AutoSize' | 'AutoFit' | null;
  readonly keyFrameInterval: string | null;
}

/** By the types that encode; the first is the default (reference §1.2, §2.1). Others came by support ticket only. */
const PRESETS: Readonly<Partial<Record<EncodingType, readonly [string, ...string[]]>>> = {
  Standard: ['Default720p', '720p-3-Layer'],
  Premium1080p: ['Default1080p', '1080p-4-Layer'],
};

export const isEncoding = (type: EncodingType): boolean => PRESETS[type] !== undefined;

/** With the service's defaults; throws `InvalidField` for what does not fit the type. */
export function newEncoding(sent: LiveEventBody['properties']['encoding']): LiveEventEncodingFields {
  const encodingType = sent?.encodingType ?? 'None';
  const presets = PRESETS[encodingType];
  if (presets === undefined) {
    refuseOnPassThrough(sent);
    return { encodingType, presetName: null, stretchMode: null, keyFrameInterval: null };
  }
  return {
    encodingType,
    presetName: presetOf(sent?.presetName, encodingType, presets),
    stretchMode: sent?.stretchMode ?? 'AutoSize',
    keyFrameInterval: sent?.keyFrameInterval ?? 'PT2S',
  };
}

/** What was sent laid over what there is, so that a difference can be seen. */
export function mergedEncoding(
  record: LiveEventEncodingFields,
  sent: LiveEventBody['properties']['encoding'],
): LiveEventEncodingFields {
  const encodingType = sent?.encodingType ?? record.encodingType;
  const kept = encodingType === record.encodingType ? record : undefined;
  return newEncoding({
    encodingType,
    presetName: sent?.presetName || kept?.presetName,
    stretchMode: sent?.stretchMode ?? kept?.stretchMode,
    keyFrameInterval: sent?.keyFrameInterval ?? kept?.keyFrameInterval,
  });
}

function refuseOnPassThrough(sent: LiveEventBody['properties']['encoding']): void {
  const refuse = (field: string, reason: string): never => {
    throw armError('InvalidField', { field: `properties.encoding.${field}`, reason });
  };
  if (sent?.presetName) refuse('presetName', 'a pass-through live event takes no preset');
  if (sent?.keyFrameInterval != null) {
    refuse('keyFrameInterval', 'a pass-through live event keeps the key frames of its input');
  }
  if (sent?.stretchMode != null && sent.stretchMode !== 'None') {
    refuse('stretchMode', 'a pass-through live event keeps the picture of its input');
  }
}

function presetOf(
  sent: string | null | undefined,
  encodingType: EncodingType,
  presets: readonly [string, ...string[]],
): string {
  if (!sent) return presets[0];
  const preset = presets.find((name) => name.toLowerCase() === sent.toLowerCase());
  if (preset !== undefined) return preset;
  throw armError('InvalidField', {
    field: 'properties.encoding.presetName',
    reason: `a live event of the type ${encodingType} takes one of ${presets.join(', ')}`,
  });
}
