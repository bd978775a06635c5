import {
  GRAINS,
  type Grain,
  type MetricPrefix,
  type MetricResource,
  timePart,
  writeMetricRow,
} from './metric-rows.ts';
import { type Cell, cellOf, type SeriesCell, Tally } from './tally.ts';

export interface MetricStore {
  commit(
    changes: readonly { readonly kind: 'upsert'; readonly rowKey: string; readonly body: unknown }[],
  ): Promise<unknown>;
}

export interface MetricRecorderDeps {
  readonly store: MetricStore;
  readonly prefix: MetricPrefix;
  /** Tells the rows of this process from those of others. */
  readonly writer: string;
  readonly clock: { readonly now: () => number };
  readonly log: { warn(event: string, fields?: object): void };
}

const WRITE_EVERY_MS = 5_000;
/** An entity-group transaction has at most 100. */
const ROWS_PER_COMMIT = 50;
/** A hundred live events with an hour of storage that does not answer; beyond that the oldest are given up. */
const ROWS_MAX = 12_000;

interface OpenRow {
  readonly rowKey: string;
  readonly endMs: number;
  readonly tally: Tally;
  isWritten: boolean;
}

/**
 * Adds measurements up by the minute and by the hour and writes them every five seconds, so that what is read is never
 * older. Each process writes rows of its own, always as a whole: writing one twice changes nothing.
 */
export class MetricRecorder {
  readonly #deps: MetricRecorderDeps;
  readonly #rows = new Map<string, OpenRow>();
  readonly #timer: NodeJS.Timeout;
  #writing: Promise<void> | undefined;
  #isFailing = false;

  constructor(deps: MetricRecorderDeps) {
    this.#deps = deps;
    this.#timer = setInterval(() => void this.write(), WRITE_EVERY_MS).unref();
  }

  add(
    resource: MetricResource,
    measured: { readonly metric: string; readonly dimensions?: readonly string[]; readonly value: number },
  ): void {
    const { metric, dimensions = [], value } = measured;
    if (Number.isFinite(value)) this.#add(resource, [{ metric, dimensions, cell: cellOf(value) }]);
  }

  /** What somebody else has added up. */
  addAll(resource: MetricResource, cells: readonly SeriesCell[]): void {
    this.#add(
      resource,
      cells.filter(({ cell }) => isNumbers(cell)),
    );
  }

  /** Resolves when what was added before is stored, or could not be: then it is tried again with the next. */
  write(): Promise<void> {
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#writing;
    await this.write();
  }

  #add(resource: MetricResource, cells: readonly SeriesCell[]): void {
    for (const grain of ['minute', 'hour'] as const) {
      const row = this.#openRow(resource, grain);
      row.tally.addAll(cells);
      row.isWritten = false;
    }
  }

  #openRow(resource: MetricResource, grain: Grain): OpenRow {
    const { prefix, writer, clock } = this.#deps;
    const { lengthMs, name } = GRAINS[grain];
    const startMs = Math.floor(clock.now() / lengthMs) * lengthMs;
    const rowKey = `${prefix(resource, name)}${timePart(startMs)}!${writer}`;
    const known = this.#rows.get(rowKey);
    if (known !== undefined) return known;
    const [oldest] = this.#rows.keys();
    if (this.#rows.size >= ROWS_MAX && oldest !== undefined) this.#rows.delete(oldest);
    const row = { rowKey, endMs: startMs + lengthMs, tally: new Tally(), isWritten: false };
    this.#rows.set(rowKey, row);
    return row;
  }

  async #write(): Promise<void> {
    const { store, clock, log } = this.#deps;
    const changed = [...this.#rows.values()].filter(({ isWritten }) => !isWritten);
    try {
      for (let at = 0; at < changed.length; at += ROWS_PER_COMMIT) {
        const batch = changed.slice(at, at + ROWS_PER_COMMIT);
        // What is added while it is being written is written with the next.
        for (const row of batch) row.isWritten = true;
        const changes = batch.map(({ rowKey, tally }) => ({
          kind: 'upsert' as const,
          rowKey,
          body: writeMetricRow(tally.cells()),
        }));
        await store.commit(changes).catch((error: unknown) => {
          for (const row of batch) row.isWritten = false;
          throw error;
        });
      }
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) log.warn('metrics.notWritten', { error });
      this.#isFailing = true;
    }
    const nowMs = clock.now();
    for (const [key, row] of this.#rows) if (row.isWritten && row.endMs <= nowMs) this.#rows.delete(key);
  }
}

const isNumbers = ({ count, total, min, max }: Cell): boolean =>
  [count, total, min, max].every((value) => Number.isFinite(value));
