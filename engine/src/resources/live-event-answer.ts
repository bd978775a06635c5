import { type AccountScope, systemData } from './account-scope.ts';
import { toArmIpAllowList } from './ip-allow-list.ts';
import type { LiveEventRecord } from './live-event.ts';
import {
  ingestEndpoints,
  type PublicAddresses,
  previewEndpoints,
  timedMetadataEndpoints,
} from './live-event-addresses.ts';

/** The first api-version whose answers have `input.timedMetadataEndpoints`. */
const TIMED_METADATA_SINCE = '2022-11-01';

interface LiveEventView {
  readonly addresses: PublicAddresses;
  readonly single: boolean;
  readonly apiVersion: string;
}

/** `id` is lower-cased and every field present, as the streaming service answers (reference §1.1, §1.2). */
export function toArmLiveEvent(scope: AccountScope, record: LiveEventRecord, view: LiveEventView): object {
  const { input, preview } = record;
  return {
    name: record.name,
    id: `${scope.accountId}/liveevents/${record.name}`,
    type: 'Microsoft.Media/mediaservices/liveevents',
    location: scope.location,
    tags: record.tags,
    properties: {
      description: record.description,
      input: {
        streamingProtocol: input.streamingProtocol,
        accessControl: toArmIpAllowList(input.accessControl),
        keyFrameIntervalDuration: input.keyFrameIntervalDuration,
        accessToken: input.accessToken,
        endpoints: ingestEndpoints(record, view.addresses),
        ...(view.apiVersion >= TIMED_METADATA_SINCE
          ? { timedMetadataEndpoints: timedMetadataEndpoints(record, view.addresses) }
          : {}),
      },
      preview: {
        endpoints: previewEndpoints(record, view.addresses),
        accessControl: toArmIpAllowList(preview.accessControl),
        previewLocator: preview.previewLocator,
        streamingPolicyName: preview.streamingPolicyName,
        alternativeMediaId: preview.alternativeMediaId,
      },
      encoding: {
        encodingType: record.encodingType,
        presetName: record.presetName,
        stretchMode: record.stretchMode,
        keyFrameInterval: record.keyFrameInterval,
      },
      transcriptions: record.transcriptions.length === 0 ? null : record.transcriptions,
      provisioningState: record.provisioningState,
      resourceState: record.state,
      crossSiteAccessPolicies:
        record.crossSiteAccessPolicies === null
          ? null
          : {
              clientAccessPolicy: record.crossSiteAccessPolicies.clientAccessPolicy ?? null,
              crossDomainPolicy: record.crossSiteAccessPolicies.crossDomainPolicy ?? null,
            },
      useStaticHostname: record.useStaticHostname,
      hostnamePrefix: record.hostnamePrefix,
      streamOptions: record.streamOptions,
      created: record.created,
      lastModified: record.lastModified,
    },
    ...(view.single ? { systemData: systemData(record) } : {}),
  };
}
