/**
 * Where the engine is not what the specification or one of its examples says, each with its reason: the only place for
 * it. An entry that nothing needs any more fails the suite.
 */
export interface Exception {
  readonly operation: RegExp;
  /** Of the refusal, or of the problem with an answer. */
  readonly says: RegExp;
  readonly why: string;
}

/** Examples that are refused, as the original refuses them or for a reason of ours. */
export const REFUSED_EXAMPLES: readonly Exception[] = [
  {
    operation: /^Assets_GetEncryptionKey$/,
    says: /^BadRequest: Asset, asset files or encryption key does not exist or asset files are not storage encrypted\.$/,
    why: 'Only assets of the API before this one were ever storage-encrypted: every asset of this one is refused, as recorded.',
  },
];

/** Answers that the specification does not describe so. */
export const DIFFERING_ANSWERS: readonly Exception[] = [
  {
    operation: /^LiveEvents_OperationLocation$/,
    says: /^200 \/ must (?:have required property 'location'|NOT have additional properties: value)$/,
    why: 'The result of getStatus, getStreamEvents and getTrackIngestHeartbeats is read there as well, in the shape that those operations are specified with.',
  },
  {
    operation: /^(?:LiveEvents|LiveOutputs|StreamingEndpoints)_OperationLocation$/,
    says: /^204 the status 204/,
    why: 'The place of the result of a delete answers 204 once the resource is gone; the specification names no answer for it, and the clients do not ask.',
  },
];

/** What a caller may notice though request and answer are as specified. */
export const KNOWN_DIFFERENCES: readonly { readonly operation: RegExp; readonly why: string }[] = [
  {
    operation: /^Mediaservices_(?:CreateOrUpdate|Update)$/,
    why: 'Storage accounts are those of the settings file, found by the last part of their id. Identities and the key of CustomerKey encryption are kept and answered; secrets are sealed with the keys of the engine.',
  },
  {
    operation: /^Mediaservices_SyncStorageKeys$/,
    why: 'The keys are read from the settings file again.',
  },
  {
    operation: /^PrivateEndpointConnections_/,
    why: 'Connections are kept and answered; there is no network of Azure that they would open.',
  },
  {
    operation: /^ContentKeyPolicies_|^StreamingLocators_Create$/,
    why: 'Keys are kept, sealed and told; players do not get licences or encrypted media from this engine yet, and never clear media instead.',
  },
  {
    operation: /^Jobs_Create$/,
    why: 'A job whose preset has no encoder here ends in the state Error with ConfigurationUnsupported.',
  },
  {
    operation: /^LiveEvents_(?:Allocate|Start)$/,
    why: 'Live events that encode or transcribe can be made, and are refused when they are started.',
  },
  {
    operation: /^LiveOutputs_Create$/,
    why: 'outputSnapTime is in ticks of 100 ns on the timeline of the manifests, whatever clock the encoder has; a manifest name that was recorded into the asset before is refused.',
  },
  {
    operation: /^StreamingEndpoints_(?:Create|Update)$/,
    why: 'cdnEnabled is refused with 412, as by the original in regions without a CDN.',
  },
];
