import { z } from 'zod';
import {
  ContentKeyPolicy,
  type ContentKeyPolicyOption,
  ContentKeyPolicyPatch,
} from '../contract/metadata.ts';
import {
  type AccountScope,
  auditRecord,
  type Caller,
  newAudit,
  systemData,
  touchedAudit,
} from './account-scope.ts';
import { checkFairPlay } from './content-key-fairplay.ts';
import { refuse, withoutNulls } from './content-key-field.ts';
import { checkPlayReady } from './content-key-playready.ts';
import { hiddenSecrets } from './content-key-secrets.ts';
import { checkedTokenRestriction } from './content-key-token.ts';
import { checkWidevineTemplate } from './content-key-widevine.ts';
import { parseBody } from './request-body.ts';

type Option = z.output<typeof ContentKeyPolicyOption>;

const OPTIONS_MAX = 30;
/** Reference §1.5: of all options together. */
const REQUIRED_CLAIMS_MAX = 30;
/** Index rows carry the options too, and one transaction has to hold all of them. */
const OPTIONS_LENGTH_MAX = 100_000;

/** An option as answers show it; read from storage, so its fields are what was checked when it was written. */
const StoredOption = z.looseObject({ policyOptionId: z.string() });
export type StoredOption = z.output<typeof StoredOption>;

/** Holds no secret: `options` have null in their place. */
export const ContentKeyPolicyRecord = z.object({
  ...auditRecord,
  policyId: z.string(),
  description: z.string().optional(),
  options: z.array(StoredOption),
});
export type ContentKeyPolicyRecord = z.output<typeof ContentKeyPolicyRecord>;

/** The options with their secrets: what is sealed. */
export interface ContentKeyPolicyParts {
  readonly record: ContentKeyPolicyRecord;
  readonly secretOptions: readonly StoredOption[];
}

export interface ContentKeyPolicyBody {
  /** Null: it is taken away. Undefined: it was not sent. */
  readonly description: string | null | undefined;
  readonly options: readonly Option[];
}

/** Throws the errors of a request body. */
export function parseContentKeyPolicyBody(body: unknown, apiVersion: string): ContentKeyPolicyBody {
  const { properties } = parseBody(ContentKeyPolicy, body, apiVersion);
  if (properties == null) refuse('properties', 'it is required');
  return { description: properties.description, options: checkedOptions(properties.options) };
}

export function parseContentKeyPolicyPatch(
  body: unknown,
  apiVersion: string,
): Omit<ContentKeyPolicyBody, 'options'> & { readonly options: readonly Option[] | undefined } {
  const { properties } = parseBody(ContentKeyPolicyPatch, body, apiVersion);
  const options = properties?.options;
  return {
    description: properties?.description,
    options: options === undefined ? undefined : checkedOptions(options),
  };
}

function checkedOptions(options: readonly Option[]): readonly Option[] {
  const field = 'properties.options';
  if (options.length === 0 || options.length > OPTIONS_MAX) {
    refuse(field, `it has ${options.length} items, 1 to ${OPTIONS_MAX} are allowed`);
  }
  const checked = options.map((option, index) => checkedOption(option, `${field}[${index}]`));
  const claims = checked.reduce((count, { restriction }) => count + claimsOf(restriction), 0);
  if (claims > REQUIRED_CLAIMS_MAX) {
    refuse(field, `they require ${claims} claims, at most ${REQUIRED_CLAIMS_MAX} are allowed`);
  }
  const { length } = JSON.stringify(checked);
  if (length > OPTIONS_LENGTH_MAX) {
    refuse(field, `they have ${length} characters, at most ${OPTIONS_LENGTH_MAX} are allowed`);
  }
  return checked;
}

function claimsOf(restriction: Option['restriction']): number {
  return 'requiredClaims' in restriction ? (restriction.requiredClaims?.length ?? 0) : 0;
}

function checkedOption(option: Option, field: string): Option {
  checkConfiguration(option.configuration, `${field}.configuration`);
  return { ...option, restriction: checkedRestriction(option.restriction, `${field}.restriction`) };
}

function checkConfiguration(configuration: Option['configuration'], field: string): void {
  switch (configuration['@odata.type']) {
    case '#Microsoft.Media.ContentKeyPolicyClearKeyConfiguration':
      break;
    case '#Microsoft.Media.ContentKeyPolicyPlayReadyConfiguration':
      checkPlayReady(configuration, field);
      break;
    case '#Microsoft.Media.ContentKeyPolicyWidevineConfiguration':
      checkWidevineTemplate(configuration.widevineTemplate, `${field}.widevineTemplate`);
      break;
    case '#Microsoft.Media.ContentKeyPolicyFairPlayConfiguration':
      checkFairPlay(configuration, field);
      break;
    case '#Microsoft.Media.ContentKeyPolicyUnknownConfiguration':
      refuse(field, 'an unknown configuration is for answers only');
  }
}

