import { createRequire } from 'node:module';

/** The OpenSSL of this very process, called as its C functions are. Whoever calls has checked every size. */
export interface OpenSsl {
  /** A context of AES-128, to be closed; ECB is ready, the others want `restart` first. */
  open(mode: 'ctr' | 'cbc' | 'ecb', key: Uint8Array): bigint;
  restart(context: bigint, iv: Uint8Array): void;
  encrypt(context: bigint, source: Uint8Array, target: Uint8Array): void;
  /** Wipes and frees it. */
  close(context: bigint): void;
}

const PACKAGE = 'koffi';
/** NIST SP 800-38A, F.1.1, F.2.1 and F.5.1. */
const KNOWN = {
  key: '2b7e151628aed2a6abf7158809cf4f3c',
  clear:
    '6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710',
  answers: [
    {
      mode: 'ecb',
      iv: undefined,
      encrypted:
        '3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4',
    },
    {
      mode: 'cbc',
      iv: '000102030405060708090a0b0c0d0e0f',
      encrypted:
        '7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b273bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7',
    },
    {
      mode: 'ctr',
      iv: 'f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff',
      encrypted:
        '874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee',
    },
  ],
} as const;

type NativeValue = Uint8Array | Int32Array | bigint | number | null;
/** The part of the package that is used. */
type Koffi = { load(path: null): { func(definition: string): (...values: NativeValue[]) => unknown } };

let loaded: { readonly openSsl: OpenSsl | undefined } | undefined;

/** Undefined where it cannot be loaded or gives a wrong answer; tried once. */
export function openSslInPlace(): OpenSsl | undefined {
  loaded ??= { openSsl: load() };
  return loaded.openSsl;
}

function load(): OpenSsl | undefined {
  try {
    const openSsl = bind(loadPackage());
    return KNOWN.answers.every((answer) => isRight(openSsl, answer)) ? openSsl : undefined;
  } catch {
    // Not installed for this system, or a Node that does not show its OpenSSL: node:crypto does the same.
    return undefined;
  }
}

/** Not part of the bundle: it is a library for this system. */
function loadPackage(): Koffi {
  // Whatever it is, a wrong one throws or gives wrong answers.
  return createRequire(import.meta.url)(PACKAGE) as Koffi;
}

function bind(koffi: Koffi): OpenSsl {
  const library = koffi.load(null);
  const newContext = library.func('void *EVP_CIPHER_CTX_new()');
  const free = library.func('void EVP_CIPHER_CTX_free(void *context)');
  const initialize = library.func(
    'int EVP_EncryptInit_ex(void *context, void *type, void *engine, const uint8_t *key, const uint8_t *iv)',
  );
  const setPadding = library.func('int EVP_CIPHER_CTX_set_padding(void *context, int padding)');
  const update = library.func(
    'int EVP_EncryptUpdate(void *context, uint8_t *to, int *written, const uint8_t *from, int size)',
  );
  const typeOf = (mode: 'ctr' | 'cbc' | 'ecb') =>
    pointer(library.func(`const void *EVP_aes_128_${mode}()`)());
  const types = { ctr: typeOf('ctr'), cbc: typeOf('cbc'), ecb: typeOf('ecb') };
  const written = new Int32Array(1);
  return {
    open(mode, key) {
      const context = pointer(newContext());
      const isReady = initialize(context, types[mode], null, key, null) === 1 && setPadding(context, 0) === 1;
      if (isReady) return context;
      free(context);
      throw new Error(`OpenSSL has no ${mode}`);
    },
    restart(context, iv) {
      if (initialize(context, null, null, null, iv) !== 1) throw new Error('OpenSSL does not begin anew');
    },
    encrypt(context, source, target) {
      const { length } = source;
      const isDone = update(context, target, written, source, length) === 1 && written[0] === length;
      if (!isDone) throw new Error(`OpenSSL did not encrypt ${length} bytes`);
    },
    close: (context) => void free(context),
  };
}

function pointer(value: unknown): bigint {
  if (typeof value === 'bigint' && value !== 0n) return value;
  throw new Error('OpenSSL gave no pointer');
}

/** Into another place, in place, and in two pieces. */
function isRight(openSsl: OpenSsl, { mode, iv, encrypted }: (typeof KNOWN.answers)[number]): boolean {
  const clear = Buffer.from(KNOWN.clear, 'hex');
  const made = Buffer.alloc(clear.length);
  const context = openSsl.open(mode, Buffer.from(KNOWN.key, 'hex'));
  try {
    const run = (source: Uint8Array, target: Uint8Array): boolean => {
      if (iv !== undefined) openSsl.restart(context, Buffer.from(iv, 'hex'));
      openSsl.encrypt(context, source.subarray(0, 16), target.subarray(0, 16));
      openSsl.encrypt(context, source.subarray(16), target.subarray(16));
      return Buffer.from(target).toString('hex') === encrypted;
    };
    return run(clear, made) && run(clear, clear);
  } finally {
    openSsl.close(context);
  }
}
