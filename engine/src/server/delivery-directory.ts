import type { DeliveryDirectory } from '../delivery/delivery-directory.ts';
import { accountScope } from '../resources/account-scope.ts';
import { parseMasterKeys } from '../sealing/master-keys.ts';
import { createSealer } from '../sealing/sealer.ts';
import { createDeliveryDirectory } from '../store/delivery-directory-table.ts';
import type { EngineIndex } from '../store/engine-index.ts';
import type { HeadendTable } from '../store/headend-table.ts';
import type { EngineConfig } from './config.ts';
import type { Log } from './log.ts';

interface Opened {
  readonly table: HeadendTable;
  readonly index: EngineIndex;
  readonly log: Log;
}

/** The origin's view of the control plane, with content keys where the master keys are. */
export function openDeliveryDirectory(
  { masterKeys, publicKeysBase, accountId, location }: EngineConfig,
  { table, index, log }: Opened,
): DeliveryDirectory {
  const opening = masterKeys && parseMasterKeys(masterKeys.reveal());
  return createDeliveryDirectory(table, index, {
    openerOf: opening && ((account) => createSealer(opening, account)),
    keysBase: publicKeysBase,
    own: accountScope(accountId, location),
    log,
  });
}
