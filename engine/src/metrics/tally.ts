/** Measurements that were taken together: enough for every aggregation. */
export interface Cell {
  readonly count: number;
  readonly total: number;
  readonly min: number;
  readonly max: number;
}

export interface SeriesCell {
  readonly metric: string;
  /** In the order of the metric's definition. */
  readonly dimensions: readonly string[];
  readonly cell: Cell;
}

/** Values of dimensions come from outside; whatever is beyond this is counted as `Other`. */
const SERIES_MAX = 400;
const DIMENSION_CHARS_MAX = 64;
const OTHER = 'Other';
const SEPARATOR = '\u0000';

export const cellOf = (value: number): Cell => ({ count: 1, total: value, min: value, max: value });

export function mergedCell(one: Cell | undefined, other: Cell): Cell {
  if (one === undefined) return other;
  return {
    count: one.count + other.count,
    total: one.total + other.total,
    min: Math.min(one.min, other.min),
    max: Math.max(one.max, other.max),
  };
}

/** Adds measurements up, by metric and dimensions; bounded in the number of series. */
export class Tally {
  readonly #series = new Map<string, SeriesCell>();

  add(metric: string, dimensions: readonly string[], cell: Cell): void {
    const cut = dimensions.map((value) => value.slice(0, DIMENSION_CHARS_MAX));
    const wanted = [metric, ...cut].join(SEPARATOR);
    const isRoom = this.#series.has(wanted) || this.#series.size < SERIES_MAX;
    const kept = isRoom ? cut : cut.map(() => OTHER);
    const key = isRoom ? wanted : [metric, ...kept].join(SEPARATOR);
    this.#series.set(key, { metric, dimensions: kept, cell: mergedCell(this.#series.get(key)?.cell, cell) });
  }

  addAll(cells: Iterable<SeriesCell>): void {
    for (const { metric, dimensions, cell } of cells) this.add(metric, dimensions, cell);
  }

  get size(): number {
    return this.#series.size;
  }

  cells(): readonly SeriesCell[] {
    return [...this.#series.values()];
  }
}
