import { createSecureContext } from 'node:tls';
import { z } from 'zod';
import type { ContentKeyPolicyFairPlayConfiguration } from '../contract/metadata.ts';
import { keyBytes, refuse } from './content-key-field.ts';

type FairPlay = z.output<typeof ContentKeyPolicyFairPlayConfiguration>;

const ASK_BYTES = { min: 16, max: 16 } as const;

/** Throws `InvalidField`. */
export function checkFairPlay(configuration: FairPlay, field: string): void {
  keyBytes(configuration.ask, `${field}.ask`, ASK_BYTES);
  checkPfx(configuration, field);
  checkRental(configuration, field);
}

function checkPfx({ fairPlayPfx, fairPlayPfxPassword }: FairPlay, field: string): void {
  const at = `${field}.fairPlayPfx`;
  if (!z.base64().min(1).safeParse(fairPlayPfx).success) refuse(at, 'base64 is expected');
  const problem = pfxProblem(Buffer.from(fairPlayPfx, 'base64'), fairPlayPfxPassword);
  if (problem === 'password') refuse(`${field}.fairPlayPfxPassword`, 'it does not open fairPlayPfx');
  if (problem === 'malformed') {
    refuse(at, 'a certificate with its private key in PKCS 12 format is expected');
  }
}

/**
 * OpenSSL reads the container and compares its MAC. Apple's tools write containers with ciphers which OpenSSL 3 knows
 * but does not decrypt; their MAC has been found to be right by then.
 */
function pfxProblem(pfx: Buffer, passphrase: string): 'none' | 'password' | 'malformed' {
  try {
    createSecureContext({ pfx, passphrase });
    return 'none';
  } catch (error) {
    const message = String(Reflect.get(Object(error), 'message')).toLowerCase();
    if (message.includes('mac verify')) return 'password';
    return message.includes('unsupported') ? 'none' : 'malformed';
  }
}

function checkRental(configuration: FairPlay, field: string): void {
  const { rentalAndLeaseKeyType, rentalDuration, offlineRentalConfiguration: offline } = configuration;
  if (rentalAndLeaseKeyType === 'Unknown') {
    refuse(`${field}.rentalAndLeaseKeyType`, "'Unknown' is for answers only");
  }
  if (rentalDuration < 0) refuse(`${field}.rentalDuration`, `it is ${rentalDuration}, at least 0 is allowed`);
  if (rentalAndLeaseKeyType === 'PersistentLimited' && rentalDuration === 0) {
    refuse(`${field}.rentalDuration`, 'it limits a key that is PersistentLimited: more than 0 is expected');
  }
  const at = `${field}.offlineRentalConfiguration`;
  if (offline == null) {
    if (rentalAndLeaseKeyType === 'DualExpiry') refuse(at, 'it is required for keys with DualExpiry');
    return;
  }
  if (rentalAndLeaseKeyType !== 'DualExpiry') refuse(at, 'only keys with DualExpiry have it');
  for (const name of ['playbackDurationSeconds', 'storageDurationSeconds'] as const) {
    if (offline[name] < 0) refuse(`${at}.${name}`, `it is ${offline[name]}, at least 0 is allowed`);
  }
}
