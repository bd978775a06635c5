import { createCipheriv } from 'node:crypto';
import { escapeXml } from '../manifests/xml-attributes.ts';
import { parseXml } from '../manifests/xml-document.ts';
import type { ProtectionKey } from '../model/protection.ts';
import { base64Of, littleEndianGuid } from './key-id.ts';

const NAMESPACE = 'http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader';
const RECORD_RIGHTS_MANAGEMENT_HEADER = 1;
const OBJECT_HEADER_SIZE_BYTES = 6;
const RECORD_HEADER_SIZE_BYTES = 4;
/** PlayReady Header Specification §2: an object should not be larger. */
const OBJECT_SIZE_BYTES_MAX = 15 * 1024;
const CHECKSUM_SIZE_BYTES = 8;

/**
 * A PlayReady Object with one rights management header (WRMHEADER, UTF-16LE), PlayReady Header Specification §2 and §3.
 * One key for `cenc` is header 4.0, which every client reads; several are 4.2; `cbcs` is 4.3, the first with AESCBC.
 * Custom attributes that would make the object larger than it may be are left out.
 */
export function writePlayReadyObject(
  keys: readonly [ProtectionKey, ...ProtectionKey[]],
  scheme: 'cenc' | 'cbcs',
): Uint8Array {
  const object = wrapHeader(writeHeader(keys, scheme, { hasCustomAttributes: true }));
  if (object.length <= OBJECT_SIZE_BYTES_MAX) return object;
  return wrapHeader(writeHeader(keys, scheme, { hasCustomAttributes: false }));
}

function wrapHeader(header: string): Uint8Array {
  const text = Buffer.from(header, 'utf16le');
  const object = new Uint8Array(OBJECT_HEADER_SIZE_BYTES + RECORD_HEADER_SIZE_BYTES + text.length);
  const view = new DataView(object.buffer);
  view.setUint32(0, object.length, true);
  view.setUint16(4, 1, true); // records
  view.setUint16(6, RECORD_RIGHTS_MANAGEMENT_HEADER, true);
  view.setUint16(8, text.length, true);
  object.set(text, OBJECT_HEADER_SIZE_BYTES + RECORD_HEADER_SIZE_BYTES);
  return object;
}

/** §3.2: canonical, every element closed by a tag, namespaces first, attributes in alphabetical order. */
function writeHeader(
  keys: readonly [ProtectionKey, ...ProtectionKey[]],
  scheme: 'cenc' | 'cbcs',
  { hasCustomAttributes }: { readonly hasCustomAttributes: boolean },
): string {
  const [first, ...others] = keys;
  const { version, protection } =
    scheme === 'cenc' && others.length === 0
      ? { version: '4.0.0.0', protection: singleKey(first) }
      : { version: scheme === 'cbcs' ? '4.3.0.0' : '4.2.0.0', protection: keyList(keys, scheme) };
  const { licenseUrl = '', customAttributes = '' } =
    keys.find(({ playReady }) => playReady !== undefined)?.playReady ?? {};
  const url = licenseUrl === '' ? '' : `<LA_URL>${escapeXml(licenseUrl)}</LA_URL>`;
  const attributes = hasCustomAttributes ? customAttributesElement(customAttributes) : '';
  return `<WRMHEADER xmlns="${NAMESPACE}" version="${version}"><DATA>${protection}${url}${attributes}</DATA></WRMHEADER>`;
}

function singleKey(key: ProtectionKey): string {
  const keyId = base64Of(littleEndianGuid(key.id));
  return `<PROTECTINFO><KEYLEN>16</KEYLEN><ALGID>AESCTR</ALGID></PROTECTINFO><KID>${keyId}</KID><CHECKSUM>${checksumOf(key)}</CHECKSUM>`;
}

function keyList(keys: readonly ProtectionKey[], scheme: 'cenc' | 'cbcs'): string {
  const list = keys.map((key) => {
    // §3.3.1: with AESCBC there must be no checksum.
    const how = scheme === 'cenc' ? `ALGID="AESCTR" CHECKSUM="${checksumOf(key)}"` : 'ALGID="AESCBC"';
    return `<KID ${how} VALUE="${base64Of(littleEndianGuid(key.id))}"></KID>`;
  });
  return `<PROTECTINFO><KIDS>${list.join('')}</KIDS></PROTECTINFO>`;
}

/** Key Checksum Algorithm, AESCTR: the first 8 bytes of the key id, as PlayReady has it, encrypted with the key. */
function checksumOf(key: ProtectionKey): string {
  const cipher = createCipheriv('aes-128-ecb', key.value, null).setAutoPadding(false);
  return base64Of(cipher.update(littleEndianGuid(key.id)).subarray(0, CHECKSUM_SIZE_BYTES));
}

/** XML goes in as it is; what is none goes in as text, so that it cannot end the element that it stands in. */
function customAttributesElement(text: string): string {
  if (text.trim() === '') return '';
  const element = `<CUSTOMATTRIBUTES xmlns="">${text}</CUSTOMATTRIBUTES>`;
  return isXml(element) ? element : `<CUSTOMATTRIBUTES xmlns="">${escapeXml(text)}</CUSTOMATTRIBUTES>`;
}

function isXml(element: string): boolean {
  try {
    return parseXml(element).name === 'CUSTOMATTRIBUTES';
  } catch {
    return false;
  }
}
