/** What the supervisor, the page server and Azurite's shim read of their environment, and what children inherit. */
export interface Environment {
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly exitWithParent: boolean;
  readonly colour: boolean;
  /** A file of certificates that the user trusts already. */
  readonly extraCaFile: string | undefined;
}

export function readEnvironment(): Environment {
  // biome-ignore lint/style/noProcessEnv: the one reader of the environment in these programs
  return parseEnvironment(process.env);
}

function parseEnvironment(variables: Environment['variables']): Environment {
  return {
    variables,
    exitWithParent: variables['HEADEND_EXIT_WITH_PARENT'] === '1',
    colour: variables['NO_COLOR'] === undefined,
    extraCaFile: variables['NODE_EXTRA_CA_CERTS'] || undefined,
  };
}
