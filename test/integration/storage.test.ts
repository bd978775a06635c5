import { QueueServiceClient } from '@azure/storage-queue';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openReconcileQueue } from '../../src/lib/adapters/queue/reconcile-queue.ts';
import { openScaleQueue } from '../../src/lib/adapters/queue/scale-queue.ts';
import { openStores } from '../../src/lib/adapters/table/stores.ts';
import { ChannelBody } from '../../src/lib/contracts/channel-body.ts';
import { VideoBody } from '../../src/lib/contracts/video-body.ts';
import type { Operation } from '../../src/lib/domain/operation.ts';
import { putChannel } from '../../src/lib/workflows/api-channels.ts';
import { newVideo } from '../../src/lib/workflows/api-videos.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';

let azurite: Azurite;
let connection: string;

beforeAll(async () => {
  azurite = await startAzurite();
  connection = azurite.connectionString;
}, 60_000);

afterAll(() => azurite.close());

const CALLER = { by: 'test', ifMatch: undefined };

describe('the stores on real tables and queues', () => {
  it('keep a channel with optimistic concurrency, page it by name, and forget it', async () => {
    const stores = openStores(connection);
    const clock = { now: () => Date.now() };
    const deps = { ...stores, clock, random: { guid: () => crypto.randomUUID() } };
    for (const name of ['c', 'a', 'b'])
      await putChannel(name, ChannelBody.parse({}), { caller: CALLER, deps });
    const found = await stores.channels.find('a');
    expect(found?.value.settings.allowFrom).toEqual(['0.0.0.0/0', '::/0']);
    if (found === undefined) throw new Error('no channel a');
    const etag = await stores.channels.save({ ...found.value, desired: 'running' }, found.etag);
    expect(etag).toBeDefined();
    expect(await stores.channels.save(found.value, found.etag)).toBeUndefined();
    expect(await stores.channels.save(found.value, undefined)).toBeUndefined();
    const first = await stores.channels.page({ after: undefined, sizeMax: 2 });
    expect([first.items.map(({ name }) => name), first.after]).toEqual([['a', 'b'], 'b']);
    const second = await stores.channels.page({ after: 'b', sizeMax: 2 });
    expect([second.items.map(({ name }) => name), second.after]).toEqual([['c'], undefined]);
    expect(await stores.channels.remove('a', found.etag)).toBe(false);
    expect(await stores.channels.remove('a', etag ?? '')).toBe(true);
    expect((await stores.due.due(clock.now())).toSorted()).toEqual(['a', 'b', 'c']);
    expect(await stores.due.due(clock.now() - 3_600_000)).toEqual([]);
  });

  it('keep a video however long its preset is, what is uploaded where, and imports with their items', async () => {
    const stores = openStores(connection);
    const settings = VideoBody.parse({
      source: { upload: {} },
      encoding: { preset: { '@odata.type': '#Microsoft.Media.X', text: '\u{1F3AC}'.repeat(4000) } },
    });
    const random = { guid: () => crypto.randomUUID() };
    const fresh = newVideo(
      { name: 'lecture', id: random.guid(), settings, sourceMark: null, sourceAsset: null },
      { clock: { now: () => 1 }, random },
    );
    const notes = Array.from({ length: 50 }, (_, index) => ({
      ...{ key: `${index}`, atMs: 1, type: 'x', milliseconds: null },
      effect: '\u{1F3AC}'.repeat(250 + (index % 2)),
    }));
    const video = { ...fresh, untold: notes };
    const etag = await stores.videos.save(video, undefined);
    expect(await stores.videos.find('lecture')).toEqual({ value: video, etag });
    const shorter = await stores.videos.save(fresh, etag);
    expect(await stores.videos.find('lecture')).toEqual({ value: fresh, etag: shorter });
    expect((await stores.videos.page({ after: undefined, sizeMax: 5 })).items).toEqual([fresh]);
    expect([
      await stores.videos.remove('lecture', etag ?? ''),
      await stores.videos.remove('lecture', shorter ?? ''),
    ]).toEqual([false, true]);
    await stores.uploadIndex.put('upload-1', 'lecture');
    expect(await stores.uploadIndex.find('upload-1')).toBe('lecture');
    await stores.uploadIndex.remove('upload-1');
    expect(await stores.uploadIndex.find('upload-1')).toBeUndefined();
    const item = { number: 10, video: 'b', videoId: '1', settings, sourceMark: null, error: null } as const;
    await stores.imports.saveItem('i', { ...item, state: 'pending' });
    await stores.imports.saveItem('i', { ...item, number: 9, video: 'a', state: 'pending' });
    await stores.imports.saveItem('i', { ...item, state: 'running' });
    const shown = (await stores.imports.items('i')).map(({ video: name, state }) => [name, state]);
    expect(shown).toEqual([
      ['a', 'pending'],
      ['b', 'running'],
    ]);
    await stores.imports.removeItem('i', item);
    expect(await stores.imports.items('i')).toHaveLength(1);
    await stores.videoDue.set('lecture', 5);
    expect([await stores.videoDue.due(5), await stores.importDue.due(5)]).toEqual([['lecture'], []]);
    await stores.profileUsers.add('mine', { video: 'lecture' });
    await stores.profileUsers.add('mine', { channel: 'a', program: 'b' });
    expect(await stores.profileUsers.list('mine')).toEqual([
      { channel: 'a', program: 'b' },
      { video: 'lecture' },
    ]);
  });

  it('tell an entry told twice, newest first', async () => {
    const { timeline } = openStores(connection);
    const entry = {
      channel: 'x',
      atMs: 1,
      type: 't',
      source: 'event' as const,
      by: 'b',
      program: null,
      effect: 'e',
      milliseconds: null,
    };
    expect(await timeline.add({ ...entry, id: '2!old' })).toBe(true);
    expect(await timeline.add({ ...entry, id: '1!new' })).toBe(true);
    expect(await timeline.add({ ...entry, id: '2!old' })).toBe(false);
    expect((await timeline.page('x', { after: undefined, sizeMax: 5 })).items.map(({ id }) => id)).toEqual([
      '1!new',
      '2!old',
    ]);
    await timeline.add({ ...entry, channel: 'y', id: '3' });
    await timeline.forget('x');
    const left = async (channel: string) =>
      (await timeline.page(channel, { after: undefined, sizeMax: 5 })).items.length;
    expect([await left('x'), await left('y')]).toEqual([0, 1]);
  });

  it('let one reconcile have a channel, until it releases it or its time is over', async () => {
    const { claims } = openStores(connection);
    const first = await claims.take('x', 1000);
    expect(first).toBeDefined();
    expect(await claims.take('x', 2000)).toBeUndefined();
    await first?.release();
    const second = await claims.take('x', 3000);
    expect(second).toBeDefined();
    expect(await second?.extend(4500)).toBe(true);
    expect(await claims.take('x', 7499)).toBeUndefined();
    // Whoever died with it blocks the channel for three seconds.
    const thief = await claims.take('x', 7500);
    expect(thief).toBeDefined();
    expect(await second?.extend(9000)).toBe(false);
    await second?.release();
    expect(await claims.take('x', 9000)).toBeUndefined();
  });

  it('keep what is wanted of a scaling, and never change an operation that is over', async () => {
    const { scalings, scaleDue, operations, due } = openStores(connection);
    const target = { kind: 'streamingEndpoint', name: 'default' } as const;
    const scaling = { target, wanted: null, begun: null, superseded: [] };
    const etag = await scalings.save('streamingEndpoint!default', scaling, undefined);
    expect(etag).toBeDefined();
    expect(await scalings.save('streamingEndpoint!default', scaling, undefined)).toBeUndefined();
    expect((await scalings.find('streamingEndpoint!default'))?.value).toEqual(scaling);
    await scaleDue.set('streamingEndpoint!default', 5);
    expect([await scaleDue.due(4), await scaleDue.due(5)]).toEqual([[], ['streamingEndpoint!default']]);
    expect(await due.due(5)).not.toContain('streamingEndpoint!default');
    await scaleDue.clear('streamingEndpoint!default');
    expect(await scaleDue.due(5)).toEqual([]);

    const operation: Operation = {
      id: 'op_1',
      kind: 'streamingEndpoint.scale',
      streamingEndpoint: 'default',
      status: 'NotStarted',
      percentComplete: 0,
      step: 'queued',
      error: null,
      createdAtMs: 1,
    };
    await operations.save(operation);
    const at = (percentComplete: number) => () => ({ status: 'Running' as const, percentComplete });
    await Promise.all([operations.change('op_1', at(10)), operations.change('op_1', at(20))]);
    expect((await operations.find('op_1'))?.status).toBe('Running');
    await operations.change('op_1', () => ({ status: 'Canceled', finishedAtMs: 2 }));
    await operations.change('op_1', at(50));
    await operations.change('op_none', at(50));
    expect(await operations.find('op_1')).toMatchObject({ status: 'Canceled', finishedAtMs: 2 });
    expect(await operations.find('op_none')).toBeUndefined();
  });

  it('send a message about a scaling, and give one up', async () => {
    const queue = openScaleQueue(connection, 'scale-requests');
    const message = { kind: 'streamingEndpoint', name: 'default', operation: 'op_1' };
    await queue.send(message, 0);
    await queue.giveUp(message);
    const service = QueueServiceClient.fromConnectionString(connection);
    for (const name of ['scale-requests', 'scale-requests-poison']) {
      const { receivedMessageItems } = await service.getQueueClient(name).receiveMessages();
      const texts = receivedMessageItems.map(({ messageText }) =>
        Buffer.from(messageText, 'base64').toString(),
      );
      expect(texts.map((text) => JSON.parse(text))).toEqual([message]);
    }
  });

  it('send a reconcile message that can wait', async () => {
    await expect(openReconcileQueue(connection, 'reconcile').send('a', 1)).resolves.toBeUndefined();
  });
});
