import { hash } from 'node:crypto';
import type { UncheckedToken } from './json-web-token.ts';

const PAIRS_MAX = 100;
const SIGNATURE_NAME = 'HMACSHA256';
/** SHA-256 in base64. */
const SIGNATURE = /^[A-Za-z0-9+/]{43}=$/;
const SECONDS = /^\d{1,12}$/;

/**
 * Parses a simple web token (SWT 0.9.5.1, as Azure's access control issued it): pairs in form encoding of which the
 * last is the signature of everything before it. Undefined when it is none.
 */
export function parseSimpleWebToken(text: string): UncheckedToken | undefined {
  const parts = text.split('&');
  if (parts.length < 2 || parts.length > PAIRS_MAX) return undefined;
  const pairs = parts.map(decodedPair);
  const values = new Map<string, string>();
  for (const pair of pairs) {
    // A name that is there twice has no value that all agree on.
    if (pair === undefined || values.has(pair.name)) return undefined;
    values.set(pair.name, pair.value);
  }
  const signatureText = values.get(SIGNATURE_NAME) ?? '';
  const expires = values.get('ExpiresOn');
  const isLast = pairs.at(-1)?.name === SIGNATURE_NAME;
  if (!isLast || !SIGNATURE.test(signatureText)) return undefined;
  if (expires !== undefined && !SECONDS.test(expires)) return undefined;
  const signature = Buffer.from(signatureText, 'base64');
  if (signature.toString('base64') !== signatureText) return undefined;
  const texts = (name: string): readonly string[] => {
    const value = values.get(name);
    return value === undefined ? [] : [value];
  };
  return {
    algorithm: 'HS256',
    keyName: undefined,
    claims: {
      issuer: texts('Issuer'),
      audiences: texts('Audience'),
      notBefore: undefined,
      expires: expires === undefined ? undefined : Number(expires),
      values: texts,
    },
    signed: text.slice(0, text.lastIndexOf('&')),
    signature,
    signatureHash: () => hash('sha256', signature, 'hex'),
  };
}

function decodedPair(part: string): { readonly name: string; readonly value: string } | undefined {
  const equals = part.indexOf('=');
  if (equals <= 0) return undefined;
  try {
    return { name: formText(part.slice(0, equals)), value: formText(part.slice(equals + 1)) };
  } catch {
    return undefined;
  }
}

const formText = (text: string): string => decodeURIComponent(text.replaceAll('+', ' '));
