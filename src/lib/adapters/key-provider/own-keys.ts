import { randomBytes, randomUUID } from 'node:crypto';
import type { KeyProvider } from '../../workflows/key-provider.ts';

const KEY_BYTES = 16;

/** Keys of our own: random, so that nothing follows from one for another. */
export const ownKeys: KeyProvider = {
  keysFor: async ({ keys }) => ({
    kind: 'keys',
    keys: keys.map(({ label, kid }) => ({
      label,
      kid: kid ?? randomUUID(),
      value: randomBytes(KEY_BYTES).toString('base64'),
    })),
  }),
};
