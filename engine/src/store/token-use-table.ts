import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { TokenUse, TokenUses } from '../keys/key-ports.ts';
import { TOKEN_USE_PARTITIONS, tokenUseKey, tokenUses } from '../resources/row-keys.ts';
import type { HeadendTable } from './headend-table.ts';

const ATTEMPTS_MAX = 12;
const PAUSE_MS_MAX = 100;
/** In one pass over one partition. */
const SWEPT_MAX = 100;
/** Much longer than clocks differ: a token is refused by its expiry before its uses are forgotten. */
const KEPT_AFTER_END_MS = 15 * 60_000;

/** `last` tells one's own write from another's, when its answer was lost. */
const UseRow = z.object({ uses: z.int(), usesMax: z.int(), last: z.string() });

/** Several processes wanted the same token again and again. */
export class TokenUseContested extends Error {
  readonly code = 'TokenUseContested';
  constructor() {
    super(`not counted in ${ATTEMPTS_MAX} attempts`);
    this.name = 'TokenUseContested';
  }
}

/** Counts in the table: each use replaces the row under its ETag, so that of several processes one has it. */
export function createTokenUses(table: HeadendTable): TokenUses & { sweep(nowMs: number): Promise<number> } {
  const partitions = TOKEN_USE_PARTITIONS.map((name) => table.inPartition(name));
  return {
    async take(use) {
      const { account, signatureHash, endsAtMs } = use;
      const rows = partitions[Number.parseInt(signatureHash.slice(0, 1), 16)];
      if (rows === undefined) throw new RangeError('not a hash in hexadecimal');
      const rowKey = tokenUseKey(endsAtMs, `${account}.${signatureHash}`);
      return takeFrom(rows, rowKey, use);
    },
    async sweep(nowMs) {
      let count = 0;
      for (const rows of partitions) {
        const before = tokenUseKey(nowMs - KEPT_AFTER_END_MS, '');
        const ended = await rows.list(tokenUses, { before, limit: SWEPT_MAX });
        if (ended.length === 0) continue;
        await rows.commit(ended.map(({ rowKey }) => ({ kind: 'delete', rowKey })));
        count += ended.length;
      }
      return count;
    },
  };
}

async function takeFrom(
  rows: HeadendTable,
  rowKey: string,
  { usesMax }: TokenUse,
): Promise<'taken' | 'exhausted'> {
  const last = randomUUID();
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const found = attempt === 0 ? undefined : await rows.find(rowKey);
    if (found === undefined) {
      const body = { uses: 1, usesMax, last };
      if ((await rows.commit([{ kind: 'create', rowKey, body }])) === 'committed') return 'taken';
      continue;
    }
    const row = UseRow.parse(found.body);
    if (row.last === last) return 'taken';
    if (row.uses >= usesMax) return 'exhausted';
    const body = { uses: row.uses + 1, usesMax, last };
    if ((await rows.commit([{ kind: 'replace', rowKey, etag: found.etag, body }])) === 'committed') {
      return 'taken';
    }
    await sleep(Math.random() * PAUSE_MS_MAX);
  }
  throw new TokenUseContested();
}
