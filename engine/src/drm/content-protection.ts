import type { ContentProtection, ProtectionElement } from '../manifests/content-protection.ts';
import type { Protection, ProtectionKey, ProtectionScheme } from '../model/protection.ts';
import { base64Of } from './key-id.ts';
import { writePlayReadyObject } from './play-ready-object.ts';
import { PLAYREADY_SYSTEM_ID, playReadyPssh, WIDEVINE_SYSTEM_ID, widevinePssh } from './pssh-boxes.ts';
import { segmentEncryption } from './segment-encryption.ts';

/** DASH-IF's scheme of W3C Clear Key; the common `pssh` is no scheme of its own. */
const CLEAR_KEY_SYSTEM_ID = 'e2719d58-a985-b3c9-781a-b030af78d30e';

/**
 * How an MPD tells of a key: `mp4protection` (ISO/IEC 23001-7 §11.2) and one descriptor for each key system, or for
 * `aes128` the one of segment encryption.
 */
export function contentProtectionOf(
  key: ProtectionKey,
  { scheme, ivSalt }: Pick<Protection, 'scheme' | 'ivSalt'>,
): readonly ContentProtection[] {
  if (scheme === 'aes128') return [segmentEncryption(key, ivSalt)];
  return [
    {
      schemeIdUri: 'urn:mpeg:dash:mp4protection:2011',
      value: scheme,
      defaultKeyId: key.id,
      children: [],
    },
    ...keySystems(key, scheme),
  ];
}

function keySystems(
  key: ProtectionKey,
  scheme: Exclude<ProtectionScheme, 'aes128'>,
): readonly ContentProtection[] {
  const { playReady, widevine, clearKey } = key;
  const systems: ContentProtection[] = [];
  if (playReady !== undefined) {
    systems.push({
      schemeIdUri: `urn:uuid:${PLAYREADY_SYSTEM_ID}`,
      value: 'MSPR 2.0',
      children: [
        ...licenseUrl(playReady),
        { name: 'cenc:pssh', text: base64Of(playReadyPssh(key, scheme)) },
        { name: 'mspr:pro', text: base64Of(writePlayReadyObject([key], scheme)) },
      ],
    });
  }
  if (widevine !== undefined) {
    systems.push({
      schemeIdUri: `urn:uuid:${WIDEVINE_SYSTEM_ID}`,
      children: [
        ...licenseUrl(widevine),
        // Where the original has it.
        { name: 'ms:laurl', attributes: { licenseUrl: widevine.licenseUrl } },
        { name: 'cenc:pssh', text: base64Of(widevinePssh(key, scheme)) },
      ],
    });
  }
  if (clearKey !== undefined) {
    // Without a `pssh`: both Shaka Player and dash.js make their initialization data of the default key id.
    systems.push({
      schemeIdUri: `urn:uuid:${CLEAR_KEY_SYSTEM_ID}`,
      value: 'ClearKey1.0',
      children: licenseUrl(clearKey),
    });
  }
  return systems;
}

function licenseUrl({ licenseUrl: text }: { readonly licenseUrl: string }): readonly ProtectionElement[] {
  return [{ name: 'dashif:Laurl', text }];
}
