import { z } from 'zod';

/** Limits for what the specification leaves open; a resource may be stricter. */
export const TEXT_LENGTH_MAX = 4096;
/** Policy documents, licence templates, certificates. */
export const DOCUMENT_LENGTH_MAX = 64 * 1024;
export const ITEMS_MAX = 100;
/** Azure Resource Manager's own limits on tags. */
const TAGS_MAX = 50;
const TAG_NAME_LENGTH_MAX = 512;
const TAG_VALUE_LENGTH_MAX = 256;
const MAP_ENTRIES_MAX = 100;

export const text = z.string().max(TEXT_LENGTH_MAX);
export const document = z.string().max(DOCUMENT_LENGTH_MAX);

/** What a client echoes from an answer is accepted whatever it is, and dropped. */
export const readOnly = z
  .unknown()
  .transform(() => undefined)
  .optional();

/** What every resource may carry around `properties`; clients send answers back whole. */
export const envelope = { id: readOnly, name: readOnly, type: readOnly, systemData: readOnly };

const atMost = <K extends z.ZodString, V extends z.ZodType>(key: K, value: V, count: number, what: string) =>
  z.record(key, value).refine((entries) => Object.keys(entries).length <= count, {
    error: `at most ${count} ${what} are allowed`,
  });

export const tags = atMost(
  z.string().min(1).max(TAG_NAME_LENGTH_MAX),
  z.string().max(TAG_VALUE_LENGTH_MAX),
  TAGS_MAX,
  'tags',
);
export const map = <V extends z.ZodType>(value: V) => atMost(text, value, MAP_ENTRIES_MAX, 'entries');

export const guid = z.guid().toLowerCase();
export const base64 = z.base64().max(DOCUMENT_LENGTH_MAX);
export const number = z.number();
export const int32 = z.int32();

/**
 * The greatest value of 64 bits, which clients send for "no limit", is no double: it is read as 2^63, which other
 * readers of 64 bits refuse. It becomes the greatest double that they can read.
 */
const INT64_MAX = 2 ** 63 - 1024;
export const int64 = z
  .number()
  .refine((value) => Number.isInteger(value) && Math.abs(value) <= 2 ** 63, {
    error: 'an integer of 64 bits is expected',
  })
  .transform((value) => Math.min(value, INT64_MAX));

const TIME_ZONE = /(?:z|[+-]\d\d:\d\d)$/i;
/** Without a time zone it is UTC. */
export const dateTime = z.iso
  .datetime({ offset: true, local: true, error: 'an ISO 8601 date and time is expected' })
  .max(64)
  .transform((value) => (TIME_ZONE.test(value) ? value : `${value}Z`));

/** Years, months and weeks have no fixed length or no place in the original API. */
const DURATION =
  /^P(?=\d|T\d)(?:\d{1,6}D)?(?:T(?=\d)(?:\d{1,6}H)?(?:\d{1,7}M)?(?:\d{1,9}(?:\.\d{1,7})?S)?)?$/;
export const duration = z
  .string()
  .max(64)
  .regex(DURATION, 'an ISO 8601 duration of days, hours, minutes and seconds is expected');
