import { z } from 'zod';
import { AssetFilter } from '../contract/metadata.ts';
import {
  type AccountScope,
  auditRecord,
  type Caller,
  newAudit,
  systemData,
  touchedAudit,
} from './account-scope.ts';
import { armError } from './error-catalogue.ts';
import { parseBody } from './request-body.ts';

const TimeRangeRecord = z.object({
  startTimestamp: z.number().optional(),
  endTimestamp: z.number().optional(),
  presentationWindowDuration: z.number().optional(),
  liveBackoffDuration: z.number().optional(),
  timescale: z.number().optional(),
  forceEndTimestamp: z.boolean().optional(),
});
type TimeRangeRecord = z.output<typeof TimeRangeRecord>;

/** A filter of the account, or of an asset. */
export const MediaFilterRecord = z.object({
  ...auditRecord,
  assetName: z.string().optional(),
  presentationTimeRange: TimeRangeRecord.optional(),
  firstQuality: z.object({ bitrate: z.number() }).optional(),
  tracks: z.array(
    z.object({
      trackSelections: z.array(z.object({ property: z.string(), value: z.string(), operation: z.string() })),
    }),
  ),
});
export type MediaFilterRecord = z.output<typeof MediaFilterRecord>;

export type MediaFilterBody = NonNullable<z.output<typeof AssetFilter>['properties']>;

/** Account and asset filters have one shape. */
export function parseMediaFilterBody(body: unknown, apiVersion: string): MediaFilterBody {
  return parseBody(AssetFilter, body ?? {}, apiVersion).properties ?? {};
}

interface NewFilter {
  readonly name: string;
  /** The stored spelling; absent: a filter of the account. */
  readonly assetName?: string | undefined;
  readonly caller: Caller;
  readonly nowIso: string;
}

/** Throws `InvalidField`. */
export function newMediaFilter(body: MediaFilterBody, fresh: NewFilter): MediaFilterRecord {
  return checked({
    name: fresh.name,
    ...(fresh.assetName === undefined ? {} : { assetName: fresh.assetName }),
    ...newAudit(fresh.caller, fresh.nowIso),
    ...contents(body),
    tracks: body.tracks ?? [],
  });
}

interface FilterContents extends Omit<MediaFilterBody, 'tracks'> {
  readonly tracks?: MediaFilterRecord['tracks'] | null | undefined;
}

/** PUT on an existing filter: it is then what was sent. */
export function replacedMediaFilter(
  record: MediaFilterRecord,
  body: FilterContents,
  by: { readonly caller: Caller; readonly nowIso: string },
): MediaFilterRecord {
  const { presentationTimeRange: _range, firstQuality: _quality, ...rest } = record;
  const touched = touchedAudit(by.caller, by.nowIso);
  return checked({ ...rest, ...touched, ...contents(body), tracks: body.tracks ?? [] });
}

/** PATCH: what is not sent stays, null empties; the time range and the tracks are each replaced as a whole. */
export function updatedMediaFilter(
  record: MediaFilterRecord,
  body: MediaFilterBody,
  by: { readonly caller: Caller; readonly nowIso: string },
): MediaFilterRecord {
  const { presentationTimeRange = record.presentationTimeRange, firstQuality = record.firstQuality } = body;
  const tracks = body.tracks === undefined ? record.tracks : body.tracks;
  return replacedMediaFilter(record, { presentationTimeRange, firstQuality, tracks }, by);
}

function contents(body: FilterContents): Pick<MediaFilterRecord, 'presentationTimeRange' | 'firstQuality'> {
  const { presentationTimeRange, firstQuality } = body;
  return {
    ...(presentationTimeRange == null ? {} : { presentationTimeRange: withoutNulls(presentationTimeRange) }),
    ...(firstQuality == null ? {} : { firstQuality }),
  };
}

const withoutNulls = (range: NonNullable<MediaFilterBody['presentationTimeRange']>): TimeRangeRecord =>
  TimeRangeRecord.parse(Object.fromEntries(Object.entries(range).filter(([, value]) => value !== null)));

function checked(record: MediaFilterRecord): MediaFilterRecord {
  if (record.presentationTimeRange !== undefined) checkTimeRange(record.presentationTimeRange);
  if (record.firstQuality !== undefined && record.firstQuality.bitrate <= 0) {
    throw refused('firstQuality.bitrate', 'a bitrate above 0 is expected');
  }
  for (const [index, { trackSelections }] of record.tracks.entries()) {
    for (const [position, selection] of trackSelections.entries()) {
      checkSelection(selection, `tracks.${index}.trackSelections.${position}`);
    }
  }
  return record;
}

const refused = (field: string, reason: string) =>
  armError('InvalidField', { field: `properties.${field}`, reason });

