/** Fields of Widevine's messages that name keys; what else is in them is passed over. */
const SIGNED_MESSAGE = { msg: 2 } as const;
const LICENSE_REQUEST = { contentId: 2 } as const;
const CONTENT_ID = { psshData: 1, initData: 4 } as const;
/** `pssh_data` of the one, `init_data` of the other. */
const WIDEVINE_PSSH_DATA = { data: 1 } as const;
const INIT_DATA = { data: 2 } as const;
const PSSH_DATA = { keyIds: 2 } as const;

const SYSTEM_ID = 'edef8ba979d64acea3c827dcd51d21ed';
const PSSH_HEADER_BYTES = 28;
const KEY_ID_BYTES = 16;
const KEYS_MAX = 64;
const FIELDS_MAX = 1_000;

/**
 * GUIDs of the keys that a license challenge names, so that a token for one film does not open another. None for what
 * names none (a request for the service's certificate, a renewal) or cannot be read: that is the license server's.
 */
export function widevineKeyIds(challenge: Uint8Array): readonly string[] {
  const contents = [challenge]
    .flatMap((message) => fieldsOf(message, SIGNED_MESSAGE.msg))
    .flatMap((request) => fieldsOf(request, LICENSE_REQUEST.contentId));
  const inPssh = contents
    .flatMap((content) => fieldsOf(content, CONTENT_ID.psshData))
    .flatMap((data) => fieldsOf(data, WIDEVINE_PSSH_DATA.data));
  const inInitData = contents
    .flatMap((content) => fieldsOf(content, CONTENT_ID.initData))
    .flatMap((data) => fieldsOf(data, INIT_DATA.data));
  const keyIds = [...inPssh, ...inInitData]
    .map(withoutBox)
    .flatMap((data) => fieldsOf(data, PSSH_DATA.keyIds))
    .filter((keyId) => keyId.byteLength === KEY_ID_BYTES)
    .slice(0, KEYS_MAX);
  return [...new Set(keyIds.map(guidOf))];
}

/** The data of a `pssh` box of version 0, or what was no box. */
function withoutBox(data: Uint8Array): Uint8Array {
  const isBox =
    data.byteLength > PSSH_HEADER_BYTES + 4 &&
    Buffer.from(data.subarray(4, 8)).toString('latin1') === 'pssh' &&
    Buffer.from(data.subarray(12, PSSH_HEADER_BYTES)).toString('hex') === SYSTEM_ID;
  return isBox ? data.subarray(PSSH_HEADER_BYTES + 4) : data;
}

/** Length-delimited fields of a protocol buffer with one number; what is malformed ends the search. */
function fieldsOf(message: Uint8Array, wanted: number): readonly Uint8Array[] {
  const found: Uint8Array[] = [];
  let at = 0;
  for (let count = 0; at < message.byteLength && count < FIELDS_MAX; count += 1) {
    const tag = readVarint(message, at);
    if (tag === undefined) break;
    const [number, wire] = [Math.floor(tag.value / 8), tag.value % 8];
    const field = readField(message, tag.next, wire);
    if (field === undefined) break;
    if (number === wanted && wire === 2) found.push(field.bytes);
    at = field.next;
  }
  return found;
}

function readField(
  message: Uint8Array,
  at: number,
  wire: number,
): { readonly bytes: Uint8Array; readonly next: number } | undefined {
  const none = message.subarray(at, at);
  if (wire === 0) {
    const value = readVarint(message, at);
    return value && { bytes: none, next: value.next };
  }
  if (wire === 1) return { bytes: none, next: at + 8 };
  if (wire === 5) return { bytes: none, next: at + 4 };
  const length = wire === 2 ? readVarint(message, at) : undefined;
  if (length === undefined || length.next + length.value > message.byteLength) return undefined;
  const next = length.next + length.value;
  return { bytes: message.subarray(length.next, next), next };
}

/** Up to 2^53; more is no length of ours. */
function readVarint(
  message: Uint8Array,
  start: number,
): { readonly value: number; readonly next: number } | undefined {
  let value = 0;
  for (let at = start; at < message.byteLength && at - start < 10; at += 1) {
    const byte = message[at] ?? 0;
    value += (byte % 128) * 128 ** (at - start);
    if (byte < 128) return { value, next: at + 1 };
  }
  return undefined;
}

function guidOf(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
