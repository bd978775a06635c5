import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ControlStore, RowChange, StoredRow } from '../../src/control-plane/control-store.ts';
import { checkMasterKeys, resealSecrets, WrongMasterKeys } from '../../src/control-plane/sealed-secrets.ts';
import { contentKeyKey, contentKeyPolicySecretsKey, jobPlanKey } from '../../src/resources/row-keys.ts';
import { InvalidMasterKeys, parseMasterKeys } from '../../src/sealing/master-keys.ts';
import { createSealer, SealBroken } from '../../src/sealing/sealer.ts';

const newKey = (): string => randomBytes(32).toString('base64');
const OLD = newKey();
const NEW = newKey();
const sealerOf = (file: string, owner = 'Account') => createSealer(parseMasterKeys(file), owner);

describe('the file of master keys', () => {
  it('holds one key a line; the first seals', () => {
    const keys = parseMasterKeys(`# made in autumn\r\n\n  ${NEW}  \n${OLD}\n`);
    expect([...keys.byId.keys()]).toEqual([parseMasterKeys(NEW).current.id, parseMasterKeys(OLD).current.id]);
    expect(keys.current.id).toBe(parseMasterKeys(NEW).current.id);
    expect(JSON.stringify(keys)).not.toContain(OLD.slice(0, 10));
  });

  it('takes base64 for URLs and without padding, as the same key', () => {
    const bytes = Buffer.from(OLD, 'base64');
    const ids = [OLD, OLD.replace('=', ''), bytes.toString('base64url')].map(
      (text) => parseMasterKeys(text).current.id,
    );
    expect(new Set(ids).size).toBe(1);
  });

  it.each([
    ['nothing in it', '\n# nothing\n', /holds no key/],
    ['a short key', `${OLD}\n${randomBytes(31).toString('base64')}`, /line 2 is not a key of 32 bytes/],
    ['a long key', randomBytes(33).toString('base64'), /line 1/],
    ['a key with something behind it', `${OLD} old`, /line 1/],
    ['what is no base64', `${OLD.slice(0, 20)}!${OLD.slice(20)}`, /line 1/],
    ['one key twice', `${OLD}\n${NEW}\n${OLD}`, /one key twice/],
    ['too many keys', Array.from({ length: 33 }, newKey).join('\n'), /33 keys, more than 32/],
    ['too many lines', '\n'.repeat(2000), /2001 lines/],
  ])('with %s is refused without being shown', (_name, file, message) => {
    const parse = () => parseMasterKeys(file);
    expect(parse).toThrow(InvalidMasterKeys);
    expect(parse).toThrow(message);
    expect(parse).not.toThrow(new RegExp(OLD.slice(0, 8).replace(/[+/]/g, '.')));
  });
});

describe('a sealed secret', () => {
  const sealer = sealerOf(`${NEW}\n${OLD}`);

  it('opens where it was put, and is another text each time', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (secret, identity) => {
        const [one, two] = [sealer.seal(secret, identity), sealer.seal(secret, identity)];
        expect(one).not.toBe(two);
        expect([sealer.open(one, identity), sealer.open(two, identity)]).toEqual([secret, secret]);
        expect(one).toMatch(/^v1\.[0-9a-f]{16}\.[\w-]+$/);
      }),
    );
  });

  it('is opened by every key of the file, and sealed with the first', () => {
    const before = sealerOf(OLD).seal('secret', 'row');
    expect([sealer.open(before, 'row'), sealer.isCurrent(before), sealer.hasOlderKeys]).toEqual([
      'secret',
      false,
      true,
    ]);
    const after = sealer.seal('secret', 'row');
    expect(sealer.isCurrent(after)).toBe(true);
    expect(() => sealerOf(OLD).open(after, 'row')).toThrow(/no master key/);
  });

  it.each<[string, (envelope: string) => string]>([
    ['with a changed byte', (envelope) => envelope.replace(/.$/, (char) => (char === 'A' ? 'Q' : 'A'))],
    ['cut short', (envelope) => envelope.slice(0, -5)],
    ['cut to nothing', (envelope) => envelope.slice(0, 20)],
    [
      'said to be of another key',
      (envelope) => envelope.replace(parseMasterKeys(NEW).current.id, parseMasterKeys(OLD).current.id),
    ],
    ['that is none', () => 'secret'],
  ])('does not open %s', (_name, damage) => {
    expect(() => sealer.open(damage(sealer.seal('secret', 'row')), 'row')).toThrow(SealBroken);
  });

  it('does not open in another row or another account', () => {
    const sealed = sealer.seal('secret', 'row');
    expect(() => sealer.open(sealed, 'row2')).toThrow(SealBroken);
    expect(() => sealerOf(NEW, 'other').open(sealed, 'row')).toThrow(SealBroken);
    expect(sealerOf(NEW, 'ACCOUNT').open(sealed, 'row')).toBe('secret');
  });
});

