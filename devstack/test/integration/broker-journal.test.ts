import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { AnyEvent } from '../../src/broker/event-schema.ts';
import { type Journal, openJournal } from '../../src/broker/journal.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headend-journal-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const NAMES = ['a', 'b', 'c'];
const grid: AnyEvent = {
  id: '1',
  topic: 't',
  subject: 's',
  eventType: 'x',
  eventTime: '2026-01-01T00:00:00Z',
  dataVersion: '',
  metadataVersion: '1',
  data: { n: 1 },
};
const cloud: AnyEvent = { specversion: '1.0', id: '2', source: 's', type: 'x', extension: 'e', data: [1] };

const open = (file: string, compactAboveBytes = 32 * 1024 * 1024) =>
  openJournal({
    file,
    now: () => 1000,
    compactAboveBytes,
    onFatal: (error) => {
      throw error;
    },
  });

/** What a restart has to know: everything that is pending, and how far each delivery is. */
function contents(journal: Journal): object[] {
  return [...journal.pending.values()].map(({ sequence, event, publishedAtMs, deliveries }) => ({
    sequence,
    event: JSON.parse(JSON.stringify(event)),
    publishedAtMs,
    deliveries: JSON.parse(JSON.stringify(Object.fromEntries(deliveries))),
  }));
}

const step = fc.oneof(
  fc.record({
    kind: fc.constant('append' as const),
    events: fc.array(
      fc.record({
        event: fc.constantFrom(grid, cloud),
        subscriptions: fc.uniqueArray(fc.constantFrom(...NAMES), { minLength: 1 }),
      }),
      { minLength: 1, maxLength: 4 },
    ),
  }),
  fc.record({
    kind: fc.constant('settle' as const),
    at: fc.nat({ max: 30 }),
    name: fc.constantFrom(...NAMES),
  }),
  fc.record({
    kind: fc.constant('postpone' as const),
    at: fc.nat({ max: 30 }),
    name: fc.constantFrom(...NAMES),
    attempts: fc.integer({ min: 1, max: 30 }),
    givenUp: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('restart' as const) }),
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

async function apply(journal: Journal, one: Step): Promise<void> {
  if (one.kind === 'append') await journal.append(one.events);
  if (one.kind === 'settle') journal.settle(one.at, one.name);
  if (one.kind !== 'postpone') return;
  const givenUp = one.givenUp ? { reason: 'BadRequest', outcome: 'NotFound', attemptedAtMs: 5 } : undefined;
  journal.postpone(one.at, one.name, { attempts: one.attempts, dueAtMs: 2000, givenUp });
}

describe('the journal', () => {
  it.each([
    { name: 'as it is', compactAboveBytes: undefined },
    { name: 'compacted all the time', compactAboveBytes: 200 },
  ])(
    'gives back after a restart what was in it, $name',
    async ({ compactAboveBytes }) => {
      let count = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
          count += 1;
          const file = join(folder, `${count}.jsonl`);
          let journal = await open(file, compactAboveBytes);
          for (const one of steps) {
            await apply(journal, one);
            if (one.kind !== 'restart') continue;
            const before = contents(journal);
            await journal.close();
            journal = await open(file, compactAboveBytes);
            expect(contents(journal)).toEqual(before);
          }
          const before = contents(journal);
          await journal.close();
          journal = await open(file, compactAboveBytes);
          expect(contents(journal)).toEqual(before);
          await journal.close();
        }),
        { numRuns: 60 },
      );
    },
    120_000,
  );

  it('stays small however many dead letters have gone through it', async () => {
    const file = join(folder, 'small.jsonl');
    const journal = await open(file, 20_000);
    const waiting = await journal.append([{ event: grid, subscriptions: ['a'] }]);
    const givenUp = { reason: 'BadRequest', outcome: 'BadRequest', attemptedAtMs: 5 };
    for (const { sequence } of waiting) {
      journal.postpone(sequence, 'a', { attempts: 1, dueAtMs: 9, givenUp });
    }
    for (let round = 0; round < 300; round += 1) {
      const [event] = await journal.append([{ event: grid, subscriptions: ['a'] }]);
      if (event === undefined) continue;
      journal.postpone(event.sequence, 'a', { attempts: 1, dueAtMs: 9, givenUp });
      journal.settle(event.sequence, 'a');
    }
    expect((await stat(file)).size).toBeLessThan(40_000);
    await journal.close();
    const again = await open(file);
    expect(contents(again)).toMatchObject([
      { sequence: waiting[0]?.sequence, deliveries: { a: { attempts: 1, givenUp } } },
    ]);
    await again.close();
  }, 60_000);
});
