import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cachedSecrets } from '../../src/lib/adapters/secret-store/cached-secrets.ts';
import { folderSecrets } from '../../src/lib/adapters/secret-store/folder-secrets.ts';
import { keyVaultSecrets } from '../../src/lib/adapters/secret-store/key-vault-secrets.ts';
import { SECRET_BYTES_MAX, type SecretStore } from '../../src/lib/workflows/secret-store.ts';
import { makeCertificate } from '../support/certificate.ts';
import { type KeyVault, startKeyVault } from '../support/key-vault.ts';
import { memorySecrets } from '../support/memory-secrets.ts';

const CANARY = 'canary-7f3a51-in-a-secret';

let folder: string;
let vault: KeyVault;
let ofVault: SecretStore;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headend-secrets-test-'));
  const certificate = await makeCertificate();
  vault = await startKeyVault(certificate);
  ofVault = keyVaultSecrets(vault.url, {
    credential: {
      getToken: async () => ({ token: vault.token, expiresOnTimestamp: Date.now() + 3_600_000 }),
    },
    options: {
      disableChallengeResourceVerification: true,
      tlsOptions: { ca: certificate.cert },
      retryOptions: { maxRetries: 0 },
    },
  });
}, 30_000);

afterAll(async () => {
  await vault?.close();
  await rm(folder, { recursive: true, force: true });
});

const stores: readonly { name: string; open: () => SecretStore }[] = [
  { name: 'memory', open: memorySecrets },
  { name: 'folder', open: () => folderSecrets(join(folder, 'new', 'store')) },
  { name: 'key vault', open: () => ofVault },
  { name: 'folder with a cache', open: () => cachedSecrets(folderSecrets(join(folder, 'cached'))) },
];

const failureOf = async (work: () => Promise<unknown>): Promise<Error> => {
  try {
    await work();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('it did not fail');
};

describe.each(stores)('secrets in: $name', ({ open }) => {
  it('are what was put last, whatever the case of their name, until they are removed', async () => {
    const store = open();
    expect(await store.get('arena-key')).toBeUndefined();
    await store.put('arena-key', 'first');
    await store.put('Arena-KEY', 'second – ü\n');
    expect(await store.get('arena-key')).toBe('second – ü\n');
    await store.remove('ARENA-key');
    expect(await store.get('arena-key')).toBeUndefined();
    await store.remove('arena-key');
    await store.put('arena-key', 'again');
    expect(await store.get('arena-key')).toBe('again');
  });

  it('hold what a store may hold at most, and names as long as a vault’s', async () => {
    const store = open();
    const [name, value] = ['n'.repeat(127), 'x'.repeat(SECRET_BYTES_MAX)];
    await store.put(name, value);
    expect(await store.get(name)).toBe(value);
  });

  it.each([
    { name: '../etc', value: CANARY },
    { name: 'a/b', value: CANARY },
    { name: '.hidden', value: CANARY },
    { name: '', value: CANARY },
    { name: 'n'.repeat(128), value: CANARY },
    { name: 'umlaut-ü', value: CANARY },
    { name: 'good', value: '' },
    { name: 'good', value: CANARY.repeat(SECRET_BYTES_MAX / 20) },
  ])('refuse the name "$name" or a value of a wrong size, without telling it', async ({ name, value }) => {
    const error = await failureOf(() => open().put(name, value));
    expect(`${error.message} ${error.stack} ${JSON.stringify(error)}`).not.toContain(CANARY);
  });
});

describe('the folder', () => {
  it('is its owner’s alone, and has nothing but whole secrets in it', async () => {
    const store = folderSecrets(join(folder, 'modes'));
    await Promise.all(Array.from({ length: 20 }, (_, at) => store.put('one', `${at}`.padStart(1000, '.'))));
    expect((await stat(join(folder, 'modes'))).mode & 0o777).toBe(0o700);
    expect(await readdir(join(folder, 'modes'))).toEqual(['one']);
    expect((await stat(join(folder, 'modes', 'one'))).mode & 0o777).toBe(0o600);
    expect(await readFile(join(folder, 'modes', 'one'), 'utf8')).toMatch(/^\.+\d+$/);
  });

  it('does not read what it cannot have written', async () => {
    await writeFile(join(folder, 'modes', 'huge'), CANARY.repeat(SECRET_BYTES_MAX));
    const error = await failureOf(() => folderSecrets(join(folder, 'modes')).get('huge'));
    expect(error.message).toBe('a secret’s file is empty or too large');
  });
});

describe('the key vault', () => {
  it('recovers a name that it has deleted before it writes it, and waits while a removal is under way', async () => {
    await ofVault.put('gone', 'before');
    await ofVault.remove('gone');
    vault.calls.length = 0;
    await ofVault.put('gone', 'after');
    expect(vault.calls.filter((call) => !call.startsWith('GET'))).toEqual([
      'PUT /secrets/gone',
      'POST /deletedsecrets/gone/recover',
      'PUT /secrets/gone',
    ]);
    vault.busyWrites = 2;
    await ofVault.put('gone', 'later');
    expect(await ofVault.get('gone')).toBe('later');
    vault.busyWrites = 100;
    expect((await failureOf(() => ofVault.put('gone', CANARY))).message).toBe(
      'the key vault failed at put: Error',
    );
    vault.busyWrites = 0;
  }, 30_000);

  it.each(['put', 'get', 'remove'] as const)('fails at %s without showing the secret', async (verb) => {
    vault.broken = 500;
    const error = await failureOf(() => (verb === 'put' ? ofVault.put('a', CANARY) : ofVault[verb]('a')));
    vault.broken = undefined;
    expect(error).toMatchObject({ message: `the key vault failed at ${verb}: 500`, statusCode: 500 });
    expect(`${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`).not.toContain(CANARY);
  });
});

describe('the cache', () => {
  it('reads once, sees its own writes at once, and does not keep what a slower read brings back', async () => {
    const store = memorySecrets();
    await store.put('key', 'old');
    let reads = 0;
    let release: () => void = () => {};
    const slow: SecretStore = {
      ...store,
      async get(name) {
        reads += 1;
        const value = await store.get(name);
        if (reads === 2)
          await new Promise<void>((resolve) => {
            release = resolve;
          });
        return value;
      },
    };
    const cached = cachedSecrets(slow);
    expect([await cached.get('key'), await cached.get('KEY'), reads]).toEqual(['old', 'old', 1]);
    await cached.remove('key');
    await store.put('key', 'old');
    const stale = cached.get('key');
    await cached.put('key', 'new');
    release();
    expect([await stale, await cached.get('key'), reads]).toEqual(['old', 'new', 2]);
  });
});
