import { createHash } from 'node:crypto';
import { type MediaFilter, RefusedFilter } from '../packager/presentation-filter.ts';
import type { TrackCondition } from '../packager/track-selection.ts';
import type { MediaFilterRecord } from '../resources/media-filter.ts';
import { foldName } from '../resources/names.ts';
import { rescale, TICKS_PER_SECOND, TIMELINE_EPOCH_MS } from '../time/timescale.ts';
import { OriginError } from './origin-errors.ts';

/** Reference §3.1: so many filters work on one manifest in all. */
const FILTERS_MAX = 10;
const TIMESCALE_DEFAULT = TICKS_PER_SECOND;
const VERSION_CHARS = 16;

/** Filters by where they are made; one of the asset hides one of the account that has its name. */
export interface FilterHomes {
  readonly ofAsset: readonly MediaFilter[];
  readonly ofAccount: readonly MediaFilter[];
}

/** As they were written, in whatever letter case. */
export interface FilterNames {
  readonly ofLocator: readonly string[];
  readonly ofAddress: readonly string[];
}

/** Whether each name is that of a filter. */
export function hasAll({ ofLocator, ofAddress }: FilterNames, homes: FilterHomes): boolean {
  return [...ofLocator, ...ofAddress].every((name) => findFilter(foldName(name), homes) !== undefined);
}

/**
 * The filters that something goes through: those of the streaming locator, then those of the address, each once. Throws
 * `MPE_EGRESS_FILTER_NOT_FOUND` and `MPE_FILTER_COMPOSITION_FILTER_COUNT_OVER_LIMIT`.
 */
export function composedFilters(names: FilterNames, homes: FilterHomes): readonly MediaFilter[] {
  const wanted = new Set([...names.ofLocator, ...names.ofAddress].map(foldName));
  if (wanted.size > FILTERS_MAX) {
    throw new OriginError(
      'MPE_FILTER_COMPOSITION_FILTER_COUNT_OVER_LIMIT',
      `${wanted.size} filters, at most ${FILTERS_MAX} work on one manifest`,
    );
  }
  return [...wanted].map((name) => {
    const found = findFilter(name, homes);
    if (found !== undefined) return found;
    throw new OriginError('MPE_EGRESS_FILTER_NOT_FOUND', 'there is no filter of this name');
  });
}

function findFilter(name: string, { ofAsset, ofAccount }: FilterHomes): MediaFilter | undefined {
  const isWanted = (filter: MediaFilter): boolean => filter.name === name;
  return ofAsset.find(isWanted) ?? ofAccount.find(isWanted);
}

/** What `applyFilters` throws, as an answer. */
export function toOriginError(error: unknown): unknown {
  return error instanceof RefusedFilter ? new OriginError(error.code, error.message) : error;
}

const PROPERTIES = {
  Type: 'type',
  Name: 'name',
  Language: 'language',
  FourCC: 'fourCc',
  Bitrate: 'bitrate',
} as const satisfies Readonly<Record<string, TrackCondition['property']>>;
const PROPERTY_OF: ReadonlyMap<string, TrackCondition['property']> = new Map(Object.entries(PROPERTIES));

/** A stored filter as the packager takes it; its name in lower case. */
export function toMediaFilter(record: MediaFilterRecord): MediaFilter {
  const { name, presentationTimeRange: range, firstQuality, tracks } = record;
  const { timescale = TIMESCALE_DEFAULT } = range ?? {};
  const at = (value: number | undefined) => (value === undefined ? undefined : toTimeline(value, timescale));
  const lasting = (value: number | undefined) =>
    value === undefined ? undefined : rescale(value, { from: timescale, to: TICKS_PER_SECOND });
  return {
    name: foldName(name),
    version: versionOf(record),
    timeRange: {
      startTicks: at(range?.startTimestamp),
      endTicks: at(range?.endTimestamp),
      isEndForced: range?.forceEndTimestamp === true,
      windowTicks: lasting(range?.presentationWindowDuration),
      backoffTicks: lasting(range?.liveBackoffDuration),
    },
    firstQualityBps: firstQuality?.bitrate,
    selections: tracks.map(({ trackSelections }) =>
      trackSelections.flatMap(({ property, operation, value }) => {
        const known = PROPERTY_OF.get(property);
        return known === undefined ? [] : [{ property: known, value, isEqual: operation === 'Equal' }];
      }),
    ),
  };
}

/**
 * A timestamp is the time of fragments, as it is in their addresses and in manifests: of a recording it counts from 2020,
 * of files from 0. One that would be past 2070 there is Unix time, which it cannot be mistaken for.
 */
function toTimeline(value: number, timescale: number): number {
  const epoch = (TIMELINE_EPOCH_MS / 1000) * timescale;
  return rescale(value < epoch ? value : value - epoch, { from: timescale, to: TICKS_PER_SECOND });
}

/** Of what it says, not of when it was said. */
function versionOf({ presentationTimeRange, firstQuality, tracks }: MediaFilterRecord): string {
  const text = JSON.stringify([presentationTimeRange, firstQuality, tracks]);
  return createHash('sha256').update(text).digest('base64url').slice(0, VERSION_CHARS);
}
