import { X509Certificate } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createSecureContext, type SecureContext } from 'node:tls';
import { LRUCache } from 'lru-cache';
import type { HostCertificates } from '../delivery/origin-server.ts';
import type { Log } from './log.ts';

const LOOK_EVERY_MS = 5_000;
const CERTIFICATES_MAX = 1_000;
const FILE_BYTES_MAX = 256 * 1024;
/** Names that clients sent lately, whether or not there is a certificate for them. */
const NAMES_MAX = 1_000;
const DEFAULT_NAME = 'default';

interface Loaded {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly certificate: X509Certificate;
  readonly context: SecureContext;
}

/**
 * Certificates of host names from a folder: `{any name}.crt` (PEM, with its chain) beside `{the same name}.key`. Which
 * host names one is for stands in it; `default.crt` is for all others and for clients that ask for none. Read anew when something there changes; what
 * cannot be read leaves in use what was there before.
 */
export async function openHostCertificates(folder: string, log: Log): Promise<HostCertificates> {
  let loaded = await load(folder);
  let seen = await signatureOf(folder);
  const byName = new LRUCache<string, { readonly context: SecureContext | undefined }>({ max: NAMES_MAX });
  const followers: (() => void)[] = [];
  const look = async (): Promise<void> => {
    const now = await signatureOf(folder);
    if (now === seen) return;
    loaded = await load(folder);
    seen = now;
    byName.clear();
    for (const follow of followers) follow();
    log.info('origin.certificatesRead', { folder, certificates: loaded.size });
  };
  setInterval(() => {
    look().catch((error: unknown) => log.warn('origin.certificatesNotRead', { folder, error }));
  }, LOOK_EVERY_MS).unref();
  return {
    contextOf(serverName) {
      const known = byName.get(serverName);
      if (known !== undefined) return known.context;
      const own = [...loaded.values()].find(
        ({ certificate }) => certificate.checkHost(serverName) !== undefined,
      );
      const context = (own ?? loaded.get(DEFAULT_NAME))?.context;
      byName.set(serverName, { context });
      return context;
    },
    followDefault(use) {
      const follow = () => {
        const own = loaded.get(DEFAULT_NAME);
        if (own !== undefined) use(own);
      };
      followers.push(follow);
      follow();
    },
  };
}

async function load(folder: string): Promise<ReadonlyMap<string, Loaded>> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.crt')).sort();
  if (names.length > CERTIFICATES_MAX) throw new Error(`more than ${CERTIFICATES_MAX} certificates`);
  const loaded = new Map<string, Loaded>();
  for (const name of names) {
    const base = name.slice(0, -'.crt'.length);
    const [cert, key] = await Promise.all([
      readSmall(join(folder, name)),
      readSmall(join(folder, `${base}.key`)),
    ]);
    const certificate = new X509Certificate(cert);
    loaded.set(base, { cert, key, certificate, context: createSecureContext({ cert, key }) });
  }
  return loaded;
}

async function readSmall(path: string): Promise<Buffer> {
  if ((await stat(path)).size > FILE_BYTES_MAX)
    throw new Error(`a file of more than ${FILE_BYTES_MAX} bytes`);
  return readFile(path);
}

async function signatureOf(folder: string): Promise<string> {
  const names = (await readdir(folder)).filter((name) => /\.(crt|key)$/.test(name)).sort();
  const facts = await Promise.all(
    names.slice(0, 2 * CERTIFICATES_MAX).map(async (name) => {
      const { mtimeMs, size, ino } = await stat(join(folder, name));
      return `${name}!${mtimeMs}!${size}!${ino}`;
    }),
  );
  return facts.join('\n');
}
