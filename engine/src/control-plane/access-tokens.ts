import { armError } from '../resources/error-catalogue.ts';
import { LiveEventRecord } from '../resources/live-event.ts';
import { accessTokenKey, liveEventKey, prefixes } from '../resources/row-keys.ts';
import type { ControlStore, RowChange } from './control-store.ts';

const EXPIRING = 'Expiring';
const FORGOTTEN_PER_SWEEP_MAX = 500;

/** The index rows that let a live event be found by its tokens, made what a change of the event wants. */
export async function tokenRowChanges(
  store: ControlStore,
  before: LiveEventRecord,
  after: LiveEventRecord,
): Promise<RowChange[]> {
  const [had, wanted] = [tokenRows(before), tokenRows(after)];
  const changes: RowChange[] = [];
  for (const [rowKey, { body, state }] of wanted) {
    const contents = { rowKey, body, ...(state === undefined ? {} : { state }) };
    const found = await store.find(rowKey);
    if (found === undefined) changes.push({ kind: 'create', ...contents });
    else if (Reflect.get(Object(found.body), 'name') !== after.name) {
      throw armError('IdInUse', { field: 'properties.input.accessToken' });
    } else if (JSON.stringify(found.body) !== JSON.stringify(body)) {
      changes.push({ kind: 'replace', etag: found.etag, ...contents });
    }
  }
  for (const rowKey of had.keys()) if (!wanted.has(rowKey)) changes.push({ kind: 'delete', rowKey });
  return changes;
}

/** Every index row of a live event's tokens, present and previous. */
export function removedTokenRows(record: LiveEventRecord): RowChange[] {
  return [...tokenRows(record).keys()].map((rowKey) => ({ kind: 'delete', rowKey }));
}

/** One bounded pass: tokens whose overlap is over let nobody in any more and may be used again. */
export async function forgetExpiredTokens(store: ControlStore, nowMs: number): Promise<void> {
  const rows = await store.list(prefixes.accessTokens, { limit: FORGOTTEN_PER_SWEEP_MAX, state: EXPIRING });
  for (const row of rows) {
    if (Number(Reflect.get(Object(row.body), 'validUntilMs')) > nowMs) continue;
    const eventRow = await store.find(liveEventKey(String(Reflect.get(Object(row.body), 'name'))));
    if (eventRow === undefined) continue;
    const { previousAccessToken, ...rest } = LiveEventRecord.parse(eventRow.body);
    if (previousAccessToken === undefined || accessTokenKey(previousAccessToken.token) !== row.rowKey)
      continue;
    // A conflict means that the event is being changed: the next pass finds the token again.
    await store.commit([
      { kind: 'replace', rowKey: eventRow.rowKey, etag: eventRow.etag, body: rest },
      { kind: 'delete', rowKey: row.rowKey },
    ]);
  }
}

function tokenRows({ name, input, previousAccessToken: previous }: LiveEventRecord) {
  const rows = new Map<string, { readonly body: object; readonly state?: string }>();
  if (previous !== undefined) {
    rows.set(accessTokenKey(previous.token), {
      body: { name, validUntilMs: previous.validUntilMs },
      state: EXPIRING,
    });
  }
  return rows.set(accessTokenKey(input.accessToken), { body: { name } });
}
