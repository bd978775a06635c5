import { z } from 'zod';
import type { ControlStore, RowChange } from '../control-plane/control-store.ts';
import { EncodingUnitReport, isUnitAlive, UNIT_SILENT_MS_MAX } from '../resources/encoding/encoding-unit.ts';
import { ENCODING_CAPACITY, EncodingCapacityRecord } from '../resources/encoding-capacity.ts';
import { encodingCapacityKey, encodingUnitKey, prefixes } from '../resources/row-keys.ts';

const UNITS_READ_MAX = 1000;
/** A busy machine is not a dead one. */
const SILENT_MS_MIN = 4000;
/** Of what others wait before they take a unit over. */
const RENEWALS = 3;

export interface UnitsDeps {
  readonly store: ControlStore;
  readonly worker: string;
  readonly nowMs: () => number;
  /** How long this worker may be silent before its jobs are anybody's: its units are as soon, if not sooner. */
  readonly leaseMs: number;
  /** Of this process. */
  readonly unitsMax: number;
}

/**
 * The encoding units of an account are rows which workers hold: as many jobs are encoded at the same time as there are
 * units, in however many processes.
 */
export class EncodingUnits {
  readonly #deps: UnitsDeps;
  readonly #silentMsMax: number;
  /** Unit → when it was renewed. */
  #held = new Map<number, number>();
  #wanted = 0;

  constructor(deps: UnitsDeps) {
    this.#deps = deps;
    this.#silentMsMax = Math.min(UNIT_SILENT_MS_MAX, Math.max(deps.leaseMs, SILENT_MS_MIN));
  }

  /** How many jobs this process may have; units that it still has to give back do not count. */
  get usable(): number {
    const nowMs = this.#deps.nowMs();
    const isMine = ([unit, atMs]: [number, number]) =>
      unit < this.#wanted && nowMs - atMs < this.#silentMsMax;
    return [...this.#held].filter(isMine).length;
  }

  /**
   * Renews what is held, takes one that is free, gives back what is not wanted any more and not `busy`. Just one, so that
   * processes which start together share them.
   */
  async refresh(busy: number): Promise<void> {
    const { store, nowMs, unitsMax } = this.#deps;
    const [capacity, rows] = await Promise.all([
      store.find(encodingCapacityKey(ENCODING_CAPACITY)),
      store.list(prefixes.encodingUnits, { limit: UNITS_READ_MAX }),
    ]);
    this.#wanted = capacity === undefined ? 0 : EncodingCapacityRecord.parse(capacity.body).encodingUnits;
    const now = nowMs();
    for (const row of rows) {
      const report = z.object({ unit: z.number() }).parse(row.body);
      if (report.unit >= this.#wanted) await this.#giveBack(report.unit, row.etag, busy);
    }
    let hasTaken = false;
    for (let unit = 0; unit < this.#wanted; unit += 1) {
      const row = rows.find(({ rowKey }) => rowKey === encodingUnitKey(unit));
      const report = row === undefined ? undefined : EncodingUnitReport.parse(row.body);
      const isMine = report?.worker === this.#deps.worker;
      if (isMine && now - report.atMs < this.#silentMsMax / RENEWALS) continue;
      const isFree = report === undefined || !isUnitAlive(report, now);
      if (!isMine && (!isFree || hasTaken || this.#held.size >= unitsMax)) {
        this.#held.delete(unit);
        continue;
      }
      hasTaken ||= !isMine;
      const { worker } = this.#deps;
      const body: EncodingUnitReport = { unit, worker, atMs: now, silentMsMax: this.#silentMsMax };
      await this.#take(unit, now, changeOf(row, encodingUnitKey(unit), body));
    }
  }

  /** Others need not wait for them. */
  async close(): Promise<void> {
    for (const unit of this.#held.keys()) {
      const row = await this.#deps.store.find(encodingUnitKey(unit));
      if (row === undefined || EncodingUnitReport.parse(row.body).worker !== this.#deps.worker) continue;
      await this.#deps.store.commit([{ kind: 'delete', rowKey: row.rowKey, etag: row.etag }]);
    }
    this.#held = new Map();
  }

  async #take(unit: number, atMs: number, change: RowChange): Promise<void> {
    // A conflict: another worker was faster.
    if ((await this.#deps.store.commit([change])) === 'committed') this.#held.set(unit, atMs);
    else this.#held.delete(unit);
  }

  async #giveBack(unit: number, etag: string, busy: number): Promise<void> {
    if (!this.#held.has(unit) || busy > this.usable) return;
    await this.#deps.store.commit([{ kind: 'delete', rowKey: encodingUnitKey(unit), etag }]);
    this.#held.delete(unit);
  }
}

function changeOf(
  row: { readonly etag: string } | undefined,
  rowKey: string,
  body: EncodingUnitReport,
): RowChange {
  return row === undefined
    ? { kind: 'create', rowKey, body }
    : { kind: 'replace', rowKey, etag: row.etag, body };
}
