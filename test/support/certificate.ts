import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** A certificate of this machine's own names, signed by itself. */
export async function makeCertificate(
  newKey = ['ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'],
): Promise<Certificate> {
  const folder = await mkdtemp(join(tmpdir(), 'headend-certificate-'));
  try {
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    const made = ['req', '-x509', '-newkey', ...newKey, '-nodes', '-days', '2', ...subject];
    await promisify(execFile)('openssl', [...made, '-keyout', key, '-out', cert]);
    return { cert: await readFile(cert, 'utf8'), key: await readFile(key, 'utf8') };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
