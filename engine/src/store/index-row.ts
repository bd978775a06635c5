import { z } from 'zod';

/** An index row points at the resource it was made for; `liveEvent` where that is a live output. */
const IndexRow = z.object({ name: z.string(), liveEvent: z.string().optional() });
export type IndexRow = z.output<typeof IndexRow>;

export function parseIndexRow(body: unknown): IndexRow {
  return IndexRow.parse(body);
}
