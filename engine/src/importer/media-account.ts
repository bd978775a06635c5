import { type Asset, AzureMediaServices, type StreamingLocator } from '@azure/arm-mediaservices';
import { DefaultAzureCredential } from '@azure/identity';

/** Whose assets and locators are made, as the import needs it. */
export interface MediaAccount {
  /** Undefined: there is none of that name. */
  findAsset(name: string): Promise<Asset | undefined>;
  createAsset(name: string, asset: Asset): Promise<void>;
  findLocator(name: string): Promise<StreamingLocator | undefined>;
  createLocator(name: string, locator: StreamingLocator): Promise<void>;
}

const ACCOUNT_ID =
  /^\/subscriptions\/([^/]+)\/resourceGroups\/([^/]+)\/providers\/Microsoft\.Media\/mediaservices\/([^/]+)$/i;

/** Any service that speaks the Media Services v3 API. Credentials are those of `DefaultAzureCredential`. */
export function openMediaAccount(endpoint: string, accountId: string): MediaAccount {
  const [, subscription = '', group = '', account = ''] = ACCOUNT_ID.exec(accountId) ?? [];
  if (account === '') throw new Error('the account id is not that of a media services account');
  const client = new AzureMediaServices(new DefaultAzureCredential(), subscription, { endpoint });
  return {
    findAsset: (name) => orUndefined(client.assets.get(group, account, name)),
    async createAsset(name, asset) {
      await client.assets.createOrUpdate(group, account, name, asset);
    },
    findLocator: (name) => orUndefined(client.streamingLocators.get(group, account, name)),
    async createLocator(name, locator) {
      await client.streamingLocators.create(group, account, name, locator);
    },
  };
}

async function orUndefined<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (Reflect.get(Object(error), 'statusCode') === 404) return undefined;
    throw error;
  }
}