function checkedRestriction(restriction: Option['restriction'], field: string): Option['restriction'] {
  switch (restriction['@odata.type']) {
    case '#Microsoft.Media.ContentKeyPolicyOpenRestriction':
      return restriction;
    case '#Microsoft.Media.ContentKeyPolicyTokenRestriction':
      return checkedTokenRestriction(restriction, field);
    case '#Microsoft.Media.ContentKeyPolicyUnknownRestriction':
      return refuse(field, 'an unknown restriction is for answers only');
  }
}

interface Fresh {
  readonly caller: Caller;
  readonly nowIso: string;
  /** A new GUID each time. */
  readonly newId: () => string;
}

export function newContentKeyPolicy(
  { description, options }: ContentKeyPolicyBody,
  { name, caller, nowIso, newId }: Fresh & { readonly name: string },
): ContentKeyPolicyParts {
  const identified = identifiedOptions(options, newId);
  const record = {
    name,
    ...newAudit(caller, nowIso),
    policyId: newId(),
    ...(description == null ? {} : { description }),
    options: identified.hidden,
  };
  return { record, secretOptions: identified.secret };
}

/** A PUT on a policy that is there: only its name, id and creation stay. */
export function replacedContentKeyPolicy(
  { name, policyId, created, createdBy }: ContentKeyPolicyRecord,
  body: ContentKeyPolicyBody,
  fresh: Fresh,
): ContentKeyPolicyParts {
  const { record, secretOptions } = newContentKeyPolicy(body, { ...fresh, name });
  return { record: { ...record, policyId, created, createdBy }, secretOptions };
}

/** Options get new ids even when they stay as they are, as in the original (reference §1.2). */
export function patchedContentKeyPolicy(
  { record, secretOptions }: ContentKeyPolicyParts,
  patch: ReturnType<typeof parseContentKeyPolicyPatch>,
  { caller, nowIso, newId }: Fresh,
): ContentKeyPolicyParts {
  const { description: _before, ...rest } = record;
  const description = patch.description === undefined ? record.description : patch.description;
  const options =
    patch.options === undefined
      ? renamedOptions(record.options, secretOptions, newId)
      : identifiedOptions(patch.options, newId);
  return {
    record: {
      ...rest,
      ...touchedAudit(caller, nowIso),
      ...(description == null ? {} : { description }),
      options: options.hidden,
    },
    secretOptions: options.secret,
  };
}

interface OptionViews {
  readonly hidden: StoredOption[];
  readonly secret: StoredOption[];
}

function identifiedOptions(options: readonly Option[], newId: () => string): OptionViews {
  const secret = options.map((option) => ({ policyOptionId: newId(), ...withoutNulls(option) }));
  return {
    hidden: secret.map((option) => ({ ...hiddenSecrets(option), policyOptionId: option.policyOptionId })),
    secret,
  };
}

function renamedOptions(
  hidden: readonly StoredOption[],
  secret: readonly StoredOption[],
  newId: () => string,
): OptionViews {
  const ids = hidden.map(newId);
  const renamed = (options: readonly StoredOption[]) =>
    options.map((option, index) => ({ ...option, policyOptionId: ids[index] ?? option.policyOptionId }));
  return { hidden: renamed(hidden), secret: renamed(secret) };
}

export function writeSecretOptions(options: readonly StoredOption[]): string {
  return JSON.stringify(options);
}

export function parseSecretOptions(text: string): readonly StoredOption[] {
  const value: unknown = JSON.parse(text);
  return z.array(StoredOption).parse(value);
}

export function toArmContentKeyPolicy(
  scope: AccountScope,
  record: ContentKeyPolicyRecord,
  view: { readonly single: boolean },
): object {
  return {
    name: record.name,
    id: `${scope.accountId}/contentKeyPolicies/${record.name}`,
    type: 'Microsoft.Media/mediaservices/contentKeyPolicies',
    properties: toContentKeyPolicyProperties(record, record.options),
    ...(view.single ? { systemData: systemData(record) } : {}),
  };
}

/** Bare, as `getPolicyPropertiesWithSecrets` answers them. */
export function toContentKeyPolicyProperties(
  record: ContentKeyPolicyRecord,
  options: readonly StoredOption[],
): object {
  return {
    policyId: record.policyId,
    created: record.created,
    lastModified: record.lastModified,
    ...(record.description === undefined ? {} : { description: record.description }),
    options,
  };
}
