import { ACCOUNT, GROUP, SUBSCRIPTION } from '../../support/arm-client.ts';
import type { Example, Operation } from './specifications.ts';

/** The account that the operations on accounts make, change and delete. */
export const OTHER_ACCOUNT = 'contracttwo';
export const LOCATION = 'local';

/** A resource as the path names it: `{ collection: 'assets', name: 'a' }`, outermost first. */
export interface Step {
  readonly collection: string;
  readonly name: string;
}

const ACCOUNT_OPERATIONS = ['Mediaservices_CreateOrUpdate', 'Mediaservices_Update', 'Mediaservices_Delete'];

/** The values for a path template: ours for the account, the example's for everything below it. */
export function valuesFor(operation: Operation, example: Example | undefined): Record<string, string> {
  const account = ACCOUNT_OPERATIONS.includes(operation.id) ? OTHER_ACCOUNT : ACCOUNT;
  const named = Object.entries(example?.parameters ?? {}).map(([key, value]) => [key, String(value)]);
  return {
    ...Object.fromEntries(named),
    subscriptionId: SUBSCRIPTION,
    resourceGroupName: GROUP,
    accountName: account,
    locationName: LOCATION,
  };
}

export const pathOf = (template: string, values: Readonly<Record<string, string>>): string =>
  template.replaceAll(/\{(\w+)\}/g, (_whole, name: string) => encodeURIComponent(values[name] ?? name));

/** The resources that a path goes through below its account; actions and operation results are none. */
export function stepsOf(template: string, values: Readonly<Record<string, string>>): Step[] {
  const [, below = ''] = template.split('{accountName}/');
  return [...below.matchAll(/(\w+)\/\{(\w+)\}/g)]
    .filter(([, collection = '']) => !/operation/i.test(collection))
    .map(([, collection = '', name = '']) => ({ collection, name: values[name] ?? name }));
}

export const accountPath = (account = ACCOUNT): string =>
  `/subscriptions/${SUBSCRIPTION}/resourceGroups/${GROUP}/providers/Microsoft.Media/mediaservices/${account}`;

export const pathOfSteps = (steps: readonly Step[]): string =>
  accountPath() + steps.map(({ collection, name }) => `/${collection}/${encodeURIComponent(name)}`).join('');

export const storageAccountId = (name: string): string =>
  `/subscriptions/${SUBSCRIPTION}/resourceGroups/${GROUP}/providers/Microsoft.Storage/storageAccounts/${name}`;

export const SUBSCRIPTION_PATH = `/subscriptions/${SUBSCRIPTION}`;
export const GROUP_PATH = `${SUBSCRIPTION_PATH}/resourceGroups/${GROUP}`;
