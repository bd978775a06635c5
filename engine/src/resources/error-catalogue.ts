interface ErrorEntry {
  readonly status: number;
  /** `code` on the wire where it is not the catalogue's name: several of our cases are one `BadRequest` there. */
  readonly code?: string;
  readonly message: (about: About) => string;
}

/** What a message may speak about. */
export interface About {
  readonly account?: string;
  readonly resourceGroup?: string;
  readonly type?: string;
  readonly name?: string;
  readonly state?: string;
  readonly field?: string;
  readonly reason?: string;
  readonly objectId?: string;
  readonly action?: string;
  readonly scope?: string;
}

const bad = (message: ErrorEntry['message']): ErrorEntry => ({ status: 400, code: 'BadRequest', message });

/**
 * Every error of the ARM API: HTTP status, `error.code` and message. Where the original service was observed, code and
 * message are its own, word for word; the others follow its pattern.
 */
export const ERROR_CATALOGUE = {
  // Observed (media-services reference §1.0).
  NotFound: { status: 404, message: () => 'The requested resource was not found.' },
  ResourceNotFound: {
    status: 404,
    message: ({ account, type, name, resourceGroup }) =>
      `The Resource 'Microsoft.Media/mediaservices/${account}/${type}/${name}' under resource group '${resourceGroup}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix`,
  },
  ParentResourceNotFound: {
    status: 404,
    message: ({ account, name }) =>
      `Can not perform requested operation on nested resource. Parent resource '${account}/${name}' not found.`,
  },
  NotStorageEncrypted: bad(
    () => 'Asset, asset files or encryption key does not exist or asset files are not storage encrypted.',
  ),
  /** How operations on tracks fail. */
  TrackFileRefused: { status: 400, code: 'ClientError', message: ({ reason }) => `${reason}` },
  NoServerManifest: bad(({ name }) => `The asset '${name}' has no server manifest (.ism) to add tracks to.`),
  TrackOfManifest: bad(
    ({ name }) => `The track '${name}' is listed by the server manifest of its asset and cannot be changed.`,
  ),
  TrackOperationInProgress: {
    status: 409,
    code: 'OperationInProgress',
    message: () => 'There is another operation already in progress on the track.',
  },
  TrackFileNotFound: bad(() => 'Target resource file does not exist.'),
  OperationInProgress: {
    status: 409,
    message: () => 'There is another operation already in progress on the Channel.',
  },
  OriginOperationInProgress: {
    status: 409,
    code: 'OperationInProgress',
    message: () => 'There is another operation already in progress on the Origin.',
  },
  PlayReadyUnknownOutput: {
    status: 400,
    code: 'BadRequest',
    message: () =>
      'PlayReady does not allow passing to unknown outputs if the DigitalVideoOnlyContentRestriction is enabled.',
  },
  CdnUnavailable: {
    status: 412,
    code: 'PreconditionFailed',
    message: () =>
      "Streaming endpoint CdnEnabled property can't be set to true as CDN capability is unavailable in the current region.",
  },
  InternalError: { status: 500, message: () => 'The server encountered an unexpected error.' },
  NoCodecs: bad(() => 'Invalid enocer preset: No codecs specified.'),
  JobNotFinal: bad(
    ({ name, state, reason }) =>
      `The job ${reason} operation for '${name}' resource failed. The job is in the '${state}' state. Cancel the job or retry after the processing completes.`,
  ),
  // Azure Resource Manager's own.
  AuthenticationFailed: {
    status: 401,
    message: ({ reason }) => `Authentication failed. ${reason}`,
  },
  InvalidAuthenticationToken: { status: 401, message: ({ reason }) => `${reason}` },
  ExpiredAuthenticationToken: { status: 401, message: ({ reason }) => `${reason}` },
  InvalidAuthenticationTokenAudience: { status: 401, message: ({ reason }) => `${reason}` },
  InvalidAuthenticationTokenTenant: { status: 401, message: ({ reason }) => `${reason}` },
  AuthenticationUnavailable: {
    status: 503,
    code: 'ServiceUnavailable',
    message: ({ reason }) => `${reason}`,
  },
  AuthorizationFailed: {
    status: 403,
    message: ({ name, objectId, action, scope }) =>
      `The client '${name}' with object id '${objectId}' does not have authorization to perform action '${action}' over scope '${scope}' or the scope is invalid. If access was recently granted, please refresh your credentials.`,
  },
  MissingApiVersion: {
    status: 400,
    code: 'MissingApiVersionParameter',
    message: () => 'The api-version query parameter (?api-version=) is required for all requests.',
  },
  InvalidApiVersion: {
    status: 400,
    code: 'InvalidApiVersionParameter',
    message: ({ reason }) => `The api-version is invalid. The supported versions are '${reason}'.`,
  },
  RouteNotFound: {
    status: 404,
    code: 'InvalidResourceType',
    message: ({ name }) => `The resource type could not be found for '${name}'.`,
  },
  MethodNotAllowed: {
    status: 405,
    message: ({ name }) => `The resource does not support the method '${name}'.`,
  },
  AccountNotFound: {
    status: 404,
    code: 'ResourceNotFound',
    message: ({ name, resourceGroup }) =>
      `The Resource 'Microsoft.Media/mediaservices/${name}' under resource group '${resourceGroup}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix`,
  },
  RequestTooLarge: {
    status: 413,
    code: 'RequestEntityTooLarge',
    message: ({ reason }) => `The request body is larger than ${reason} bytes.`,
  },
  InvalidJson: {
    status: 400,
    code: 'InvalidRequestContent',
    message: () => 'The request content was invalid and could not be deserialized as a JSON object.',
  },
  SubscriptionNotFound: {
    status: 404,
    message: ({ name }) => `The subscription '${name}' could not be found.`,
  },
  InvalidSubscriptionId: {
    status: 400,
    message: ({ name }) => `The provided subscription identifier '${name}' is malformed or invalid.`,
  },
  ResourceGroupNotFound: {
    status: 404,
    message: ({ name }) => `Resource group '${name}' could not be found.`,
  },
  ParentAccountNotFound: {
    status: 404,
    code: 'ParentResourceNotFound',
    message: ({ name }) =>
      `Can not perform requested operation on nested resource. Parent resource '${name}' not found.`,
  },
  StorageInaccessible: bad(() => 'Storage account cannot be accessed.'),
  AccountNameInUse: {
    status: 409,
    code: 'Conflict',
    message: () =>
      'Already in use by another account. Please try again with a name that is not likely to be in use.',
  },
  // Ours, on the original's pattern.
  AccountOperationInProgress: {
    status: 409,
    code: 'OperationInProgress',
    message: () => 'There is another operation already in progress on the account.',
  },
  AccountNotReady: {
    status: 409,
    code: 'Conflict',
    message: ({ name, state }) =>
      `The account '${name}' cannot be used: its provisioning state is '${state}'.`,
  },
  OwnAccount: {
    status: 409,
    code: 'Conflict',
    message: ({ name }) =>
      `The account '${name}' is the one that this service is set up with and cannot be deleted.`,
  },
  CapacityOperationInProgress: {
    status: 409,
    code: 'OperationInProgress',
    message: () => 'There is another operation already in progress on the encoding capacity.',
  },
  InvalidField: bad(({ field, reason }) => `The field '${field}' is invalid: ${reason}.`),
  UnknownField: bad(({ field }) => `The field '${field}' is not known.`),
  InvalidName: bad(({ name, reason }) => `The name '${name}' is invalid: ${reason}.`),
  UnsupportedQuery: bad(({ field }) => `The query option '${field}' is not supported here.`),
  InvalidQuery: bad(({ field, reason }) => `The query option '${field}' is invalid: ${reason}.`),
  NotSupportedYet: bad(({ field, reason }) => `'${field}' is not supported by this service: ${reason}.`),
  WrongState: bad(
    ({ type, name, state, reason }) => `The ${type} '${name}' is in the state '${state}': ${reason}.`,
  ),
  HasLiveOutputs: bad(
    ({ name }) =>
      `The live event '${name}' has live outputs: delete them first, or stop it with removeOutputsOnStop set to true.`,
  ),
  AssetInUse: bad(
    ({ name, reason }) => `The asset '${name}' is being recorded into by the live output '${reason}'.`,
  ),
  ResourceInUse: bad(({ type, name, reason }) => `The ${type} '${name}' is in use by ${reason}.`),
  ContentKeyExists: {
    status: 409,
    code: 'Conflict',
    message: ({ name }) => `Content key id '${name}' already exists, please choose another one.`,
  },
  ImmutableField: bad(({ field }) => `The field '${field}' cannot be changed after creation.`),
  ReferenceNotFound: {
    status: 404,
    code: 'NotFound',
    message: ({ type, name }) => `The ${type} '${name}' was not found.`,
  },
  AlreadyExists: {
    status: 409,
    code: 'Conflict',
    message: ({ type, name }) => `The ${type} '${name}' already exists.`,
  },
  IdInUse: {
    status: 409,
    code: 'Conflict',
    message: ({ field }) => `The value of '${field}' is already used by another resource.`,
  },
  QuotaExceeded: {
    status: 403,
    message: ({ type, reason }) => `The limit of ${reason} ${type} is reached.`,
  },
  JobFinal: bad(
    ({ name, state }) =>
      `The job Cancel operation for '${name}' resource failed. The job is in the '${state}' state.`,
  ),
  BeingDeleted: {
    status: 409,
    code: 'Conflict',
    message: ({ type, name }) => `The ${type} '${name}' is being deleted; try again when it is gone.`,
  },
  TooManyChanges: {
    status: 409,
    code: 'Conflict',
    message: () => 'The resource was changed by others at the same time; try again.',
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorName = keyof typeof ERROR_CATALOGUE;

/** An answer that the caller of the ARM API is meant to read. */
export class ArmError extends Error {
  readonly errorName: ErrorName;
  readonly status: number;
  readonly code: string;
  constructor(errorName: ErrorName, about: About, options?: ErrorOptions) {
    const entry: ErrorEntry = ERROR_CATALOGUE[errorName];
    super(entry.message(about), options);
    this.name = 'ArmError';
    this.errorName = errorName;
    this.status = entry.status;
    this.code = entry.code ?? errorName;
  }
}

export function armError(errorName: ErrorName, about: About = {}): ArmError {
  return new ArmError(errorName, about);
}
