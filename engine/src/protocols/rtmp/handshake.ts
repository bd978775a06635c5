import { createHmac } from 'node:crypto';
import { RtmpError } from './rtmp-error.ts';

/** C1, S1, C2 and S2 (RTMP 1.0 §5.2). */
export const HANDSHAKE_PACKET_BYTES = 1536;
const RTMP_VERSION = 3;
/** C0 above this is text, such as an HTTP request (§5.2.2). */
const VERSION_MAX = 31;
const RTMPE_VERSION = 6;

// The digest handshake of Flash Player 9 and later is not in the specification. Keys and offsets as all players and
// servers have them: https://www.cs.cmu.edu/~dst/Adobe/Gallery/RTMPE.txt
const CLIENT_KEY = new TextEncoder().encode('Genuine Adobe Flash Player 001');
const SERVER_KEY = new TextEncoder().encode('Genuine Adobe Flash Media Server 001');
const KEY_TAIL = Uint8Array.from([
  0xf0, 0xee, 0xc2, 0x4a, 0x80, 0x68, 0xbe, 0xe8, 0x2e, 0x00, 0xd0, 0xd1, 0x02, 0x9e, 0x7e, 0x57, 0x6e, 0xec,
  0x5d, 0x2d, 0x29, 0x80, 0x6f, 0xab, 0x93, 0xb8, 0xe6, 0x36, 0xcf, 0xeb, 0x31, 0xae,
]);
const DIGEST_BYTES = 32;
/** The digest block is 764 bytes: 4 of offset, then 760 that hold the digest. */
const DIGEST_OFFSET_MODULUS = 728;
/** Where the digest block begins: scheme 0 puts it after the key block, scheme 1 before. */
const DIGEST_BLOCK_STARTS = { 0: 772, 1: 8 } as const;
type DigestScheme = keyof typeof DIGEST_BLOCK_STARTS;
const SERVER_VERSION_BYTES = [3, 0, 1, 1] as const;

export interface HandshakeSource {
  readonly timeMs: number;
  random(size: number): Uint8Array;
}

/**
 * Answers C0 + C1 (1 + 1536 bytes) with S0 + S1 + S2: signed when C1 carries a valid digest of either scheme, otherwise
 * the plain echo. Throws `RtmpError` `MalformedHandshake` for what is not RTMP, or is RTMPE.
 */
export function answerClientHello(c0c1: Uint8Array, source: HandshakeSource): Uint8Array {
  assertRtmpVersion(c0c1[0]);
  const c1 = c0c1.subarray(1, 1 + HANDSHAKE_PACKET_BYTES);
  const answer = new Uint8Array(1 + 2 * HANDSHAKE_PACKET_BYTES);
  answer[0] = RTMP_VERSION;
  const s1 = answer.subarray(1, 1 + HANDSHAKE_PACKET_BYTES);
  const s2 = answer.subarray(1 + HANDSHAKE_PACKET_BYTES);
  s1.set(source.random(HANDSHAKE_PACKET_BYTES - 8), 8);
  new DataView(s1.buffer, s1.byteOffset).setUint32(0, source.timeMs >>> 0);

  const scheme = findDigestScheme(c1, CLIENT_KEY);
  if (scheme === undefined) {
    // §5.2.4: S2 echoes C1; its second field is when C1 was read.
    s2.set(c1);
    new DataView(s2.buffer, s2.byteOffset).setUint32(4, source.timeMs >>> 0);
    return answer;
  }
  s1.set(SERVER_VERSION_BYTES, 4);
  signPacket(s1, scheme, SERVER_KEY);
  s2.set(source.random(HANDSHAKE_PACKET_BYTES));
  signResponse(s2, readDigest(c1, scheme), SERVER_KEY);
  return answer;
}

/** C0 + C1 of the plain handshake, or (`digest`) of the signed one. */
export function writeClientHello(source: HandshakeSource, digest?: DigestScheme): Uint8Array {
  const hello = new Uint8Array(1 + HANDSHAKE_PACKET_BYTES);
  hello[0] = RTMP_VERSION;
  const c1 = hello.subarray(1);
  c1.set(source.random(HANDSHAKE_PACKET_BYTES - 8), 8);
  new DataView(c1.buffer, c1.byteOffset).setUint32(0, source.timeMs >>> 0);
  if (digest !== undefined) {
    c1.set([10, 0, 32, 18], 4);
    signPacket(c1, digest, CLIENT_KEY);
  }
  return hello;
}

/** C2 for S0 + S1 + S2. Servers are not verified: the handshake proves nothing that TLS does not prove better. */
export function answerServerHello(s0s1s2: Uint8Array): Uint8Array {
  assertRtmpVersion(s0s1s2[0]);
  return s0s1s2.slice(1, 1 + HANDSHAKE_PACKET_BYTES);
}

/** The scheme whose digest verifies with the key, undefined for a plain packet. */
function findDigestScheme(packet: Uint8Array, key: Uint8Array): DigestScheme | undefined {
  for (const scheme of [0, 1] as const) {
    if (equalBytes(digestOf(packet, scheme, key), readDigest(packet, scheme))) return scheme;
  }
  return undefined;
}

/** Throws for a C0 or S0 that is not RTMP's. */
export function assertRtmpVersion(version: number | undefined): void {
  if (version === undefined || version < RTMP_VERSION || version > VERSION_MAX || version === RTMPE_VERSION) {
    throw new RtmpError('MalformedHandshake', `protocol version ${version}, not ${RTMP_VERSION}`);
  }
}

function digestPosition(packet: Uint8Array, scheme: DigestScheme): number {
  const start = DIGEST_BLOCK_STARTS[scheme];
  let sum = 0;
  for (const byte of packet.subarray(start, start + 4)) sum += byte;
  return start + 4 + (sum % DIGEST_OFFSET_MODULUS);
}

function readDigest(packet: Uint8Array, scheme: DigestScheme): Uint8Array {
  const position = digestPosition(packet, scheme);
  return packet.subarray(position, position + DIGEST_BYTES);
}

function digestOf(packet: Uint8Array, scheme: DigestScheme, key: Uint8Array): Uint8Array {
  const position = digestPosition(packet, scheme);
  return createHmac('sha256', key)
    .update(packet.subarray(0, position))
    .update(packet.subarray(position + DIGEST_BYTES))
    .digest();
}

function signPacket(packet: Uint8Array, scheme: DigestScheme, key: Uint8Array): void {
  packet.set(digestOf(packet, scheme, key), digestPosition(packet, scheme));
}

/** The last 32 bytes sign the rest with a key made from the peer's digest. */
function signResponse(packet: Uint8Array, peerDigest: Uint8Array, key: Uint8Array): void {
  const fullKey = new Uint8Array(key.length + KEY_TAIL.length);
  fullKey.set(key);
  fullKey.set(KEY_TAIL, key.length);
  const derived = createHmac('sha256', fullKey).update(peerDigest).digest();
  const signedBytes = HANDSHAKE_PACKET_BYTES - DIGEST_BYTES;
  packet.set(createHmac('sha256', derived).update(packet.subarray(0, signedBytes)).digest(), signedBytes);
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
