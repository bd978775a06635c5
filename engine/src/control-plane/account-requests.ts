import type { AccountRow, Accounts } from './accounts.ts';
import type { AccountAddress, ArmRequest } from './arm-http.ts';
import type { ControlStore } from './control-store.ts';
import type { OperationKind } from './operation.ts';
import type { Operations } from './operations.ts';

export interface AccountRoutesDeps {
  readonly accounts: Accounts;
  /** The engine's own partition: accounts and the operations on them. */
  readonly rows: ControlStore;
  readonly operations: Operations;
  readonly kinds: { readonly create: OperationKind; readonly update: OperationKind };
  /** Of identities that accounts are given. */
  readonly tenantId: string;
  /** Reads the keys of all storage accounts again. */
  readonly syncStorage: () => Promise<void>;
  /** Ends what is in the account; resolves when it is gone, or after some seconds. */
  readonly remove: (account: string) => Promise<void>;
}

export const addressOf = ({ params }: ArmRequest): AccountAddress => ({
  subscription: params['subscription'] ?? '',
  resourceGroup: params['resourceGroup'] ?? '',
  account: params['account'] ?? '',
});

/** The account that the path names; throws what says what is not there. */
export async function found({ accounts }: AccountRoutesDeps, request: ArmRequest): Promise<AccountRow> {
  const address = addressOf(request);
  return (await accounts.find(address)) ?? accounts.refuseMissing(address, 'account');
}
