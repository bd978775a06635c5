import { X509Certificate } from 'node:crypto';
import type { z } from 'zod';
import type {
  ContentKeyPolicyRestrictionTokenKey,
  ContentKeyPolicyTokenRestriction,
} from '../contract/metadata.ts';
import { keyBytes, refuse } from './content-key-field.ts';

type TokenKey = z.output<typeof ContentKeyPolicyRestrictionTokenKey>;
type TokenRestriction = z.output<typeof ContentKeyPolicyTokenRestriction>;

const KEY_BYTES = { min: 1, max: 1024 } as const;
const ALTERNATE_KEYS_MAX = 20;
/** RFC 7518 §3.3. The specification's own example of an RSA key is shorter, so only certificates are held to it here. */
const CERTIFICATE_KEY_BITS_MIN = 2048;
const WEB_SCHEMES: readonly string[] = ['https:', 'http:'];

/** A token restriction with its certificates as DER and its lists filled in; throws `InvalidField`. */
export function checkedTokenRestriction(restriction: TokenRestriction, field: string): TokenRestriction {
  const { issuer, audience, restrictionTokenType, openIdConnectDiscoveryDocument } = restriction;
  if (issuer === '') refuse(`${field}.issuer`, 'it is empty');
  if (audience === '') refuse(`${field}.audience`, 'it is empty');
  if (restrictionTokenType === 'Unknown')
    refuse(`${field}.restrictionTokenType`, "'Jwt' or 'Swt' is expected");
  checkDiscovery(restriction, field);
  for (const [index, claim] of (restriction.requiredClaims ?? []).entries()) {
    if (!claim.claimType) refuse(`${field}.requiredClaims[${index}].claimType`, 'it is required');
  }
  const alternates = restriction.alternateVerificationKeys ?? [];
  if (alternates.length > ALTERNATE_KEYS_MAX) {
    refuse(
      `${field}.alternateVerificationKeys`,
      `it has ${alternates.length} items, at most ${ALTERNATE_KEYS_MAX} are allowed`,
    );
  }
  const { primaryVerificationKey } = restriction;
  const keyOf = (key: TokenKey, at: string) => checkedKey(key, `${field}.${at}`, restrictionTokenType);
  if (primaryVerificationKey == null && !openIdConnectDiscoveryDocument) {
    refuse(`${field}.primaryVerificationKey`, 'it is required without an openIdConnectDiscoveryDocument');
  }
  return {
    ...restriction,
    primaryVerificationKey: primaryVerificationKey && keyOf(primaryVerificationKey, 'primaryVerificationKey'),
    alternateVerificationKeys: alternates.map((key, index) =>
      keyOf(key, `alternateVerificationKeys[${index}]`),
    ),
    requiredClaims: restriction.requiredClaims ?? [],
  };
}

function checkDiscovery(restriction: TokenRestriction, field: string): void {
  const { openIdConnectDiscoveryDocument: address, restrictionTokenType } = restriction;
  if (address == null) return;
  const at = `${field}.openIdConnectDiscoveryDocument`;
  if (!URL.canParse(address) || !WEB_SCHEMES.includes(new URL(address).protocol)) {
    refuse(at, 'an absolute http or https URL is expected');
  }
  if (restrictionTokenType === 'Swt') refuse(at, 'simple web tokens have none');
}

function checkedKey(key: TokenKey, field: string, tokenType: string): TokenKey {
  switch (key['@odata.type']) {
    case '#Microsoft.Media.ContentKeyPolicySymmetricTokenKey':
      keyBytes(key.keyValue, `${field}.keyValue`, KEY_BYTES);
      return key;
    case '#Microsoft.Media.ContentKeyPolicyRsaTokenKey':
      refuseForSwt(field, tokenType);
      checkRsa(key.exponent, key.modulus, field);
      return key;
    case '#Microsoft.Media.ContentKeyPolicyX509CertificateTokenKey':
      refuseForSwt(field, tokenType);
      return { ...key, rawBody: derOf(key.rawBody, `${field}.rawBody`) };
  }
}

/** They are signed with HMAC-SHA256 only. */
function refuseForSwt(field: string, tokenType: string): void {
  if (tokenType === 'Swt') refuse(field, 'simple web tokens are signed with a symmetric key');
}

/** RFC 8017 §3.1: the modulus is a product of odd primes, the exponent odd, at least 3 and smaller. */
function checkRsa(exponent: string, modulus: string, field: string): void {
  const e = integerOf(keyBytes(exponent, `${field}.exponent`, KEY_BYTES));
  const n = integerOf(keyBytes(modulus, `${field}.modulus`, KEY_BYTES));
  if (e < 3n || e % 2n === 0n) refuse(`${field}.exponent`, 'an odd number of at least 3 is expected');
  if (n % 2n === 0n || n <= e) {
    refuse(`${field}.modulus`, 'an odd number greater than the exponent is expected');
  }
}

const integerOf = (bytes: Buffer): bigint => BigInt(`0x${bytes.toString('hex')}`);

/** Clients send the certificate itself or its PEM file, the one as the other in base64. */
function derOf(rawBody: string, field: string): string {
  const certificate = parseCertificate(Buffer.from(rawBody, 'base64'));
  if (certificate === undefined) refuse(field, 'an X.509 certificate in DER or PEM is expected');
  const { asymmetricKeyType, asymmetricKeyDetails } = certificate.publicKey;
  if (asymmetricKeyType !== 'rsa') {
    refuse(field, `the key of the certificate is of type '${asymmetricKeyType}', an RSA key is expected`);
  }
  const bits = asymmetricKeyDetails?.modulusLength ?? 0;
  if (bits < CERTIFICATE_KEY_BITS_MIN) {
    refuse(
      field,
      `the key of the certificate has ${bits} bits, at least ${CERTIFICATE_KEY_BITS_MIN} are expected`,
    );
  }
  return certificate.raw.toString('base64');
}

function parseCertificate(bytes: Buffer): X509Certificate | undefined {
  try {
    return new X509Certificate(bytes);
  } catch {
    return undefined;
  }
}
