import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { type AllowedNetwork, isInNetworks } from '../resources/ip-allow-list.ts';
import { OriginError } from './origin-errors.ts';

/** Proxies in a row; what stands before that many is nobody's that we trust. */
const FORWARDED_MAX = 16;
const FORWARDED_CHARS_MAX = 1_024;

/** Who may speak to an origin that stands behind a CDN. Nothing given: everybody. */
export interface GateRules {
  /** A request carries one of the secrets in this header; each as its `secretDigest`. */
  readonly secret: { readonly header: string; digests(): readonly Buffer[] } | undefined;
  /** Of the connection; empty: from everywhere. */
  readonly allow: readonly AllowedNetwork[];
  /** Whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed. */
  readonly trustedProxies: readonly AllowedNetwork[];
}

export const OPEN_GATE: GateRules = { secret: undefined, allow: [], trustedProxies: [] };

/** What secrets are compared by: equally long, whatever was sent. */
export function secretDigest(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** Decides who is let in, and who a viewer behind proxies is. Addresses are looked at once for each connection. */
export class OriginGate {
  readonly #rules: GateRules;
  readonly #allowed = new WeakMap<Socket, boolean>();
  readonly #trusted = new WeakMap<Socket, boolean>();

  constructor(rules: GateRules) {
    this.#rules = rules;
  }

  /** Throws `ORIGIN_ACCESS_DENIED`, which does not tell what is missing. */
  check({ socket, headers }: IncomingMessage): void {
    const { allow, secret } = this.#rules;
    const isFromAllowed = allow.length === 0 || once(this.#allowed, socket, allow);
    const isKnown = secret === undefined || isAnyOf(secret.digests(), headers[secret.header]?.toString());
    if (!isFromAllowed || !isKnown) {
      throw new OriginError('ORIGIN_ACCESS_DENIED', 'this origin answers its content delivery network only');
    }
  }

  /** The address of the viewer: the last one that no trusted proxy has. */
  addressOf({ socket, headers }: IncomingMessage): string {
    const peer = socket.remoteAddress ?? '';
    if (!this.#isTrusted(socket)) return peer;
    const text = headers['x-forwarded-for']?.toString() ?? '';
    const hops = text.slice(-FORWARDED_CHARS_MAX).split(',').slice(-FORWARDED_MAX);
    let address = peer;
    for (const hop of hops.toReversed()) {
      if (hop.trim() === '') break;
      address = hop.trim();
      if (!isInNetworks(this.#rules.trustedProxies, address)) break;
    }
    return address;
  }

  /** As the viewer reached us, through whatever stands between. */
  schemeOf({ socket, headers }: IncomingMessage): 'http' | 'https' {
    if (socket instanceof TLSSocket) return 'https';
    return this.#isTrusted(socket) && headers['x-forwarded-proto'] === 'https' ? 'https' : 'http';
  }

  #isTrusted(socket: Socket): boolean {
    const { trustedProxies } = this.#rules;
    return trustedProxies.length > 0 && once(this.#trusted, socket, trustedProxies);
  }
}

function once(known: WeakMap<Socket, boolean>, socket: Socket, networks: readonly AllowedNetwork[]): boolean {
  const before = known.get(socket);
  if (before !== undefined) return before;
  const isIn = isInNetworks(networks, socket.remoteAddress ?? '');
  known.set(socket, isIn);
  return isIn;
}

/** Takes as long for a wrong one as for a right one, whichever of them it is. */
function isAnyOf(digests: readonly Buffer[], sent: string | undefined): boolean {
  const digest = secretDigest(sent ?? '');
  let isOne = false;
  for (const each of digests) isOne = timingSafeEqual(each, digest) || isOne;
  return isOne && sent !== undefined;
}
