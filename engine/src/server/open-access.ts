import type { IncomingMessage, ServerResponse } from 'node:http';
import { type AccessControl, createAccessControl } from '../identity/access-control.ts';
import { answerManagedIdentity, answerOAuth } from '../identity/identity-http.ts';
import { openIssuerKeys } from '../identity/issuer-keys.ts';
import { RolesFile } from '../identity/role-assignments.ts';
import { CLIENT_ID, openTokenIssuer, type SigningKeyStore } from '../identity/token-issuer.ts';
import type { HeadendTable } from '../store/headend-table.ts';
import { followFile } from './follow-file.ts';
import type { IdentityConfig } from './identity-config.ts';
import type { Log } from './log.ts';
import { readSettingsFile } from './settings-file.ts';

const SIGNING_KEY_ROW = 'k!signingkey';

export interface OpenedAccess {
  readonly access: AccessControl;
  /** Answers what is asked of the laptop's token issuer on the ARM port; false when a request is not for it. */
  answerOAuth(request: IncomingMessage, response: ServerResponse): Promise<boolean>;
  answerManagedIdentity(request: IncomingMessage, response: ServerResponse): Promise<void>;
  close(): void;
}

/** Who may call the ARM API: whom an external issuer says, or whoever has the laptop's secret. */
export async function openAccess(
  identity: IdentityConfig,
  deps: {
    readonly bindAddress: string;
    readonly armEndpoint: string;
    readonly table: HeadendTable;
    readonly log: Log;
  },
): Promise<OpenedAccess> {
  if (identity.kind === 'external') return externalAccess(identity, deps.log);
  const { bindAddress, armEndpoint, table } = deps;
  const issuer = await openTokenIssuer({
    bindAddress,
    armEndpoint,
    clientSecret: identity.secret.reveal(),
    keyStore: signingKeyStore(table),
  });
  const access = createAccessControl({
    authorizationUri: `${armEndpoint}/adfs`,
    getKey: issuer.getKey,
    rules: issuer.rules,
    // There is one client, and the laptop is its user's.
    roleAssignments: () => [{ principalId: CLIENT_ID, roleDefinitionName: 'Owner', scope: '/' }],
  });
  return {
    access,
    answerOAuth: (request, response) => answerOAuth(issuer, request, response),
    answerManagedIdentity: (request, response) => answerManagedIdentity(issuer, request, response),
    close: () => undefined,
  };
}

type ExternalIdentity = Extract<IdentityConfig, { kind: 'external' }>;

function externalAccess(identity: ExternalIdentity, log: Log): OpenedAccess {
  const { issuers, audiences, algorithms, clockSkewSeconds } = identity;
  const keys = openIssuerKeys({ source: identity.keys, coolDownMs: identity.keysCoolDownMs, log });
  const [authorizationUri = ''] = issuers.map((issuer) => issuer.replace(/(\/v2\.0)?\/*$/, ''));
  return {
    access: createAccessControl({
      authorizationUri,
      getKey: keys.getKey,
      rules: { issuers, audiences, algorithms, clockSkewSeconds },
      roleAssignments: followRoles(identity, log),
    }),
    answerOAuth: () => Promise.resolve(false),
    // Nobody listens for it.
    answerManagedIdentity: () => Promise.resolve(),
    close: keys.close,
  };
}

/** The file is read again when it has changed. */
function followRoles({ rolesFile: path, roleAssignments }: ExternalIdentity, log: Log) {
  let assignments = roleAssignments;
  if (path !== undefined) {
    const read = async (): Promise<void> => {
      ({ roleAssignments: assignments } = await readSettingsFile('HEADEND_ROLES_FILE', path, RolesFile));
    };
    followFile(path, read, log);
  }
  return () => assignments;
}

const signingKeyStore = (table: HeadendTable): SigningKeyStore => ({
  find: async () => (await table.find(SIGNING_KEY_ROW))?.body,
  create: async (jwk) =>
    (await table.commit([{ kind: 'create', rowKey: SIGNING_KEY_ROW, body: jwk }])) === 'committed',
});
