import os from 'node:os';
import path from 'node:path';

/** What the supervisor, the page server and Azurite's shim read of their environment, and what children inherit. */
export interface Environment {
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly exitWithParent: boolean;
  readonly colour: boolean;
  /** Where Microsoft's Functions host is, if anywhere. */
  readonly azureHostFolder: string;
  /** A file of certificates that the user trusts already. */
  readonly extraCaFile: string | undefined;
  readonly searchPath: string;
  /** Settings of the engine that a laptop's user may give: FFmpeg, speech, limits of jobs. */
  readonly forEngine: Readonly<Record<string, string | undefined>>;
}

const FOR_ENGINE = /^HEADEND_(FFMPEG|SPEECH_|JOB_|SCRATCH_PATH$|WORKER_UNITS_MAX$)/;

export function readEnvironment(): Environment {
  // biome-ignore lint/style/noProcessEnv: the one reader of the environment in these programs
  return parseEnvironment(process.env);
}

function parseEnvironment(variables: Environment['variables']): Environment {
  return {
    variables,
    exitWithParent: variables['HEADEND_EXIT_WITH_PARENT'] === '1',
    colour: variables['NO_COLOR'] === undefined,
    azureHostFolder:
      variables['HEADEND_AZURE_HOST'] || path.join(cacheFolder(variables), 'azure-functions-host'),
    extraCaFile: variables['NODE_EXTRA_CA_CERTS'] || undefined,
    searchPath: variables['PATH'] ?? '',
    forEngine: Object.fromEntries(Object.entries(variables).filter(([name]) => FOR_ENGINE.test(name))),
  };
}

/** Outside the tree, as the XDG Base Directory Specification says; scripts/fetch-azure-host.mjs fills it. */
function cacheFolder(variables: Environment['variables']): string {
  return path.join(variables['XDG_CACHE_HOME'] || path.join(os.homedir(), '.cache'), 'headend');
}
