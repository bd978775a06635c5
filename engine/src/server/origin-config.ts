import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { type AllowedNetwork, allowedNetworks, ipAllowList } from '../resources/ip-allow-list.ts';
import type { Environment, Reader } from './settings-reader.ts';

const MEBIBYTE = 1024 * 1024;
const CACHE_MEBIBYTES_DEFAULT = 256;
const CACHE_MEBIBYTES_LIMIT = 65_536;
const HEADER_NAME = /^[a-z0-9-]{1,64}$/i;
const SECRET_CHARS_MIN = 16;
const SECRETS_MAX = 16;

/** What an origin is told beside where it listens (docs/cdn.md). */
export interface OriginConfig {
  /** A header that every request carries, and the file of the secrets that may stand in it. */
  readonly secret: { readonly header: string; readonly file: string } | undefined;
  readonly allow: readonly AllowedNetwork[];
  readonly trustedProxies: readonly AllowedNetwork[];
  /** HTTPS with the certificates of a folder. */
  readonly tls: { readonly port: number; readonly folder: string } | undefined;
  /** In each serving process: what is stored, and what is made of it. */
  readonly cacheBytesMax: number;
  readonly packagedBytesMax: number;
}

export function readOrigin(env: Environment, read: Reader, problems: string[]): OriginConfig {
  const mebibytes = (name: string): number =>
    read.integer(name, CACHE_MEBIBYTES_DEFAULT, { min: 1, max: CACHE_MEBIBYTES_LIMIT }) * MEBIBYTE;
  return {
    secret: readSecretHeader(env, problems),
    allow: readNetworks(env, 'HEADEND_ORIGIN_ALLOW', problems),
    trustedProxies: readNetworks(env, 'HEADEND_ORIGIN_TRUSTED_PROXIES', problems),
    tls: readTlsListener(env, read, problems),
    cacheBytesMax: mebibytes('HEADEND_ORIGIN_CACHE_MIB'),
    packagedBytesMax: mebibytes('HEADEND_ORIGIN_PACKAGED_CACHE_MIB'),
  };
}

/** One secret a line; empty lines and lines beginning with `#` are left out. Throws what says which line is wrong. */
export function parseOriginSecrets(text: string): readonly string[] {
  const secrets = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  if (secrets.length === 0) throw new Error('the file holds no secret');
  if (secrets.length > SECRETS_MAX) throw new Error(`the file holds more than ${SECRETS_MAX} secrets`);
  const short = secrets.findIndex((secret) => secret.length < SECRET_CHARS_MIN);
  if (short >= 0) throw new Error(`secret ${short + 1} has fewer than ${SECRET_CHARS_MIN} characters`);
  return secrets;
}

function readSecretHeader(env: Environment, problems: string[]): OriginConfig['secret'] {
  const header = env['HEADEND_ORIGIN_SECRET_HEADER'];
  const file = env['HEADEND_ORIGIN_SECRET_FILE'];
  if (!header && !file) return undefined;
  if (!header || !file) {
    problems.push(
      'HEADEND_ORIGIN_SECRET_HEADER and HEADEND_ORIGIN_SECRET_FILE are set together or not at all',
    );
    return undefined;
  }
  if (!HEADER_NAME.test(header)) problems.push('HEADEND_ORIGIN_SECRET_HEADER is no name of a header');
  try {
    parseOriginSecrets(readFileSync(file, 'utf8'));
  } catch (error) {
    const reason = String(Reflect.get(Object(error), 'code') ?? Reflect.get(Object(error), 'message'));
    problems.push(`HEADEND_ORIGIN_SECRET_FILE: ${reason}`);
  }
  return { header: header.toLowerCase(), file };
}

const Networks = z.object({ networks: ipAllowList });

function readNetworks(env: Environment, name: string, problems: string[]): readonly AllowedNetwork[] {
  const addresses = (env[name] ?? '')
    .split(',')
    .map((address) => address.trim())
    .filter((address) => address !== '');
  const list = { ip: { allow: addresses.map((address) => ({ address })) } };
  const parsed = Networks.safeParse({ networks: list });
  if (parsed.success) return allowedNetworks(parsed.data.networks);
  problems.push(`${name} is a list of at most 100 IP addresses and networks with commas between them`);
  return [];
}

function readTlsListener(env: Environment, read: Reader, problems: string[]): OriginConfig['tls'] {
  const folder = env['HEADEND_STREAMING_TLS_FOLDER'];
  const port = env['HEADEND_STREAMING_TLS_PORT'];
  if (!folder && !port) return undefined;
  if (!folder || !port) {
    problems.push(
      'HEADEND_STREAMING_TLS_PORT and HEADEND_STREAMING_TLS_FOLDER are set together or not at all',
    );
    return undefined;
  }
  return { port: read.port('HEADEND_STREAMING_TLS_PORT', 0), folder };
}
