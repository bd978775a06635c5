import { z } from 'zod';

const armId =
  /^\/subscriptions\/([^/]+)\/resourceGroups\/([^/]+)\/providers\/Microsoft\.Media\/mediaservices\/([^/]+)$/i;

/** Every setting of the app; local.settings.sample.json has the same names. */
export const Settings = z
  .object({
    AzureWebJobsStorage: z.string().min(1),
    MEDIA_SERVICES_ENDPOINT: z.url(),
    MEDIA_SERVICES_ACCOUNT_ID: z
      .string()
      .regex(armId, 'an ARM id of a Microsoft.Media/mediaservices account'),
    MEDIA_SERVICES_LOCATION: z.string().min(1),
    STREAMING_BASE_URL: z.url(),
    KEY_DELIVERY_BASE_URL: z.url(),
    LIVE_PAGE_URL: z.union([z.literal(''), z.url()]).default(''),
    SECRET_STORE_PATH: z.string().default(''),
    SECRET_STORE_VAULT_URL: z.union([z.literal(''), z.url({ protocol: /^https$/ })]).default(''),
  })
  .refine(
    ({ SECRET_STORE_PATH: path, SECRET_STORE_VAULT_URL: vaultUrl }) => (path === '') !== (vaultUrl === ''),
    'one of SECRET_STORE_PATH and SECRET_STORE_VAULT_URL is needed, and not both',
  );

/** Where secrets are kept: in a folder of this machine, or in a vault. */
export type SecretStoreConfig =
  | { readonly kind: 'folder'; readonly path: string }
  | { readonly kind: 'vault'; readonly url: string };

export interface Config {
  readonly storage: string;
  readonly streamingBaseUrl: string;
  readonly keyDeliveryBaseUrl: string;
  /** Where the live page is; null: there is none. */
  readonly livePageUrl: string | null;
  readonly secretStore: SecretStoreConfig;
  readonly media: {
    readonly endpoint: string;
    readonly subscriptionId: string;
    readonly resourceGroup: string;
    readonly account: string;
    readonly location: string;
  };
}

/** Reads all settings at once; an error names every one that is wrong. */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const parsed = Settings.safeParse(environment);
  if (!parsed.success) throw new Error(`settings are wrong: ${z.prettifyError(parsed.error)}`);
  const settings = parsed.data;
  const [, subscriptionId = '', resourceGroup = '', account = ''] =
    armId.exec(settings.MEDIA_SERVICES_ACCOUNT_ID) ?? [];
  return Object.freeze({
    storage: settings.AzureWebJobsStorage,
    streamingBaseUrl: settings.STREAMING_BASE_URL.replace(/\/+$/, ''),
    keyDeliveryBaseUrl: settings.KEY_DELIVERY_BASE_URL.replace(/\/+$/, ''),
    livePageUrl: settings.LIVE_PAGE_URL === '' ? null : settings.LIVE_PAGE_URL.replace(/#.*$/, ''),
    secretStore: secretStoreOf(settings),
    media: {
      endpoint: settings.MEDIA_SERVICES_ENDPOINT.replace(/\/+$/, ''),
      subscriptionId,
      resourceGroup,
      account,
      location: settings.MEDIA_SERVICES_LOCATION,
    },
  });
}

const secretStoreOf = (settings: z.output<typeof Settings>): SecretStoreConfig =>
  settings.SECRET_STORE_PATH === ''
    ? { kind: 'vault', url: settings.SECRET_STORE_VAULT_URL }
    : { kind: 'folder', path: settings.SECRET_STORE_PATH };

// biome-ignore lint/style/noProcessEnv: the one place where the environment is read
export const readProcessConfig = (): Config => readConfig(process.env);
