import type {
  CommonEncryptionCbcs,
  CommonEncryptionCenc,
  ContentKeyPolicyConfigurationUnion,
  ContentKeyPolicyOption,
  ContentKeyPolicyRestrictionTokenKeyUnion,
  ContentKeyPolicyRestrictionUnion,
  EnabledProtocols,
  StreamingPolicy,
} from '@azure/arm-mediaservices';
import {
  type Delivery,
  type DeliveryMode,
  type KeyOption,
  labelOf,
  protocolsOf,
  type RequiredClaim,
  type Scheme,
} from '../../domain/protection.ts';
import { type ArmOutcome, findOrNone, outcomeOf } from './arm-outcome.ts';
import type { MediaClient } from './media-client.ts';

type VerificationKey =
  | { readonly type: 'symmetric'; readonly value: string }
  | { readonly type: 'rsa'; readonly modulus: string; readonly exponent: string }
  | { readonly type: 'x509'; readonly certificate: string };

type KeyRestriction =
  | { readonly access: 'open' }
  | {
      readonly access: 'token';
      readonly issuer: string;
      readonly audience: string;
      readonly tokenType: 'jwt' | 'swt';
      readonly openIdDiscoveryUrl: string | null;
      readonly requiredClaims: readonly RequiredClaim[];
      readonly primaryKey: VerificationKey | null;
      readonly alternateKeys: readonly VerificationKey[];
    };

interface KeyPolicySettings {
  readonly name: string;
  readonly mark: string;
  readonly options: readonly KeyOption[];
  readonly restriction: KeyRestriction;
}

/** Who gets keys, as content key policies; `description` is the mark by which a policy is known as ours and as current. */
export function mediaKeyPolicies(client: () => Promise<MediaClient>) {
  return {
    async findMark(name: string): Promise<string | undefined> {
      const { sdk, resourceGroup, account } = await client();
      const found = await findOrNone(() => sdk.contentKeyPolicies.get(resourceGroup, account, name));
      return found === undefined ? undefined : (found.description ?? '');
    },
    async put(settings: KeyPolicySettings): Promise<ArmOutcome> {
      const { sdk, resourceGroup, account } = await client();
      const { name, mark, options, restriction } = settings;
      return outcomeOf(() =>
        sdk.contentKeyPolicies.createOrUpdate(resourceGroup, account, name, {
          description: mark,
          options: options.map(
            (option): ContentKeyPolicyOption => ({
              name: option,
              configuration: CONFIGURATIONS[option],
              restriction: toArmRestriction(restriction),
            }),
          ),
        }),
      );
    },
    async remove(name: string): Promise<ArmOutcome> {
      const { sdk, resourceGroup, account } = await client();
      return outcomeOf(() => sdk.contentKeyPolicies.delete(resourceGroup, account, name), {
        goneIsDone: true,
      });
    },
  };
}

const TYPE = '#Microsoft.Media.ContentKeyPolicy';

/** Licences that end with the player, on devices that are not for tests only. */
const CONFIGURATIONS: Readonly<Record<KeyOption, ContentKeyPolicyConfigurationUnion>> = {
  clearKey: { odataType: `${TYPE}ClearKeyConfiguration` },
  widevine: { odataType: `${TYPE}WidevineConfiguration`, widevineTemplate: '{}' },
  playReady: {
    odataType: `${TYPE}PlayReadyConfiguration`,
    licenses: [
      {
        allowTestDevices: false,
        licenseType: 'NonPersistent',
        contentType: 'Unspecified',
        contentKeyLocation: { odataType: `${TYPE}PlayReadyContentEncryptionKeyFromHeader` },
        playRight: {
          digitalVideoOnlyContentRestriction: false,
          imageConstraintForAnalogComponentVideoRestriction: false,
          imageConstraintForAnalogComputerMonitorRestriction: false,
          allowPassingVideoContentToUnknownOutput: 'Allowed',
        },
      },
    ],
  },
};

function toArmRestriction(restriction: KeyRestriction): ContentKeyPolicyRestrictionUnion {
  if (restriction.access === 'open') return { odataType: `${TYPE}OpenRestriction` };
  const { issuer, audience, tokenType, openIdDiscoveryUrl, primaryKey, alternateKeys } = restriction;
  return {
    odataType: `${TYPE}TokenRestriction`,
    issuer,
    audience,
    restrictionTokenType: tokenType === 'jwt' ? 'Jwt' : 'Swt',
    primaryVerificationKey: primaryKey === null ? null : toArmKey(primaryKey),
    alternateVerificationKeys: alternateKeys.map(toArmKey),
    requiredClaims: restriction.requiredClaims.map(({ type, value }) => ({
      claimType: type,
      ...(value === null ? {} : { claimValue: value }),
    })),
    ...(openIdDiscoveryUrl === null ? {} : { openIdConnectDiscoveryDocument: openIdDiscoveryUrl }),
  };
}

