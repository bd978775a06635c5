import { AccountRecord, toArmAccount } from '../resources/account.ts';
import { armError } from '../resources/error-catalogue.ts';
import * as keys from '../resources/row-keys.ts';
import type { ArmAnswer, ArmRoute } from './arm-http.ts';
import type { ControlContext } from './control-context.ts';

/** The account itself. */
export const ACCOUNT_ROUTES: readonly ArmRoute[] = [{ method: 'GET', path: '', handle: getAccount }];

async function getAccount({ scope, store, containers }: ControlContext): Promise<ArmAnswer> {
  const row = await store.find(keys.accountKey);
  if (row === undefined) throw armError('NotFound');
  return { status: 200, body: toArmAccount(scope, AccountRecord.parse(row.body), containers.accountName) };
}
