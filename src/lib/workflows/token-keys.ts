import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import type { TokenKeyBody } from '../contracts/protection-body.ts';
import { type FieldError, Problem } from '../domain/errors.ts';
import type { TokenAccess, TokenKey } from '../domain/protection.ts';
import type { SecretStore } from './secret-store.ts';

const GENERATED_BYTES = 32;
/** RFC 7518 §3.3. */
const RSA_BITS_MIN = 2048;
const HINT_LENGTH = 8;

type SecretKey = Extract<TokenKey, { secret: string }>;

interface Stored {
  /** Keys of the profile as it is stored; each may go on as one. */
  readonly before: readonly TokenKey[];
  /** Sets hints of one profile apart from those of others. */
  readonly profileId: string;
  readonly secrets: SecretStore;
  readonly random: { guid(): string };
}

export interface StoredKeys {
  readonly primaryKey: TokenKey | null;
  readonly alternateKeys: readonly TokenKey[];
  /** Secrets that were written for them: to be removed when they are not stored after all. */
  readonly written: readonly string[];
}

/** Every key that a profile has. */
export const keysOf = ({ primaryKey, alternateKeys }: TokenAccess): readonly TokenKey[] =>
  primaryKey === null ? alternateKeys : [primaryKey, ...alternateKeys];

export const secretsOf = (keys: readonly TokenKey[]): readonly string[] =>
  keys.flatMap((key) => ('secret' in key ? [key.secret] : []));

/**
 * Token keys as they are stored: the values of symmetric ones go to the secret store, under names that were never used.
 * A key that is there already goes on as it is, so that the same body twice is one resource.
 */
export async function storeTokenKeys(
  wanted: { readonly primaryKey: TokenKeyBody | null; readonly alternateKeys: readonly TokenKeyBody[] },
  stored: Stored,
): Promise<StoredKeys> {
  const written: string[] = [];
  const all = [
    ...(wanted.primaryKey === null ? [] : [{ key: wanted.primaryKey, pointer: '/keys/primaryKey' }]),
    ...wanted.alternateKeys.map((key, index) => ({ key, pointer: `/keys/alternateKeys/${index}` })),
  ];
  const kept = new Set(all.flatMap(({ key }) => ('hint' in key && key.hint !== undefined ? [key.hint] : [])));
  const free = stored.before.filter(({ hint }) => !kept.has(hint));
  const keys: TokenKey[] = [];
  try {
    for (const { key, pointer } of all)
      keys.push(await storeKey(key, { pointer, free, stored, written: (name) => written.push(name) }));
  } catch (error) {
    await removeSecrets(written, stored.secrets);
    throw error;
  }
  const [first, ...rest] = keys;
  return wanted.primaryKey === null || first === undefined
    ? { primaryKey: null, alternateKeys: keys, written }
    : { primaryKey: first, alternateKeys: rest, written };
}

interface Place {
  readonly pointer: string;
  /** Stored keys that nobody named. */
  readonly free: readonly TokenKey[];
  readonly stored: Stored;
  readonly written: (name: string) => void;
}

async function storeKey(key: TokenKeyBody, place: Place): Promise<TokenKey> {
  const { pointer, free, stored } = place;
  switch (key.type) {
    case 'rsa':
      return rsaKey(key, pointer);
    case 'x509':
      return x509Key(key.certificate, pointer);
    case 'symmetric':
      return 'hint' in key ? named(key, place) : symmetricKey(key.value, place);
    default: {
      if (key.hint !== undefined) return named({ type: key.type, hint: key.hint }, place);
      if (pointer !== '/keys/primaryKey') return refuse(`${pointer}/hint`, 'which stored key it is');
      const before = free.find((candidate) => candidate.type === 'generated');
      if (before !== undefined) return before;
      const value = randomBytes(GENERATED_BYTES).toString('base64');
      return { type: 'generated', ...(await writeSecret(value, place)) };
    }
  }
  function named(wanted: { readonly type: string; readonly hint: string }, { pointer: at }: Place): TokenKey {
    const found = stored.before.find(({ type, hint }) => type === wanted.type && hint === wanted.hint);
    return found ?? refuse(at, 'there is no stored key with this hint: give its value');
  }
}

async function symmetricKey(text: string, place: Place): Promise<TokenKey> {
  const value = Buffer.from(text, 'base64').toString('base64');
  const hint = hintOf(value, place.stored.profileId);
  const before = place.stored.before.find(
    (candidate): candidate is SecretKey => candidate.type === 'symmetric' && candidate.hint === hint,
  );
  if (before !== undefined && (await place.stored.secrets.get(before.secret)) === value) return before;
  return { type: 'symmetric', ...(await writeSecret(value, place)) };
}

async function writeSecret(
  value: string,
  { stored, written }: Place,
): Promise<{ secret: string; hint: string }> {
  const secret = `token-key-${stored.random.guid()}`;
  await stored.secrets.put(secret, value);
  written(secret);
  return { secret, hint: hintOf(value, stored.profileId) };
}

/** Of a key of 256 bits or more: it says which one it is, and nothing else. */
const hintOf = (value: string, profileId: string): string =>
  createHash('sha256').update(`${profileId}:${value}`).digest('hex').slice(0, HINT_LENGTH);

function rsaKey({ modulus, exponent }: { modulus: string; exponent: string }, pointer: string): TokenKey {
  const [n, e] = [Buffer.from(modulus, 'base64'), Buffer.from(exponent, 'base64')];
  const [number, power] = [integerOf(n), integerOf(e)];
  if (power < 3n || power % 2n === 0n) refuse(`${pointer}/exponent`, 'an odd number of at least 3');
  if (number % 2n === 0n || number.toString(2).length < RSA_BITS_MIN)
    refuse(`${pointer}/modulus`, `an odd number of at least ${RSA_BITS_MIN} bits`);
  const hint = createHash('sha256')
    .update(n)
    .digest('hex')
    .slice(0, 2 * HINT_LENGTH);
  return { type: 'rsa', modulus: n.toString('base64'), exponent: e.toString('base64'), hint };
}

const integerOf = (bytes: Buffer): bigint => BigInt(`0x${bytes.toString('hex') || '0'}`);

function x509Key(text: string, pointer: string): TokenKey {
  const certificate = parseCertificate(text.includes('-----BEGIN') ? text : Buffer.from(text, 'base64'));
  const at = `${pointer}/certificate`;
  if (certificate === undefined) return refuse(at, 'an X.509 certificate, as PEM or as DER in base64');
  const { asymmetricKeyType, asymmetricKeyDetails } = certificate.publicKey;
  if (asymmetricKeyType !== 'rsa' || (asymmetricKeyDetails?.modulusLength ?? 0) < RSA_BITS_MIN)
    return refuse(at, `a certificate of an RSA key of at least ${RSA_BITS_MIN} bits`);
  const hint = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
  return { type: 'x509', certificate: certificate.raw.toString('base64'), hint };
}

function parseCertificate(source: string | Buffer): X509Certificate | undefined {
  try {
    return new X509Certificate(source);
  } catch {
    return undefined;
  }
}

function refuse(pointer: string, message: string): never {
  const errors: readonly FieldError[] = [{ pointer, message }];
  throw new Problem('invalidBody', { detail: 'Some fields are not what they should be.', errors });
}

/** What is left behind does no harm: nobody knows its name. */
export async function removeSecrets(names: readonly string[], secrets: SecretStore): Promise<void> {
  await Promise.allSettled(names.map((name) => secrets.remove(name)));
}
