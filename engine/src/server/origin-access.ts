import { readFile } from 'node:fs/promises';
import type { OriginDeps } from '../delivery/origin.ts';
import { secretDigest } from '../delivery/origin-gate.ts';
import { followFile } from './follow-file.ts';
import { openHostCertificates } from './host-certificates.ts';
import type { Log } from './log.ts';
import { type OriginConfig, parseOriginSecrets } from './origin-config.ts';

type OriginAccess = Pick<OriginDeps, 'gate' | 'certificates' | 'cacheBytesMax' | 'packagedBytesMax'>;

/** What an origin's settings say of who may use it; secrets and certificates are read anew when their files change. */
export async function openOriginAccess(config: OriginConfig, log: Log): Promise<OriginAccess> {
  const { allow, trustedProxies, tls, cacheBytesMax, packagedBytesMax } = config;
  return {
    gate: { allow, trustedProxies, secret: await openSecrets(config, log) },
    certificates: tls && (await openHostCertificates(tls.folder, log)),
    cacheBytesMax,
    packagedBytesMax,
  };
}

async function openSecrets({ secret }: OriginConfig, log: Log) {
  if (secret === undefined) return undefined;
  const { header, file } = secret;
  const read = async (): Promise<readonly Buffer[]> =>
    parseOriginSecrets(await readFile(file, 'utf8')).map(secretDigest);
  let digests = await read();
  const refresh = async (): Promise<void> => {
    digests = await read();
  };
  followFile(file, refresh, log);
  return { header, digests: () => digests };
}
