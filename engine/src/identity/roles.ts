/** What a role lets its holder do, as Azure's role definitions say it: `*` stands for anything. */
interface RoleDefinition {
  readonly name: string;
  /** Azure's id of the built-in role. */
  readonly id: string;
  /** The value of an app role, which may not have spaces. */
  readonly appRole: string;
  readonly actions: readonly string[];
  readonly notActions: readonly string[];
}

const ACCOUNT = 'Microsoft.Media/mediaservices';
const READ = [`${ACCOUNT}/read`, `${ACCOUNT}/*/read`, 'Microsoft.Insights/*/read'];
const LIST_PLAYBACK = [
  `${ACCOUNT}/assets/listStreamingLocators/action`,
  `${ACCOUNT}/streamingLocators/listPaths/action`,
];
const MEDIA_SECRETS = [
  `${ACCOUNT}/assets/getEncryptionKey/action`,
  `${ACCOUNT}/streamingLocators/listContentKeys/action`,
];

/** Azure's built-in roles with their definitions; scaling of encoding, which is ours, goes with that of endpoints. */
const ROLES: readonly RoleDefinition[] = [
  {
    name: 'Owner',
    id: '8e3af657-a8ff-443c-a75c-2fe8c4bcb635',
    appRole: 'Headend.Owner',
    actions: ['*'],
    notActions: [],
  },
  {
    name: 'Contributor',
    id: 'b24988ac-6180-42a0-ab88-20f7382dd24c',
    appRole: 'Headend.Contributor',
    actions: ['*'],
    notActions: ['Microsoft.Authorization/*/write', 'Microsoft.Authorization/*/delete'],
  },
  {
    name: 'Reader',
    id: 'acdd72a7-3385-48ef-bd42-f606fba81ae7',
    appRole: 'Headend.Reader',
    actions: ['*/read'],
    notActions: [],
  },
  {
    name: 'Media Services Account Administrator',
    id: '054126f8-9a2b-4f1c-a9ad-eca461f08466',
    appRole: 'Headend.AccountAdministrator',
    actions: [
      ...READ,
      ...LIST_PLAYBACK,
      `${ACCOUNT}/write`,
      `${ACCOUNT}/delete`,
      `${ACCOUNT}/syncStorageKeys/action`,
      `${ACCOUNT}/listEdgePolicies/action`,
      `${ACCOUNT}/privateEndpointConnections/*`,
      'Microsoft.Media/locations/*',
      'Microsoft.Media/operations/read',
    ],
    notActions: [],
  },
  {
    name: 'Media Services Live Events Administrator',
    id: '532bc159-b25e-42c0-969e-a1d439f60d77',
    appRole: 'Headend.LiveEventsAdministrator',
    actions: [...READ, `${ACCOUNT}/assets/*`, `${ACCOUNT}/streamingLocators/*`, `${ACCOUNT}/liveEvents/*`],
    notActions: MEDIA_SECRETS,
  },
  {
    name: 'Media Services Media Operator',
    id: 'e4395492-1534-4db2-bedf-88c14621589c',
    appRole: 'Headend.MediaOperator',
    actions: [
      ...READ,
      `${ACCOUNT}/assets/*`,
      `${ACCOUNT}/streamingLocators/*`,
      `${ACCOUNT}/transforms/jobs/*`,
    ],
    notActions: MEDIA_SECRETS,
  },
  {
    name: 'Media Services Policy Administrator',
    id: 'c4bba371-dacd-4a26-b320-7250bca963ae',
    appRole: 'Headend.PolicyAdministrator',
    actions: [
      ...READ,
      ...LIST_PLAYBACK,
      `${ACCOUNT}/accountFilters/*`,
      `${ACCOUNT}/streamingPolicies/*`,
      `${ACCOUNT}/contentKeyPolicies/*`,
      `${ACCOUNT}/transforms/*`,
    ],
    // Azure's definition says that no jobs can be created, and its actions would allow it: the words win.
    notActions: [
      `${ACCOUNT}/contentKeyPolicies/getPolicyPropertiesWithSecrets/action`,
      `${ACCOUNT}/transforms/jobs/write`,
      `${ACCOUNT}/transforms/jobs/delete`,
      `${ACCOUNT}/transforms/jobs/*/action`,
    ],
  },
  {
    name: 'Media Services Streaming Endpoints Administrator',
    id: '99dba123-b5fe-44d5-874c-ced7199a5804',
    appRole: 'Headend.StreamingEndpointsAdministrator',
    actions: [...READ, ...LIST_PLAYBACK, `${ACCOUNT}/streamingEndpoints/*`, `${ACCOUNT}/encodingCapacity/*`],
    notActions: [],
  },
];

interface Role {
  readonly allows: readonly RegExp[];
  readonly denies: readonly RegExp[];
}

const patternOf = (action: string): RegExp =>
  new RegExp(`^${action.toLowerCase().replaceAll('.', '\\.').replaceAll('*', '.*')}$`);

/** By name, by Azure's id and by app role, all in lower case. */
const ROLES_BY_NAME: ReadonlyMap<string, Role> = new Map(
  ROLES.flatMap(({ name, id, appRole, actions, notActions }) => {
    const role = { allows: actions.map(patternOf), denies: notActions.map(patternOf) };
    return [name, id, appRole].map((alias): [string, Role] => [alias.toLowerCase(), role]);
  }),
);

/** As they are written in a settings file. */
export const ROLE_NAMES: readonly string[] = ROLES.map(({ name }) => name);

export const isRoleName = (name: string): boolean => ROLES_BY_NAME.has(name.toLowerCase());

/** Whether a role (by name, id or app role; unknown ones allow nothing) contains an action such as `…/assets/write`. */
export function roleAllows(roleName: string, action: string): boolean {
  const role = ROLES_BY_NAME.get(roleName.toLowerCase());
  if (role === undefined) return false;
  const asked = action.toLowerCase();
  return (
    role.allows.some((pattern) => pattern.test(asked)) && !role.denies.some((pattern) => pattern.test(asked))
  );
}
