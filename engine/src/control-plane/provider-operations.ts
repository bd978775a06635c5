import { actionOf } from './arm-access.ts';
import type { ArmRoute, ProviderRoute } from './arm-http.ts';
import { ACCOUNT_PATH } from './arm-http.ts';

const PROVIDER = 'Microsoft Media Services';
const VERBS: Readonly<Record<string, string>> = {
  read: 'Read',
  write: 'Create or Update',
  delete: 'Delete',
};

/** What can be done here, under the names that permissions are given for. */
export function providerOperationsRoute(
  provider: readonly ProviderRoute[],
  account: readonly ArmRoute[],
): ProviderRoute {
  const routes = [...provider, ...account.map((route) => ({ ...route, path: ACCOUNT_PATH + route.path }))];
  const actions = new Set(
    routes
      .map(({ method, path, permission }) => permission ?? actionOf(method, path))
      .filter((action) => action.startsWith('Microsoft.Media/')),
  );
  const value = ['Microsoft.Media/operations/read', ...actions].sort().map(toOperation);
  return {
    method: 'GET',
    path: '/providers/Microsoft.Media/operations',
    handle: async () => ({ status: 200, body: { value } }),
  };
}

/** `Microsoft.Media/mediaservices/liveEvents/read` is `Read Live Events`. */
function toOperation(name: string): object {
  const parts = name.split('/').slice(1);
  const isCommand = parts.at(-1) === 'action';
  const verb = parts.at(isCommand ? -2 : -1) ?? '';
  const types = parts.slice(0, isCommand ? -2 : -1);
  const resource = wordsOf(types.at(-1) ?? 'mediaservices');
  const operation = isCommand ? `${wordsOf(verb)} of ${resource}` : `${VERBS[verb] ?? verb} ${resource}`;
  return { name, display: { provider: PROVIDER, resource, operation, description: operation } };
}

/** `liveEvents` is `Live Events`. */
function wordsOf(type: string): string {
  if (type === 'mediaservices') return 'Media Services Account';
  const words = type.replaceAll(/(?=[A-Z])/g, ' ').trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