const TIMESCALE_DEFAULT = 10_000_000;
/** https://learn.microsoft.com/azure/media-services/latest/filters-concept */
const WINDOW_SECONDS_MIN = 60;
const BACKOFF_SECONDS_MAX = 300;

function checkTimeRange(range: TimeRangeRecord): void {
  const { startTimestamp, endTimestamp, timescale = TIMESCALE_DEFAULT } = range;
  const at = (name: string) => `presentationTimeRange.${name}`;
  for (const name of ['startTimestamp', 'endTimestamp', 'liveBackoffDuration'] as const) {
    if ((range[name] ?? 0) < 0) throw refused(at(name), 'it must not be below 0');
  }
  if (timescale <= 0) throw refused(at('timescale'), 'it must be above 0');
  if (endTimestamp !== undefined && endTimestamp <= (startTimestamp ?? 0)) {
    throw refused(at('endTimestamp'), 'it must be after startTimestamp');
  }
  if (range.forceEndTimestamp === true && endTimestamp === undefined) {
    throw refused(at('forceEndTimestamp'), 'an endTimestamp is expected with it');
  }
  checkLiveEdge(range, timescale);
}

function checkLiveEdge(range: TimeRangeRecord, timescale: number): void {
  const { presentationWindowDuration: window, liveBackoffDuration: backoff = 0 } = range;
  const at = (name: string) => `presentationTimeRange.${name}`;
  if (window !== undefined && window < WINDOW_SECONDS_MIN * timescale) {
    throw refused(at('presentationWindowDuration'), `at least ${WINDOW_SECONDS_MIN} s are expected`);
  }
  if (backoff > BACKOFF_SECONDS_MAX * timescale) {
    throw refused(at('liveBackoffDuration'), `at most ${BACKOFF_SECONDS_MAX} s are allowed`);
  }
  if (window !== undefined && backoff >= window) {
    throw refused(at('liveBackoffDuration'), 'it must be less than presentationWindowDuration');
  }
}

const TRACK_TYPES = ['video', 'audio', 'text'];
/** RFC 5646 §2.1 in outline: subtags of one to eight letters and digits. */
const LANGUAGE = /^[a-z]{1,8}(?:-[a-z0-9]{1,8})*$/i;
const FOUR_CC = /^[\x20-\x7e]{4}$/;
const BITRATE = /^(\d{1,10})(?:-(\d{1,10}))?$/;
const NAME_LENGTH_MAX = 260;

/** What the value of each property must be, and whether it is. */
const SELECTION_RULES: Readonly<Record<string, readonly [(value: string) => boolean, string]>> = {
  Type: [(value) => TRACK_TYPES.includes(value.toLowerCase()), 'Video, Audio or Text is expected'],
  Name: [
    (value) => value.length > 0 && value.length <= NAME_LENGTH_MAX,
    `the name of a track is expected, 1 to ${NAME_LENGTH_MAX} characters`,
  ],
  Language: [(value) => LANGUAGE.test(value), 'an RFC 5646 language tag is expected'],
  FourCC: [(value) => FOUR_CC.test(value), 'four characters are expected'],
  Bitrate: [isBitrate, "a bitrate, or a range of two such as '3000000-5000000', is expected"],
};

function isBitrate(value: string): boolean {
  const [, low, high = low] = BITRATE.exec(value) ?? [];
  return low !== undefined && Number(low) <= Number(high);
}

function checkSelection({ property, value }: { property: string; value: string }, at: string): void {
  const [isValid, expected] = SELECTION_RULES[property] ?? [];
  if (isValid === undefined) {
    throw refused(`${at}.property`, `one of ${Object.keys(SELECTION_RULES).join(', ')} is expected`);
  }
  if (!isValid(value)) throw refused(`${at}.value`, `${expected}`);
}

/** `tracks` is always there; nulls never are (reference §1.2). */
export function toArmMediaFilter(
  scope: AccountScope,
  record: MediaFilterRecord,
  view: { readonly isListed: boolean },
): object {
  const { assetName } = record;
  const path = assetName === undefined ? 'accountFilters' : `assets/${assetName}/assetFilters`;
  return {
    name: record.name,
    id: `${scope.accountId}/${path}/${record.name}`,
    type: `Microsoft.Media/mediaservices/${assetName === undefined ? 'accountFilters' : 'assets/assetFilters'}`,
    properties: {
      ...(record.presentationTimeRange === undefined
        ? {}
        : { presentationTimeRange: record.presentationTimeRange }),
      ...(record.firstQuality === undefined ? {} : { firstQuality: record.firstQuality }),
      tracks: record.tracks,
    },
    ...(view.isListed ? {} : { systemData: systemData(record) }),
  };
}
