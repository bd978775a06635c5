import type { z } from 'zod';
import { StreamingPolicy, type TrackPropertyCondition } from '../contract/metadata.ts';
import { refuse } from './content-key-field.ts';
import { parseBody } from './request-body.ts';
import {
  ENCRYPTIONS,
  type EnabledProtocols,
  type EncryptionScheme,
  policyContentKeys,
  type StreamingPolicyRules,
} from './streaming-policy.ts';

/** Content keys of one scheme; a locator's keys are written in one transaction. */
const KEYS_PER_SCHEME_MAX = 16;
const LABEL_LENGTH_MAX = 260;
const TEMPLATE_LENGTH_MAX = 2048;
/** ISO/IEC 14496-12: sample entries are named by four printable characters. */
const FOUR_CC = /^[\x20-\x7e]{4}$/;

type Encryption = NonNullable<StreamingPolicyRules[(typeof ENCRYPTIONS)[number]['field']]>;
type TrackSelections = NonNullable<Encryption['clearTracks']>;

/** What a scheme cannot carry: encrypted files for download, and Smooth Streaming with `cbcs` (reference §3.2). */
const NEVER: Readonly<Record<EncryptionScheme, readonly (keyof EnabledProtocols)[]>> = {
  EnvelopeEncryption: ['download'],
  CommonEncryptionCenc: ['download'],
  CommonEncryptionCbcs: ['download', 'smoothStreaming'],
};

const WEB: readonly string[] = ['http:', 'https:'];
/** Apple's players ask their app for keys by addresses of this scheme. */
const FAIRPLAY: readonly string[] = [...WEB, 'skd:'];

/** The rules of a policy that is to be created, with the lists filled in that answers show; throws `InvalidField`. */
export function parseStreamingPolicyBody(body: unknown, apiVersion: string): StreamingPolicyRules {
  const { properties } = parseBody(StreamingPolicy, body, apiVersion);
  if (properties == null) refuse('properties', 'it is required');
  const { noEncryption, defaultContentKeyPolicyName } = properties;
  const used = ENCRYPTIONS.filter(({ field }) => properties[field] != null);
  if (noEncryption == null && used.length === 0) {
    const names = ['noEncryption', ...ENCRYPTIONS.map(({ field }) => field)];
    refuse('properties', `at least one of ${names.join(', ')} is expected`);
  }
  if (noEncryption != null && noEncryption.enabledProtocols == null) {
    refuse('properties.noEncryption.enabledProtocols', 'it is required');
  }
  const rules: StreamingPolicyRules = {
    ...(defaultContentKeyPolicyName ? { defaultContentKeyPolicyName } : {}),
    envelopeEncryption: checked(properties.envelopeEncryption, 'EnvelopeEncryption'),
    commonEncryptionCenc: checked(properties.commonEncryptionCenc, 'CommonEncryptionCenc'),
    commonEncryptionCbcs: checked(properties.commonEncryptionCbcs, 'CommonEncryptionCbcs'),
    noEncryption,
  };
  checkLabels(rules);
  return rules;
}

/** Every content key policy that the rules name; they have to exist. */
export function namedContentKeyPolicies(rules: StreamingPolicyRules): readonly string[] {
  const names = [rules.defaultContentKeyPolicyName, ...policyContentKeys(rules).map((key) => key.policyName)];
  return [...new Set(names.filter((name) => name != null))];
}

/** The same with its lists; `type` says which of the three it is. */
function checked<E extends Encryption>(
  encryption: E | null | undefined,
  type: EncryptionScheme,
): E | undefined {
  if (encryption == null) return undefined;
  const field = `properties.${ENCRYPTIONS.find((one) => one.type === type)?.field}`;
  checkProtocols(encryption.enabledProtocols, `${field}.enabledProtocols`, type);
  checkTracks(encryption.clearTracks ?? [], `${field}.clearTracks`);
  checkContentKeys(encryption, `${field}.contentKeys`);
  if (type !== 'EnvelopeEncryption') checkKeySystems(encryption, field);
  checkTemplates(encryption, field);
  return {
    ...encryption,
    clearTracks: encryption.clearTracks ?? [],
    contentKeys: {
      ...encryption.contentKeys,
      keyToTrackMappings: encryption.contentKeys?.keyToTrackMappings ?? [],
    },
  };
}

function checkProtocols(
  enabled: EnabledProtocols | null | undefined,
  field: string,
  type: EncryptionScheme,
): void {
  if (enabled == null) refuse(field, 'it is required');
  for (const name of NEVER[type]) {
    if (enabled[name]) refuse(`${field}.${name}`, `${type} does not work with this protocol`);
  }
}

function checkTracks(tracks: TrackSelections, field: string): void {
  for (const [index, { trackSelections }] of tracks.entries()) {
    const at = `${field}[${index}].trackSelections`;
    if (trackSelections == null || trackSelections.length === 0) {
      refuse(at, 'at least one condition is expected');
    }
    for (const [place, condition] of trackSelections.entries()) checkCondition(condition, `${at}[${place}]`);
  }
}

