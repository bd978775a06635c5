import type { ProtectionKey } from '../model/protection.ts';
import type { KeyDeliveryAddresses } from '../resources/key-delivery-addresses.ts';
import type { StreamingPolicyRules } from '../resources/streaming-policy.ts';

/** Where players get keys when the streaming policy does not say. */
export interface KeyAddressing {
  readonly addresses: KeyDeliveryAddresses;
  readonly alternativeMediaId: string;
}

type Encryption = NonNullable<
  StreamingPolicyRules['envelopeEncryption' | 'commonEncryptionCenc' | 'commonEncryptionCbcs']
>;

interface Wanted {
  readonly id: string;
  readonly values: ReadonlyMap<string, Uint8Array>;
  readonly addressing: KeyAddressing;
}

/** A content key as one part of a streaming policy delivers it: the part's own addresses, else ours. */
export function protectionKeyOf(part: Encryption, { id, values, addressing }: Wanted): ProtectionKey {
  const value = values.get(id);
  if (value === undefined) throw new Error(`no value was read for the content key '${id}'`);
  const { addresses, alternativeMediaId } = addressing;
  const expand = (template: string | null | undefined): string | undefined =>
    template == null || template === '' ? undefined : expandTemplate(template, { id, alternativeMediaId });
  if (!('drm' in part || 'clearKeyEncryptionConfiguration' in part)) {
    const template = 'customKeyAcquisitionUrlTemplate' in part ? part.customKeyAcquisitionUrlTemplate : null;
    return { id, value, keyUrl: expand(template) ?? addresses.aes(id) };
  }
  const { drm, clearKeyEncryptionConfiguration: clearKey } = part;
  const playReady = drm != null && 'playReady' in drm ? drm.playReady : undefined;
  const widevine = drm != null && 'widevine' in drm ? drm.widevine : undefined;
  const fairPlay = drm != null && 'fairPlay' in drm ? drm.fairPlay : undefined;
  return {
    id,
    value,
    ...(playReady == null
      ? {}
      : {
          playReady: {
            licenseUrl: expand(playReady.customLicenseAcquisitionUrlTemplate) ?? addresses.playReady(),
            customAttributes: playReady.playReadyCustomAttributes ?? undefined,
          },
        }),
    ...(widevine == null
      ? {}
      : {
          widevine: {
            licenseUrl: expand(widevine.customLicenseAcquisitionUrlTemplate) ?? addresses.widevine(id),
          },
        }),
    ...(fairPlay == null
      ? {}
      : {
          fairPlay: {
            keyUri: asSkd(expand(fairPlay.customLicenseAcquisitionUrlTemplate) ?? addresses.fairPlay(id)),
          },
        }),
    ...(clearKey == null
      ? {}
      : {
          clearKey: {
            licenseUrl: expand(clearKey.customKeysAcquisitionUrlTemplate) ?? addresses.clearKey(id),
          },
        }),
  };
}

/** Reference §3.3: the only two that are replaced; what else is in braces stays. */
function expandTemplate(
  template: string,
  { id, alternativeMediaId }: { readonly id: string; readonly alternativeMediaId: string },
): string {
  return template.replaceAll(/\{(AlternativeMediaId|ContentKeyId)\}/gi, (_whole, name: string) =>
    name.toLowerCase() === 'contentkeyid' ? id : encodeURIComponent(alternativeMediaId),
  );
}

/** Apple's players hand addresses of this scheme to the app or page; it asks the same by HTTP. */
function asSkd(address: string): string {
  return address.replace(/^https?:/i, 'skd:');
}
