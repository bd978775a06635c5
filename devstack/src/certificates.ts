// x509 resolves its parts by decorators and needs the Reflect polyfill before anything else.
import 'reflect-metadata';
import { webcrypto, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import * as x509 from '@peculiar/x509';
import { writePrivately } from './data-folder.ts';

export interface CertificateFiles {
  /** The certificate followed by its issuer's, PEM. */
  readonly certFile: string;
  readonly keyFile: string;
  /** What a client must trust: ours and, before it, whatever the user's NODE_EXTRA_CA_CERTS holds. */
  readonly caBundleFile: string;
  /** Ours only. */
  readonly caFile: string;
}

const DAY_MS = 86_400_000;
/** What browsers and Apple's stacks still accept of a server's certificate. */
const VALID_DAYS = 397;
const RENEW_BEFORE_DAYS = 30;
const CLOCK_SKEW_MS = 5 * 60_000;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const HOSTS = [
  { type: 'dns', value: 'localhost' },
  { type: 'ip', value: '127.0.0.1' },
] as const;

/**
 * Makes sure that `folder` has a certificate for localhost and 127.0.0.1 that is good for another month, and a bundle
 * of what to trust. The issuer's key is used once and thrown away, so that nobody can issue with it later.
 */
export async function seedCertificates(
  folder: string,
  options: { readonly extraCaFile?: string | undefined; readonly nowMs: number },
): Promise<CertificateFiles> {
  const files = {
    certFile: path.join(folder, 'cert.pem'),
    keyFile: path.join(folder, 'key.pem'),
    caFile: path.join(folder, 'ca.pem'),
    caBundleFile: path.join(folder, 'ca-bundle.pem'),
  };
  if (!(await isGood(files, options.nowMs))) {
    const made = await makeCertificates(options.nowMs);
    await writePrivately(files.caFile, made.caPem);
    await writePrivately(files.keyFile, made.keyPem);
    await writePrivately(files.certFile, `${made.certPem}\n${made.caPem}\n`);
  }
  const ours = await readFile(files.caFile, 'utf8');
  const theirs = await readExtra(options.extraCaFile, files.caBundleFile);
  await writePrivately(files.caBundleFile, `${theirs}${ours}\n`);
  return files;
}

async function isGood(files: Omit<CertificateFiles, 'caBundleFile'>, nowMs: number): Promise<boolean> {
  try {
    const [certPem, keyPem, caPem] = await Promise.all(
      [files.certFile, files.keyFile, files.caFile].map((file) => readFile(file, 'utf8')),
    );
    const cert = new X509Certificate(certPem ?? '');
    const isOurs = cert.verify(new X509Certificate(caPem ?? '').publicKey) && keyPem?.includes('PRIVATE KEY');
    return isOurs === true && Date.parse(cert.validTo) - nowMs > RENEW_BEFORE_DAYS * DAY_MS;
  } catch {
    // Missing, cut short or not a certificate: all mean "make one".
    return false;
  }
}

async function makeCertificates(nowMs: number): Promise<{ caPem: string; certPem: string; keyPem: string }> {
  x509.cryptoProvider.set(webcrypto);
  const validity = {
    notBefore: new Date(nowMs - CLOCK_SKEW_MS),
    notAfter: new Date(nowMs + VALID_DAYS * DAY_MS),
    signingAlgorithm: ALGORITHM,
  };
  const caKeys = await webcrypto.subtle.generateKey(ALGORITHM, false, ['sign', 'verify']);
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity,
    name: 'CN=Headend development CA',
    keys: caKeys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(caKeys.publicKey),
    ],
  });
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const cert = await x509.X509CertificateGenerator.create({
    ...validity,
    subject: 'CN=localhost',
    issuer: ca.subject,
    publicKey: keys.publicKey,
    signingKey: caKeys.privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([...HOSTS]),
      await x509.AuthorityKeyIdentifierExtension.create(ca),
    ],
  });
  const key = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return {
    caPem: ca.toString('pem'),
    certPem: cert.toString('pem'),
    keyPem: x509.PemConverter.encode(key, 'PRIVATE KEY'),
  };
}

async function readExtra(file: string | undefined, ownBundle: string): Promise<string> {
  // A child of ours that starts a stack of its own has our bundle there: adding it to itself would grow it for ever.
  if (file === undefined || path.resolve(file) === path.resolve(ownBundle)) return '';
  const text = await readFile(file, 'utf8').catch(() => '');
  return text === '' ? '' : `${text.trimEnd()}\n`;
}