const bytes = (base64: string): Uint8Array => Buffer.from(base64, 'base64');

function toArmKey(key: VerificationKey): ContentKeyPolicyRestrictionTokenKeyUnion {
  switch (key.type) {
    case 'symmetric':
      return { odataType: `${TYPE}SymmetricTokenKey`, keyValue: bytes(key.value) };
    case 'rsa':
      return { odataType: `${TYPE}RsaTokenKey`, modulus: bytes(key.modulus), exponent: bytes(key.exponent) };
    case 'x509':
      return { odataType: `${TYPE}X509CertificateTokenKey`, rawBody: bytes(key.certificate) };
  }
}

/** How media is delivered, as streaming policies: create-only, so one that exists under its name is the same. */
export function mediaDeliveryPolicies(client: () => Promise<MediaClient>) {
  return {
    async exists(name: string): Promise<boolean> {
      const { sdk, resourceGroup, account } = await client();
      const found = await findOrNone(() => sdk.streamingPolicies.get(resourceGroup, account, name));
      return found !== undefined;
    },
    async create(name: string, delivery: Delivery): Promise<ArmOutcome> {
      const { sdk, resourceGroup, account } = await client();
      return outcomeOf(() =>
        sdk.streamingPolicies.create(resourceGroup, account, name, toArmStreamingPolicy(delivery)),
      );
    },
    async remove(name: string): Promise<ArmOutcome> {
      const { sdk, resourceGroup, account } = await client();
      return outcomeOf(() => sdk.streamingPolicies.delete(resourceGroup, account, name), {
        goneIsDone: true,
      });
    },
  };
}

/** One part for each way in which something is delivered. */
export function toArmStreamingPolicy(delivery: Delivery): StreamingPolicy {
  const uses = (mode: DeliveryMode): boolean => protocolsOf(delivery, mode).length > 0;
  return {
    ...(uses('clear') || delivery.download
      ? { noEncryption: { enabledProtocols: enabled(delivery, 'clear') } }
      : {}),
    ...(uses('aes128')
      ? {
          envelopeEncryption: {
            ...partOf(delivery, 'aes128'),
            ...(delivery.keyUrl === null ? {} : { customKeyAcquisitionUrlTemplate: delivery.keyUrl }),
          },
        }
      : {}),
    ...(uses('cenc') ? { commonEncryptionCenc: cencOf(delivery) } : {}),
    ...(uses('cbcs') ? { commonEncryptionCbcs: cbcsOf(delivery) } : {}),
  };
}

function enabled(delivery: Delivery, mode: DeliveryMode): EnabledProtocols {
  const protocols = protocolsOf(delivery, mode);
  return {
    download: mode === 'clear' && delivery.download,
    dash: protocols.includes('dash'),
    hls: protocols.includes('hls'),
    smoothStreaming: protocols.includes('smooth'),
  };
}

const partOf = (delivery: Delivery, scheme: Scheme) => ({
  enabledProtocols: enabled(delivery, scheme),
  contentKeys: { defaultKey: { label: labelOf(scheme) } },
});

const licences = ({ licenceUrl }: { readonly licenceUrl: string | null }) =>
  licenceUrl === null ? {} : { customLicenseAcquisitionUrlTemplate: licenceUrl };

function clearKeyOf({ drm: { clearKey } }: Delivery) {
  if (clearKey === null) return {};
  const { licenceUrl } = clearKey;
  const template = licenceUrl === null ? {} : { customKeysAcquisitionUrlTemplate: licenceUrl };
  return { clearKeyEncryptionConfiguration: template };
}

function systemsOf({ drm: { playReady, widevine } }: Delivery) {
  return {
    ...(playReady === null
      ? {}
      : {
          playReady: {
            ...licences(playReady),
            ...(playReady.customAttributes === null
              ? {}
              : { playReadyCustomAttributes: playReady.customAttributes }),
          },
        }),
    ...(widevine === null ? {} : { widevine: licences(widevine) }),
  };
}

function cencOf(delivery: Delivery): CommonEncryptionCenc {
  return { ...partOf(delivery, 'cenc'), ...withSystems(systemsOf(delivery)), ...clearKeyOf(delivery) };
}

function cbcsOf(delivery: Delivery): CommonEncryptionCbcs {
  const { fairPlay } = delivery.drm;
  const systems = {
    ...systemsOf(delivery),
    ...(fairPlay === null
      ? {}
      : { fairPlay: { ...licences(fairPlay), allowPersistentLicense: fairPlay.persistent } }),
  };
  return { ...partOf(delivery, 'cbcs'), ...withSystems(systems), ...clearKeyOf(delivery) };
}

const withSystems = <T extends object>(drm: T): { drm?: T } => (Object.keys(drm).length === 0 ? {} : { drm });
