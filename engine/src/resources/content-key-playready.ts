import type { z } from 'zod';
import type {
  ContentKeyPolicyPlayReadyConfiguration,
  ContentKeyPolicyPlayReadyLicense,
  ContentKeyPolicyPlayReadyPlayRight,
} from '../contract/metadata.ts';
import { refuse } from './content-key-field.ts';
import { armError } from './error-catalogue.ts';
import { parseIsoDurationMs } from './iso-duration.ts';

type License = z.output<typeof ContentKeyPolicyPlayReadyLicense>;
type PlayRight = z.output<typeof ContentKeyPolicyPlayReadyPlayRight>;

const LICENSES_MAX = 10;
/** PlayReady compliance rules: what each output protection level may be. */
const PROTECTION_LEVELS = {
  uncompressedDigitalVideoOpl: [100, 250, 270, 300],
  compressedDigitalVideoOpl: [400, 500],
  analogVideoOpl: [100, 150, 200],
  compressedDigitalAudioOpl: [100, 150, 200, 250, 300],
  uncompressedDigitalAudioOpl: [100, 150, 200, 250, 300],
} as const satisfies Partial<Record<keyof PlayRight, readonly number[]>>;
const TWO_BIT_FIELDS = ['scmsRestriction', 'agcAndColorStripeRestriction'] as const;

/** Throws `InvalidField`, or `PlayReadyUnknownOutput` as the service was seen to word it. */
export function checkPlayReady(
  { licenses }: z.output<typeof ContentKeyPolicyPlayReadyConfiguration>,
  field: string,
): void {
  if (licenses.length === 0 || licenses.length > LICENSES_MAX) {
    refuse(`${field}.licenses`, `it has ${licenses.length} items, 1 to ${LICENSES_MAX} are allowed`);
  }
  for (const [index, license] of licenses.entries()) checkLicense(license, `${field}.licenses[${index}]`);
}

function checkLicense(license: License, field: string): void {
  for (const name of ['licenseType', 'contentType', 'securityLevel'] as const) {
    if (license[name] === 'Unknown') refuse(`${field}.${name}`, "'Unknown' is for answers only");
  }
  const { playRight } = license;
  if (playRight == null) refuse(`${field}.playRight`, 'a PlayReady license without it plays nothing');
  checkPlayRight(playRight, `${field}.playRight`);
  checkPeriod(license, field);
  if (license.licenseType === 'NonPersistent') checkNonPersistent(license, playRight, field);
}

function checkPlayRight(right: PlayRight, field: string): void {
  const passing = right.allowPassingVideoContentToUnknownOutput;
  if (passing === 'Unknown') {
    refuse(`${field}.allowPassingVideoContentToUnknownOutput`, "'Unknown' is for answers only");
  }
  // PlayReady compliance rules §3.8; the message is the one of the original service (reference §1.0).
  if (right.digitalVideoOnlyContentRestriction && passing !== 'NotAllowed') {
    throw armError('PlayReadyUnknownOutput');
  }
  for (const name of TWO_BIT_FIELDS) checkTwoBits(right[name], `${field}.${name}`);
  checkTwoBits(
    right.explicitAnalogTelevisionOutputRestriction?.configurationData,
    `${field}.explicitAnalogTelevisionOutputRestriction.configurationData`,
  );
  for (const [name, levels] of Object.entries(PROTECTION_LEVELS)) {
    checkLevel(Reflect.get(right, name), levels, `${field}.${name}`);
  }
}

function checkTwoBits(value: number | null | undefined, field: string): void {
  if (value != null && (value < 0 || value > 3)) refuse(field, `it is ${value}, 0 to 3 is allowed`);
}

function checkLevel(value: unknown, levels: readonly number[], field: string): void {
  if (typeof value === 'number' && !levels.includes(value)) {
    refuse(field, `it is ${value}, one of ${levels.join(', ')} is allowed`);
  }
}

function checkPeriod(license: License, field: string): void {
  const { beginDate, expirationDate, relativeBeginDate, relativeExpirationDate } = license;
  if (beginDate != null && relativeBeginDate != null) {
    refuse(`${field}.relativeBeginDate`, 'a license has either this or beginDate');
  }
  if (expirationDate != null && relativeExpirationDate != null) {
    refuse(`${field}.relativeExpirationDate`, 'a license has either this or expirationDate');
  }
  if (beginDate != null && expirationDate != null && Date.parse(beginDate) >= Date.parse(expirationDate)) {
    refuse(`${field}.expirationDate`, 'it must be after beginDate');
  }
  if (relativeBeginDate == null || relativeExpirationDate == null) return;
  const beginMs = parseIsoDurationMs(relativeBeginDate) ?? 0;
  if (beginMs >= (parseIsoDurationMs(relativeExpirationDate) ?? Number.POSITIVE_INFINITY)) {
    refuse(`${field}.relativeExpirationDate`, 'it must be longer than relativeBeginDate');
  }
}

/** PlayReady's own license generation fails for these. */
function checkNonPersistent(license: License, playRight: PlayRight, field: string): void {
  const reason = 'it cannot be set on a license that is NonPersistent';
  for (const name of ['beginDate', 'expirationDate', 'gracePeriod'] as const) {
    if (license[name] != null) refuse(`${field}.${name}`, reason);
  }
  if (playRight.firstPlayExpiration != null) refuse(`${field}.playRight.firstPlayExpiration`, reason);
}
