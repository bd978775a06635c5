import type { z } from 'zod';
import type { StreamingLocatorContentKey } from '../contract/metadata.ts';
import { keyBytes, refuse } from './content-key-field.ts';
import { type EncryptionScheme, policyContentKeys, type StreamingPolicyRules } from './streaming-policy.ts';

type SuppliedKey = z.output<typeof StreamingLocatorContentKey>;

/** AES-128, in every scheme. */
const KEY_BYTES = { min: 16, max: 16 } as const;
const BASE64 = /^[A-Za-z0-9+/]{22}==$/;

/** A content key of a locator, without its value. */
export interface LocatorContentKey {
  readonly id: string;
  readonly type: EncryptionScheme;
  readonly label?: string | undefined;
  /** Of the content key policy that delivers it. */
  readonly policyName?: string | undefined;
  readonly tracks: readonly object[];
}

export interface AssignedContentKey {
  readonly key: LocatorContentKey;
  /** Base64, as the caller sent it; undefined: the key that has this id, or a new one. */
  readonly value: string | undefined;
  /** For messages about the value. */
  readonly field: string;
}

interface Assignment {
  readonly rules: StreamingPolicyRules;
  readonly supplied: readonly SuppliedKey[];
  readonly defaultContentKeyPolicyName: string | undefined;
  /** A new GUID each time. */
  readonly newId: () => string;
}

/**
 * A content key for every key of the streaming policy: the caller's where its label is named, else a new one. What
 * delivers a key is named by the policy for this key, else by the locator, else by the policy for all keys. Throws
 * `InvalidField`.
 */
export function assignedContentKeys(assignment: Assignment): readonly AssignedContentKey[] {
  const { rules, defaultContentKeyPolicyName, newId } = assignment;
  const wanted = policyContentKeys(rules);
  const supplied = suppliedByLabel(assignment.supplied, wanted);
  return wanted.map(({ label, policyName, type, tracks }) => {
    const own = supplied.get(label);
    const deliveredBy = policyName || defaultContentKeyPolicyName || rules.defaultContentKeyPolicyName;
    return {
      key: {
        id: own?.key.id ?? newId(),
        type,
        ...(label === undefined ? {} : { label }),
        ...(deliveredBy ? { policyName: deliveredBy } : {}),
        tracks,
      },
      value: own?.key.value ?? undefined,
      field: own === undefined ? 'properties.contentKeys' : `${own.field}.value`,
    };
  });
}

interface Placed {
  readonly key: SuppliedKey;
  readonly field: string;
}

function suppliedByLabel(
  supplied: readonly SuppliedKey[],
  wanted: readonly { readonly label: string | undefined }[],
): ReadonlyMap<string | undefined, Placed> {
  const byLabel = new Map<string | undefined, Placed>();
  const labels = wanted.map(({ label }) => label);
  for (const [index, key] of supplied.entries()) {
    const field = `properties.contentKeys[${index}]`;
    const label = labelOf(key, labels, field);
    if (byLabel.has(label)) refuse(`${field}.labelReferenceInStreamingPolicy`, 'it is there more than once');
    checkValue(key.value, `${field}.value`);
    byLabel.set(label, { key, field });
  }
  return byLabel;
}

/** A policy with one key needs no label to say which is meant. */
function labelOf(
  key: SuppliedKey,
  labels: readonly (string | undefined)[],
  field: string,
): string | undefined {
  const label = key.labelReferenceInStreamingPolicy || undefined;
  const [only] = labels;
  if (label === undefined && labels.length === 1) return only;
  if (labels.includes(label)) return label;
  const known = labels.filter((one) => one !== undefined).map((one) => `'${one}'`);
  return refuse(
    `${field}.labelReferenceInStreamingPolicy`,
    known.length === 0
      ? 'the streaming policy has no content keys'
      : `one of ${known.join(', ')} is expected`,
  );
}

function checkValue(value: string | null | undefined, field: string): void {
  if (value == null) return;
  if (!BASE64.test(value)) refuse(field, 'a key of 16 bytes in base64 is expected');
  keyBytes(value, field, KEY_BYTES);
}

/** Whether two keys in base64 are one: the last character holds bits that say nothing. */
export function isSameKey(left: string, right: string): boolean {
  return Buffer.from(left, 'base64').equals(Buffer.from(right, 'base64'));
}
