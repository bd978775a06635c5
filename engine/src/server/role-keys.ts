import { AuditTrail } from '../keys/audit-trail.ts';
import { clientAddressReader } from '../keys/client-address.ts';
import { DiscoveredKeys } from '../keys/discovered-keys.ts';
import { KeyAuthority } from '../keys/key-authority.ts';
import { startKeyServer } from '../keys/key-server.ts';
import { KeyService } from '../keys/key-service.ts';
import { RefusalLog } from '../keys/refusal-log.ts';
import { TokenChecker } from '../keys/token-check.ts';
import { keyDeliveryReader } from '../resources/key-delivery-addresses.ts';
import { parseMasterKeys } from '../sealing/master-keys.ts';
import { createSealer, type Sealer } from '../sealing/sealer.ts';
import { createKeyAuditSink } from '../store/key-audit-blobs.ts';
import { createKeyDirectory } from '../store/key-delivery-table.ts';
import { createTokenUses } from '../store/token-use-table.ts';
import { openLicenseServers } from './license-servers.ts';
import type { RoleDeps, RunningRole } from './role.ts';

const SWEEP_EVERY_MS = 60_000;

/** Key delivery: AES keys, Clear Key licenses and the license proxy on one port, `keys`. */
export async function startKeysRole(deps: RoleDeps): Promise<RunningRole> {
  const { config, log, table, storageAccounts } = deps;
  const { keys } = config;
  if (keys === undefined) throw new Error('the role keys has no settings');
  const clock = { nowMs: () => Date.now() };
  const issuers = new DiscoveredKeys({
    ...{ clock, log, coolDownMs: keys.issuerCoolDownMs },
    isPrivateAllowed: keys.isPrivateIssuerAllowed,
  });
  const uses = createTokenUses(table);
  const audit = new AuditTrail(createKeyAuditSink(storageAccounts), { clock, log });
  const refusals = new RefusalLog(log, clock);
  const authority = new KeyAuthority({
    ...{ issuers, uses, clock, log },
    directory: createKeyDirectory({ table, open: envelopeOpener(keys.masterKeys.reveal()) }),
    tokens: new TokenChecker({ issuerKeys: issuers, clockSkewSeconds: keys.clockSkewSeconds }),
  });
  const service = new KeyService({
    ...{ authority, audit, refusals, clock },
    licenseServers: await openLicenseServers(keys.licenseServersFile, log),
    ownAccount: table.account,
    placeOf: keyDeliveryReader(config.publicKeysBase),
  });
  const server = await startKeyServer({
    ...{ host: config.bindAddress, port: config.ports.keys, service, refusals },
    tls: keys.tls && { certPem: keys.tls.certPem, keyPem: keys.tls.keyPem.reveal() },
    clientOf: clientAddressReader(keys.trustedProxies),
  });
  const sweep = (): void => {
    uses.sweep(clock.nowMs()).catch((error: unknown) => log.warn('keys.usesNotSwept', { error }));
  };
  const sweeping = setInterval(sweep, SWEEP_EVERY_MS).unref();
  return {
    ports: { keys: server.port },
    async close() {
      clearInterval(sweeping);
      await server.close();
      await audit.close();
    },
  };
}

/** What is sealed for an account opens for that account alone. */
function envelopeOpener(masterKeysText: string) {
  const masterKeys = parseMasterKeys(masterKeysText);
  const sealers = new Map<string, Sealer>();
  return (account: string, envelope: string, identity: string): string => {
    let sealer = sealers.get(account);
    if (sealer === undefined) {
      sealer = createSealer(masterKeys, account);
      sealers.set(account, sealer);
    }
    return sealer.open(envelope, identity);
  };
}
