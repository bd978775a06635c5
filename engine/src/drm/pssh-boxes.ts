import { ByteWriter } from '../bits/byte-writer.ts';
import type { ProtectionKey, ProtectionScheme } from '../model/protection.ts';
import { keyIdBytes } from './key-id.ts';
import { writePlayReadyObject } from './play-ready-object.ts';
import { writeWidevineData } from './widevine-data.ts';

export const PLAYREADY_SYSTEM_ID = '9a04f079-9840-4286-ab92-e65be0885f95';
export const WIDEVINE_SYSTEM_ID = 'edef8ba9-79d6-4ace-a3c8-27dcd51d21ed';
/** W3C "cenc" Initialization Data Format: key ids for whatever key system. */
const COMMON_SYSTEM_ID = '1077efec-c0b2-4d02-ace3-3c1e52e2fb4b';

/**
 * The `pssh` boxes (ISO/IEC 23001-7 §8.1) of the key systems that a key is signalled for: what goes into its
 * initialization segments. None for `aes128`, nor for FairPlay, which has playlists only.
 */
export function psshBoxesOf(key: ProtectionKey, scheme: ProtectionScheme): readonly Uint8Array[] {
  if (scheme === 'aes128') return [];
  return [
    ...(key.playReady === undefined ? [] : [playReadyPssh(key, scheme)]),
    ...(key.widevine === undefined ? [] : [widevinePssh(key, scheme)]),
    ...(key.clearKey === undefined ? [] : [commonPssh(key)]),
  ];
}

export function playReadyPssh(key: ProtectionKey, scheme: 'cenc' | 'cbcs'): Uint8Array {
  return writePssh(PLAYREADY_SYSTEM_ID, { version: 0, data: writePlayReadyObject([key], scheme) });
}

export function widevinePssh(key: ProtectionKey, scheme: 'cenc' | 'cbcs'): Uint8Array {
  return writePssh(WIDEVINE_SYSTEM_ID, { version: 0, data: writeWidevineData([keyIdBytes(key.id)], scheme) });
}

export function commonPssh(key: ProtectionKey): Uint8Array {
  return writePssh(COMMON_SYSTEM_ID, { version: 1, keyIds: [key.id] });
}

function writePssh(
  systemId: string,
  content:
    | { readonly version: 0; readonly data: Uint8Array }
    | { readonly version: 1; readonly keyIds: readonly string[] },
): Uint8Array {
  const writer = new ByteWriter();
  writer.fullBox('pssh', { version: content.version, flags: 0 }, (pssh) => {
    pssh.bytes(keyIdBytes(systemId));
    if (content.version === 0) {
      pssh.u32(content.data.length).bytes(content.data);
      return;
    }
    pssh.u32(content.keyIds.length);
    for (const keyId of content.keyIds) pssh.bytes(keyIdBytes(keyId));
    pssh.u32(0); // no data
  });
  return writer.finish();
}
