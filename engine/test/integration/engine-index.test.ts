import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createAccountStore } from '../../src/control-plane/account-store.ts';
import { backfillClaims } from '../../src/control-plane/id-backfill.ts';
import { accessTokenKey, locatorIdKey, previewLocatorKey } from '../../src/resources/row-keys.ts';
import { CLAIM_SETTLED_AFTER_MS, EngineIndex } from '../../src/store/engine-index.ts';
import { type HeadendTable, openHeadendTable } from '../../src/store/headend-table.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';

const ID = '3f0c0e2e-0000-4000-8000-00000000000';
const silent = { warn: () => undefined };

let azurite: Azurite;
let table: HeadendTable;
let nowMs = 0;
let ids = 0;

beforeAll(async () => {
  azurite = await startAzurite();
  table = await openHeadendTable(azurite.connectionString, 'own');
}, 60_000);
afterAll(() => azurite?.close());

const newId = () => {
  ids += 1;
  return `${ID}${ids}`;
};
const later = () => {
  nowMs += CLAIM_SETTLED_AFTER_MS + 1;
};
const newIndex = () => new EngineIndex(table, () => nowMs);
const storeOf = (account: string, hasTopic = true) =>
  createAccountStore({
    rows: table.inPartition(account),
    account,
    claims: newIndex(),
    hasTopic: () => hasTopic,
    log: silent,
  });
const created = (rowKey: string) => ({ kind: 'create', rowKey, body: { name: 'x' } }) as const;

describe('which account has an id', () => {
  it('is the one whose transaction wrote it; no other can, until it is gone', async () => {
    const id = newId();
    const [one, two] = [storeOf('one'), storeOf('two')];
    expect(await one.commit([created(locatorIdKey(id))])).toBe('committed');
    expect(await newIndex().accountOf({ kind: 'locatorId', id: id.toUpperCase() })).toBe('one');
    await expect(two.commit([created(previewLocatorKey(id))])).rejects.toMatchObject({
      errorName: 'IdInUse',
    });
    later();
    await expect(two.commit([created(locatorIdKey(id))])).rejects.toMatchObject({ errorName: 'IdInUse' });
    await one.commit([{ kind: 'delete', rowKey: locatorIdKey(id) }]);
    expect(await newIndex().accountOf({ kind: 'locatorId', id })).toBeUndefined();
    expect(await two.commit([created(locatorIdKey(id))])).toBe('committed');
    expect(await newIndex().accountOf({ kind: 'locatorId', id })).toBe('two');
  });

  it('is exactly one when several write it at the same time', async () => {
    const id = newId();
    const rowKey = accessTokenKey(id);
    const accounts = ['one', 'two', 'three', 'four'];
    const outcomes = await Promise.allSettled(
      accounts.map((account) => storeOf(account).commit([created(rowKey)])),
    );
    const winners = accounts.filter((_, at) => outcomes[at]?.status === 'fulfilled');
    expect(winners).toHaveLength(1);
    expect(await newIndex().accountOf({ kind: 'accessToken', id })).toBe(winners[0]);
    const rows = await Promise.all(accounts.map((account) => table.inPartition(account).find(rowKey)));
    expect(rows.filter((row) => row !== undefined)).toHaveLength(1);
  });

  it('is nobody who died between his claim and his transaction: another takes it after a while, or the sweep', async () => {
    const [taken, swept, alive] = [newId(), newId(), newId()];
    for (const id of [taken, swept]) await newIndex().claim({ kind: 'locatorId', id }, 'dead');
    await storeOf('one').commit([created(locatorIdKey(alive))]);
    await expect(storeOf('two').commit([created(locatorIdKey(taken))])).rejects.toMatchObject({
      errorName: 'IdInUse',
    });
    later();
    expect(await storeOf('two').commit([created(locatorIdKey(taken))])).toBe('committed');
    await newIndex().sweep();
    const owners = [taken, swept, alive].map((id) => newIndex().accountOf({ kind: 'locatorId', id }));
    expect(await Promise.all(owners)).toEqual(['two', undefined, 'one']);
  });

  it('is not lost to a sweep when its account writes it anew', async () => {
    const id = newId();
    await newIndex().claim({ kind: 'locatorId', id }, 'one');
    later();
    // What a request under way has done before the sweep comes by.
    await newIndex().claim({ kind: 'locatorId', id }, 'one');
    await newIndex().sweep();
    expect(await newIndex().accountOf({ kind: 'locatorId', id })).toBe('one');
  });

  it('is told of rows that were there before anything was claimed, once', async () => {
    const rows = table.inPartition('earlier');
    const many = Array.from({ length: 130 }, () => newId());
    for (const id of many) await rows.commit([created(locatorIdKey(id))]);
    const token = '0123456789abcdef';
    await rows.commit([created(accessTokenKey(token))]);
    await backfillClaims(rows, 'earlier', newIndex());
    const owners = new Set(
      await Promise.all(many.map((id) => newIndex().accountOf({ kind: 'locatorId', id }))),
    );
    expect(owners).toEqual(new Set(['earlier']));
    expect(await newIndex().accountOf({ kind: 'accessToken', id: token })).toBe('earlier');
    const unclaimed = newId();
    await rows.commit([created(locatorIdKey(unclaimed))]);
    await backfillClaims(rows, 'earlier', newIndex());
    expect(await newIndex().accountOf({ kind: 'locatorId', id: unclaimed })).toBeUndefined();
  }, 60_000);
});

describe('an account without a topic', () => {
  it('stores what happens and none of its events', async () => {
    const changes = [created('r!asset!a'), created('x!1-event')];
    expect(await storeOf('mute', false).commit(changes)).toBe('committed');
    const rows = table.inPartition('mute');
    expect((await rows.listAny(10)).map(({ rowKey }) => rowKey)).toEqual(['r!asset!a']);
    await storeOf('mute').commit([created('x!2-event')]);
    expect(await rows.list('x!', { limit: 10 })).toHaveLength(1);
  });
});
