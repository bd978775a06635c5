import { z } from 'zod';
import type { LicenseServer, LicenseServers, LicenseSystem } from '../keys/license-proxy.ts';
import { followFile } from './follow-file.ts';
import type { Log } from './log.ts';
import { readSettingsFile } from './settings-file.ts';

const SERVERS_MAX = 1_000;
const HEADERS_MAX = 20;

const SYSTEMS = {
  PlayReady: 'playReady',
  Widevine: 'widevine',
  FairPlay: 'fairPlay',
} as const satisfies Record<string, LicenseSystem>;

const LicenseServersFile = z.object({
  licenseServers: z
    .array(
      z.strictObject({
        system: z.enum(['PlayReady', 'Widevine', 'FairPlay']),
        /** Undefined: for every account that has none of its own. */
        account: z
          .string()
          .regex(/^[a-z0-9]{3,24}$/)
          .optional(),
        url: z.url({ protocol: /^https?$/ }).max(2_000),
        headers: z
          .record(z.string().regex(/^[\w-]{1,100}$/), z.string().regex(/^[\x20-\x7e]{0,4000}$/))
          .refine((headers) => Object.keys(headers).length <= HEADERS_MAX)
          .default({}),
      }),
    )
    .max(SERVERS_MAX),
});

/**
 * `HEADEND_LICENSE_SERVERS` names a file `{"licenseServers":[{"system","account"?,"url","headers"?}]}`, which is read
 * again when it has changed. Throws `InvalidConfig`.
 */
export async function openLicenseServers(path: string | undefined, log: Log): Promise<LicenseServers> {
  let servers: ReadonlyMap<string, LicenseServer> = new Map();
  if (path !== undefined) {
    const read = async (): Promise<void> => {
      const file = await readSettingsFile('HEADEND_LICENSE_SERVERS', path, LicenseServersFile);
      servers = new Map(
        file.licenseServers.map(({ system, account = '', url, headers }) => [
          `${SYSTEMS[system]}/${account}`,
          { url: new URL(url), headers },
        ]),
      );
    };
    await read();
    followFile(path, read, log);
  }
  return {
    find: (system, account) => servers.get(`${system}/${account}`) ?? servers.get(`${system}/`),
  };
}