function checkCondition(
  { property, operation, value }: z.output<typeof TrackPropertyCondition>,
  field: string,
): void {
  if (property === 'Unknown') refuse(`${field}.property`, "'FourCC' is expected");
  if (operation === 'Unknown') refuse(`${field}.operation`, "'Equal' is expected");
  if (!FOUR_CC.test(value ?? '')) refuse(`${field}.value`, 'four characters such as hev1 are expected');
}

function checkContentKeys({ contentKeys }: Encryption, field: string): void {
  const mappings = contentKeys?.keyToTrackMappings ?? [];
  if (contentKeys?.defaultKey == null && mappings.length === 0) {
    refuse(field, 'a defaultKey or keyToTrackMappings are expected');
  }
  const count = mappings.length + (contentKeys?.defaultKey == null ? 0 : 1);
  if (count > KEYS_PER_SCHEME_MAX) {
    refuse(field, `it has ${count} content keys, at most ${KEYS_PER_SCHEME_MAX} are allowed`);
  }
  for (const [index, { label, tracks }] of mappings.entries()) {
    const at = `${field}.keyToTrackMappings[${index}]`;
    if (!label) refuse(`${at}.label`, 'it is required');
    if (tracks == null || tracks.length === 0) refuse(`${at}.tracks`, 'at least one selection is expected');
    checkTracks(tracks, `${at}.tracks`);
  }
}

/** Without one no player gets a key, whoever delivers it. */
function checkKeySystems(encryption: Encryption, field: string): void {
  const drm = 'drm' in encryption ? encryption.drm : undefined;
  const clearKey =
    'clearKeyEncryptionConfiguration' in encryption ? encryption.clearKeyEncryptionConfiguration : undefined;
  const hasDrm = drm != null && Object.values(drm).some((system) => system != null);
  if (!hasDrm && clearKey == null) {
    refuse(`${field}.drm`, 'a key system is expected, here or in clearKeyEncryptionConfiguration');
  }
}

function checkTemplates(encryption: Encryption, field: string): void {
  if ('customKeyAcquisitionUrlTemplate' in encryption) {
    checkTemplate(
      encryption.customKeyAcquisitionUrlTemplate,
      `${field}.customKeyAcquisitionUrlTemplate`,
      WEB,
    );
  }
  if ('drm' in encryption) {
    for (const [system, configuration] of Object.entries(encryption.drm ?? {})) {
      const at = `${field}.drm.${system}.customLicenseAcquisitionUrlTemplate`;
      const schemes = system === 'fairPlay' ? FAIRPLAY : WEB;
      checkTemplate(configuration?.customLicenseAcquisitionUrlTemplate, at, schemes);
    }
  }
  if (!('clearKeyEncryptionConfiguration' in encryption)) return;
  const at = `${field}.clearKeyEncryptionConfiguration.customKeysAcquisitionUrlTemplate`;
  const template = encryption.clearKeyEncryptionConfiguration?.customKeysAcquisitionUrlTemplate;
  checkTemplate(template, at, WEB);
  if (/\{ContentKeyId\}/i.test(template ?? '')) refuse(at, 'only {AlternativeMediaId} is replaced here');
}

/** Tokens that the service does not know stay as they are, as in the specification's own examples. */
function checkTemplate(template: string | null | undefined, field: string, schemes: readonly string[]): void {
  if (template == null) return;
  if (template.length > TEMPLATE_LENGTH_MAX) {
    refuse(field, `it has ${template.length} characters, at most ${TEMPLATE_LENGTH_MAX} are allowed`);
  }
  const address = template.replace(/\{(?:AlternativeMediaId|ContentKeyId)\}/gi, 'x');
  if (!URL.canParse(address) || !schemes.includes(new URL(address).protocol)) {
    const wanted = schemes.map((scheme) => scheme.slice(0, -1)).join(', ');
    refuse(field, `an absolute URL with one of the schemes ${wanted} is expected`);
  }
}

/** A locator names the keys that it brings by their labels alone, whatever the scheme. */
function checkLabels(rules: StreamingPolicyRules): void {
  const labels = new Set<string>();
  const keys = policyContentKeys(rules);
  for (const { label, type } of keys) {
    if (label === undefined && keys.length === 1) continue;
    const field = `properties.${ENCRYPTIONS.find((one) => one.type === type)?.field}.contentKeys`;
    if (label === undefined) refuse(field, 'where there is more than one key, each has a label');
    if (label.length === 0 || label.length > LABEL_LENGTH_MAX) {
      refuse(field, `a label has ${label.length} characters, 1 to ${LABEL_LENGTH_MAX} are allowed`);
    }
    if (labels.has(label)) refuse(field, `the label '${label}' is there more than once`);
    labels.add(label);
  }
}
