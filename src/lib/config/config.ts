import { z } from 'zod';

const armId =
  /^\/subscriptions\/([^/]+)\/resourceGroups\/([^/]+)\/providers\/Microsoft\.Media\/mediaservices\/([^/]+)$/i;

/** Every setting of the app; local.settings.sample.json has the same names. */
export const Settings = z.object({
  AzureWebJobsStorage: z.string().min(1),
  MEDIA_SERVICES_ENDPOINT: z.url(),
  MEDIA_SERVICES_ACCOUNT_ID: z.string().regex(armId, 'an ARM id of a Microsoft.Media/mediaservices account'),
  MEDIA_SERVICES_LOCATION: z.string().min(1),
  STREAMING_BASE_URL: z.url(),
});

export interface Config {
  readonly storage: string;
  readonly streamingBaseUrl: string;
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
    media: {
      endpoint: settings.MEDIA_SERVICES_ENDPOINT.replace(/\/+$/, ''),
      subscriptionId,
      resourceGroup,
      account,
      location: settings.MEDIA_SERVICES_LOCATION,
    },
  });
}

// biome-ignore lint/style/noProcessEnv: the one place where the environment is read
export const readProcessConfig = (): Config => readConfig(process.env);
