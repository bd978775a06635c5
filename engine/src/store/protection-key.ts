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

type SampleEncryption = NonNullable<StreamingPolicyRules['commonEncryptionCenc' | 'commonEncryptionCbcs']>;
type Expand = (template: string | null | undefined) => string | undefined;

/** A content key as one part of a streaming policy delivers it: at the part's own addresses, else at ours. */
export function protectionKeyOf(part: Encryption, { id, values, addressing }: Wanted): ProtectionKey {
  const value = values.get(id);
  if (value === undefined) throw new Error(`no value was read for the content key '${id}'`);
  const { addresses, alternativeMediaId } = addressing;
  const expand: Expand = (template) =>
    template == null || template === '' ? undefined : expandTemplate(template, { id, alternativeMediaId });
  if (isSampleEncryption(part)) {
    return {
      id,
      value,
      ...keySystemsOf(part, { id, addresses, expand }),
      ...clearKeyOf(part, { id, addresses, expand }),
    };
  }
  return { id, value, keyUrl: expand(part.customKeyAcquisitionUrlTemplate) ?? addresses.aes(id) };
}

const isSampleEncryption = (part: Encryption): part is SampleEncryption =>
  'drm' in part || 'clearKeyEncryptionConfiguration' in part;

interface Addressed {
  readonly id: string;
  readonly addresses: KeyDeliveryAddresses;
  readonly expand: Expand;
}

function keySystemsOf(
  { drm }: SampleEncryption,
  { id, addresses, expand }: Addressed,
): Partial<ProtectionKey> {
  const { playReady, widevine } = drm ?? {};
  const fairPlay = drm != null && 'fairPlay' in drm ? drm.fairPlay : undefined;
  const systems: Partial<ProtectionKey>[] = [
    playReady && {
      playReady: {
        licenseUrl: expand(playReady.customLicenseAcquisitionUrlTemplate) ?? addresses.playReady(),
        customAttributes: playReady.playReadyCustomAttributes ?? undefined,
      },
    },
    widevine && {
      widevine: {
        licenseUrl: expand(widevine.customLicenseAcquisitionUrlTemplate) ?? addresses.widevine(id),
      },
    },
    fairPlay && {
      fairPlay: {
        keyUri: asSkd(expand(fairPlay.customLicenseAcquisitionUrlTemplate) ?? addresses.fairPlay(id)),
      },
    },
  ].map((system) => system ?? {});
  return Object.assign({}, ...systems);
}

/** Where the licenses are ours the key itself is too, for players that know no other Clear Key in HLS. */
function clearKeyOf(
  { clearKeyEncryptionConfiguration: clearKey }: SampleEncryption,
  { id, addresses, expand }: Addressed,
): Partial<ProtectionKey> {
  if (clearKey == null) return {};
  const licenseUrl = expand(clearKey.customKeysAcquisitionUrlTemplate);
  if (licenseUrl !== undefined) return { clearKey: { licenseUrl } };
  return { clearKey: { licenseUrl: addresses.clearKey(id) }, keyUrl: addresses.aes(id) };
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
