import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createEventGridSender } from '../../src/events/event-grid-sender.ts';
import type { NewEvent } from '../../src/events/event-recorder.ts';
import { Outbox } from '../../src/events/outbox.ts';
import { type HeadendTable, openHeadendTable } from '../../src/store/headend-table.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import { type EventReceiver, POISON, startEventReceiver } from '../support/event-receiver.ts';

const KEY = 'integration-test-topic-key';
const WAIT_MS = 20_000;

let azurite: Azurite;

beforeAll(async () => {
  azurite = await startAzurite();
}, 90_000);
afterAll(() => azurite?.close(), 60_000);

const event = (subject: string, number: number): NewEvent => ({
  type: 'Headend.Media.LiveEventStateChanged',
  subject,
  data: { number },
});

async function until(isDone: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + WAIT_MS;
  while (!(await isDone()) && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** An outbox on a partition of its own, with the sender as it is shipped. */
async function withOutbox(
  test: (parts: {
    outbox: Outbox;
    receiver: EventReceiver;
    table: HeadendTable;
    logged: string[];
  }) => Promise<void>,
): Promise<void> {
  const receiver = await startEventReceiver(KEY);
  const table = await openHeadendTable(azurite.connectionString, `account${randomUUID().slice(0, 8)}`);
  const logged: string[] = [];
  const log = (name: string): void => {
    logged.push(name);
  };
  const send = createEventGridSender(receiver.endpoint, KEY);
  const outbox = new Outbox({ store: table, send, log: { warn: log, error: log } });
  try {
    await test({ outbox, receiver, table, logged });
  } finally {
    await outbox.close();
    await receiver.close();
  }
}

describe('outbox', () => {
  it('sends more than a batch in the order of its making, and keeps nothing', () =>
    withOutbox(async ({ outbox, receiver, table }) => {
      const numbers = Array.from({ length: 130 }, (_, number) => number);
      await outbox.record(numbers.map((number) => event('liveEvent/e', number)));
      await until(() => receiver.events.length >= numbers.length);
      expect(receiver.events.map(({ data }) => data['number'])).toEqual(numbers);
      expect(receiver.events[0]).toEqual({
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        eventType: 'Headend.Media.LiveEventStateChanged',
        subject: 'liveEvent/e',
        eventTime: expect.stringMatching(/^\d{4}-.*Z$/),
        dataVersion: '1.0',
        data: { number: 0 },
      });
      await until(async () => (await table.list('x!', { limit: 1 })).length === 0);
      expect(await table.list('x!', { limit: 1 })).toEqual([]);
      expect(receiver.faults).toEqual([]);
    }));

  it('one event that the receiver will never take holds up no other', () =>
    withOutbox(async ({ outbox, receiver, table, logged }) => {
      const subjects = ['a', 'b', POISON, 'c', 'd'];
      await outbox.record(subjects.map(event));
      await until(async () => (await table.list('x!', { limit: 1 })).length === 0);
      expect(receiver.events.map(({ subject }) => subject)).toEqual(['a', 'b', 'c', 'd']);
      expect(logged).toEqual(['outbox.eventRefused']);
    }));

  it('heartbeats are sent and never stored', () =>
    withOutbox(async ({ outbox, receiver, table }) => {
      outbox.emitTransient(event('liveEvent/e', 1));
      expect(await table.list('x!', { limit: 1 })).toEqual([]);
      await until(() => receiver.events.length > 0);
      expect(receiver.events.map(({ data }) => data)).toEqual([{ number: 1 }]);
    }));
});
