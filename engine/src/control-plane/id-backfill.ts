import { idsBackfilledKey, prefixes } from '../resources/row-keys.ts';
import { engineWideIdOf } from './account-store.ts';
import type { ControlStore } from './control-store.ts';

const ROWS_PER_COMMIT = 100;

type Claimed = NonNullable<ReturnType<typeof engineWideIdOf>>['wanted'];

/** Claims what an account already had before there were claims: once, then a row says that it is done. */
export async function backfillClaims(
  rows: ControlStore,
  account: string,
  claims: { backfill(wanted: readonly Claimed[], account: string): Promise<void> },
): Promise<void> {
  if ((await rows.find(idsBackfilledKey)) !== undefined) return;
  for (const prefix of [prefixes.accessTokens, prefixes.previewLocators, prefixes.locatorIds]) {
    let after: string | undefined;
    do {
      const page = await rows.list(prefix, {
        limit: ROWS_PER_COMMIT,
        ...(after === undefined ? {} : { after }),
      });
      const wanted = page.flatMap(({ rowKey }) => engineWideIdOf(rowKey)?.wanted ?? []);
      if (wanted.length > 0) await claims.backfill(wanted, account);
      after = page.length < ROWS_PER_COMMIT ? undefined : page.at(-1)?.rowKey;
    } while (after !== undefined);
  }
  await rows.commit([{ kind: 'upsert', rowKey: idsBackfilledKey, body: {} }]);
}
