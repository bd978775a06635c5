import type { ProtectionScheme } from '../model/protection.ts';

/** The schemes that encrypt samples, ISO/IEC 23001-7 §10.1 and §10.4. */
export type SampleScheme = Exclude<ProtectionScheme, 'aes128'>;

/** §10.4: of ten blocks of slice data the first is encrypted. */
export const CBCS_CRYPT_BLOCKS = 1;
export const CBCS_SKIP_BLOCKS = 9;
