import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { KeyServiceBody } from '../contracts/key-service-body.ts';
import { Problem } from '../domain/errors.ts';
import type { CpixKeyService } from '../domain/key-service.ts';
import type { SecretStore } from './secret-store.ts';

type Encryption = NonNullable<CpixKeyService['encryption']>;
type Wanted = NonNullable<KeyServiceBody['encryption']>;

/** SPEKE 2.0 has certificates of 2048 bits; more does no harm. */
const RSA_BITS_MIN = 2048;
const AT = '/keyProvider/encryption';

interface Stored {
  readonly before: Encryption | undefined;
  readonly secrets: SecretStore;
  readonly random: { guid(): string };
}

/** A certificate with its private key in the secret store; the same pair again stays under its name. */
export async function storeEncryption(
  wanted: Wanted,
  { before, secrets, random }: Stored,
): Promise<{ readonly encryption: Encryption; readonly written: readonly string[] }> {
  if ('hint' in wanted) {
    if (before?.hint === wanted.hint) return { encryption: before, written: [] };
    return refuse('', 'there is no stored certificate with this hint: give it with its private key');
  }
  const { certificate, hint, privateKey } = readPair(wanted);
  if (before?.hint === hint && (await secrets.get(before.secret)) === privateKey)
    return { encryption: before, written: [] };
  const secret = `key-service-recipient-${random.guid()}`;
  await secrets.put(secret, privateKey);
  return { encryption: { certificate, secret, hint }, written: [secret] };
}

function readPair(wanted: Extract<Wanted, { privateKey: string }>) {
  const certificate = attempt(() => {
    const text = wanted.certificate;
    return new X509Certificate(text.includes('-----BEGIN') ? text : Buffer.from(text, 'base64'));
  });
  if (certificate === undefined)
    return refuse('/certificate', 'an X.509 certificate, as PEM or as DER in base64');
  if (!isStrongEnough(certificate.publicKey))
    return refuse('/certificate', `a certificate of an RSA key of at least ${RSA_BITS_MIN} bits`);
  const key = attempt(() => createPrivateKey(wanted.privateKey));
  if (key === undefined) return refuse('/privateKey', 'a private key as PEM, without a passphrase');
  if (!certificate.checkPrivateKey(key)) return refuse('/privateKey', 'the private key of the certificate');
  return {
    certificate: certificate.raw.toString('base64'),
    hint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    privateKey: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

const isStrongEnough = ({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): boolean =>
  asymmetricKeyType === 'rsa' && (asymmetricKeyDetails?.modulusLength ?? 0) >= RSA_BITS_MIN;

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

function refuse(pointer: string, message: string): never {
  throw new Problem('invalidBody', {
    detail: 'Some fields are not what they should be.',
    errors: [{ pointer: `${AT}${pointer}`, message }],
  });
}
