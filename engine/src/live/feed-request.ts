/** The longest names, percent-encoded, and a cursor. */
const URL_CHARS_MAX = 2048;
const CURSOR_CHARS_MAX = 512;
export const WAIT_MS_MAX = 25_000;
const FORMAT_INDEX_MAX = 63;
const FOLDER = /^[\w.-]{1,200}$/;
/** `{account}/{name}`, one segment of the path. */
const LIVE_EVENT_ID = /^(?:[a-zA-Z0-9]{3,24}\/)?[a-zA-Z0-9-]{1,32}$/;
const SOURCE = /^(?:preview|output![a-zA-Z0-9-]{1,256})$/;
const WHOLE_NUMBER = /^\d{1,16}$/;

const STATUS = {
  BadRequest: 400,
  NotFound: 404,
  MethodNotAllowed: 405,
  CursorGone: 410,
  BodyNotAllowed: 413,
  UriTooLong: 414,
} as const;

export class FeedRequestRefused extends Error {
  readonly code: keyof typeof STATUS;

  constructor(code: keyof typeof STATUS, message: string) {
    super(message);
    this.name = 'FeedRequestRefused';
    this.code = code;
  }

  get status(): number {
    return STATUS[this.code];
  }
}

export type FeedRequest =
  | {
      readonly kind: 'lines';
      readonly liveEventId: string;
      readonly source: string;
      readonly after: string | undefined;
      readonly waitMs: number;
    }
  | {
      readonly kind: 'fragment';
      readonly liveEventId: string;
      readonly folder: string;
      readonly decodeTimeTicks: number;
    }
  | {
      readonly kind: 'header';
      readonly liveEventId: string;
      readonly folder: string;
      readonly formatIndex: number;
    }
  | { readonly kind: 'telemetry'; readonly liveEventId: string }
  | { readonly kind: 'refresh'; readonly liveEventId: string };

/** The routes of docs/architecture.md, "Live feed". Throws `FeedRequestRefused`. */
export function parseFeedRequest(method: string, url: string): FeedRequest {
  if (url.length > URL_CHARS_MAX) {
    throw new FeedRequestRefused('UriTooLong', `${url.length} characters exceed ${URL_CHARS_MAX}`);
  }
  const questionMark = url.indexOf('?');
  const path = questionMark === -1 ? url : url.slice(0, questionMark);
  const query = new URLSearchParams(questionMark === -1 ? '' : url.slice(questionMark + 1));
  const segments = path.split('/').slice(1).map(decodeSegment);
  if (method === 'GET') return parseGet(segments, query);
  if (method !== 'POST') throw new FeedRequestRefused('MethodNotAllowed', 'GET and POST are answered here');
  const [root, id = '', action] = segments;
  if (root !== 'live-events' || action !== 'refresh' || segments.length !== 3) throw noRoute();
  return { kind: 'refresh', liveEventId: matching(LIVE_EVENT_ID, id, 'live event id') };
}

function parseGet(segments: readonly string[], query: URLSearchParams): FeedRequest {
  const [root, id = '', third = '', folderName = '', number = ''] = segments;
  if (root === 'live-events' && third === 'telemetry' && segments.length === 3) {
    return { kind: 'telemetry', liveEventId: matching(LIVE_EVENT_ID, id, 'live event id') };
  }
  if (root !== 'feed') throw noRoute();
  const liveEventId = matching(LIVE_EVENT_ID, id, 'live event id');
  if (segments.length === 3) {
    const source = matching(SOURCE, third, 'source');
    return { kind: 'lines', liveEventId, source, after: parseAfter(query), waitMs: parseWaitMs(query) };
  }
  if (segments.length !== 5) throw noRoute();
  const folder = matching(FOLDER, folderName, 'folder');
  if (third === 'fragment') {
    const decodeTimeTicks = parseWhole(number, Number.MAX_SAFE_INTEGER);
    return { kind: 'fragment', liveEventId, folder, decodeTimeTicks };
  }
  if (third !== 'header') throw noRoute();
  return { kind: 'header', liveEventId, folder, formatIndex: parseWhole(number, FORMAT_INDEX_MAX) };
}

function parseAfter(query: URLSearchParams): string | undefined {
  const after = query.get('after') ?? undefined;
  if (after !== undefined && after.length > CURSOR_CHARS_MAX) {
    throw new FeedRequestRefused('BadRequest', `a cursor of ${after.length} exceeds ${CURSOR_CHARS_MAX}`);
  }
  return after;
}

function parseWaitMs(query: URLSearchParams): number {
  const text = query.get('waitMs');
  return text === null ? 0 : parseWhole(text, WAIT_MS_MAX);
}

function parseWhole(text: string, max: number): number {
  const value = WHOLE_NUMBER.test(text) ? Number(text) : Number.NaN;
  if (value <= max) return value;
  throw new FeedRequestRefused('BadRequest', `not a whole number from 0 to ${max}`);
}

function matching(pattern: RegExp, text: string, what: string): string {
  if (pattern.test(text)) return text;
  throw new FeedRequestRefused('BadRequest', `not a ${what}`);
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new FeedRequestRefused('BadRequest', 'the path is not percent-encoded UTF-8');
  }
}

function noRoute(): FeedRequestRefused {
  return new FeedRequestRefused('NotFound', 'nothing is here');
}