describe('the secrets of a storage', () => {
  it('are not touched with master keys of another storage', async () => {
    const store = memoryStore();
    await checkMasterKeys({ store, sealer: sealerOf(OLD) });
    await checkMasterKeys({ store, sealer: sealerOf(`${NEW}\n${OLD}`) });
    await expect(checkMasterKeys({ store, sealer: sealerOf(NEW) })).rejects.toThrow(WrongMasterKeys);
  });

  it('are all sealed anew after a rotation, so that the old key can go', async () => {
    const store = memoryStore();
    const [before, during, after] = [sealerOf(OLD), sealerOf(`${NEW}\n${OLD}`), sealerOf(NEW)];
    await checkMasterKeys({ store, sealer: before });
    const rows = [
      ...Array.from({ length: 130 }, (_, index) => contentKeyKey(`key${String(index).padStart(3, '0')}`)),
      contentKeyPolicySecretsKey('policy'),
      jobPlanKey('transform', 'job'),
    ];
    const unsealed = {
      kind: 'create',
      rowKey: jobPlanKey('transform', 'other'),
      body: { tasks: [] },
    } as const;
    await store.commit([unsealed]);
    for (const rowKey of rows) {
      await store.commit([
        { kind: 'create', rowKey, body: { sealed: before.seal(`of ${rowKey}`, rowKey), locators: ['l'] } },
      ]);
    }
    expect(await resealSecrets({ store, sealer: during })).toBe(rows.length + 1);
    expect(await resealSecrets({ store, sealer: during })).toBe(0);
    await checkMasterKeys({ store, sealer: after });
    for (const rowKey of rows) {
      const body = Object((await store.find(rowKey))?.body);
      expect(after.open(String(Reflect.get(body, 'sealed')), rowKey)).toBe(`of ${rowKey}`);
      expect(Reflect.get(body, 'locators')).toEqual(['l']);
    }
    expect((await store.find(unsealed.rowKey))?.body).toEqual(unsealed.body);
  });
});

/** As the table: rows in key order, a commit as a whole. */
function memoryStore(): ControlStore {
  const rows = new Map<string, StoredRow>();
  let version = 0;
  const fits = (change: RowChange) =>
    change.kind === 'create'
      ? !rows.has(change.rowKey)
      : change.kind !== 'replace' || rows.get(change.rowKey)?.etag === change.etag;
  return {
    find: async (rowKey) => rows.get(rowKey),
    list: async (prefix, { after = '', limit }) =>
      [...rows.values()]
        .filter(({ rowKey }) => rowKey.startsWith(prefix) && rowKey > after)
        .sort((left, right) => (left.rowKey < right.rowKey ? -1 : 1))
        .slice(0, limit),
    commit: async (changes) => {
      if (!changes.every(fits)) return 'conflict';
      for (const change of changes) {
        version += 1;
        if (change.kind === 'delete') rows.delete(change.rowKey);
        else rows.set(change.rowKey, { rowKey: change.rowKey, etag: String(version), body: change.body });
      }
      return 'committed';
    },
  };
}
