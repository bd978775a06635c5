import type { SeriesCell } from '../metrics/tally.ts';

/** Status codes, formats and error codes are few; whatever made them more is counted together. */
const KINDS_MAX = 200;
const OTHER = 'Other';

/** What a response was, filled in while it is made. */
export interface AnswerFacts {
  sentBytes: number;
  /** `None` when all went well. */
  errorCode: string;
}

interface Counts {
  readonly format: string;
  readonly status: number;
  readonly errorCode: string;
  requests: number;
  bytes: number;
  bytesMin: number;
  bytesMax: number;
  ms: number;
  msMin: number;
  msMax: number;
}

/** Counts what a serving process answers: adding a request is a look into a small table. */
export class RequestMeter {
  #kinds = new Map<string, Counts>();
  /** Most requests are as the one before. */
  #last: Counts | undefined;

  add(
    request: { readonly url: string; readonly status: number; readonly ms: number },
    facts: AnswerFacts,
  ): void {
    const counts = this.#countsOf(request, facts);
    counts.requests += 1;
    counts.bytes += facts.sentBytes;
    counts.bytesMin = Math.min(counts.bytesMin, facts.sentBytes);
    counts.bytesMax = Math.max(counts.bytesMax, facts.sentBytes);
    counts.ms += request.ms;
    counts.msMin = Math.min(counts.msMin, request.ms);
    counts.msMax = Math.max(counts.msMax, request.ms);
  }

  /** What was counted since the last call. */
  take(): readonly SeriesCell[] {
    const kinds = this.#kinds;
    this.#kinds = new Map();
    this.#last = undefined;
    return [...kinds.values()].flatMap(cellsOf);
  }

  #countsOf({ url, status }: { readonly url: string; readonly status: number }, facts: AnswerFacts): Counts {
    const format = outputFormatOf(url);
    const { errorCode } = facts;
    const last = this.#last;
    if (last?.format === format && last.status === status && last.errorCode === errorCode) return last;
    const counts = this.#kindOf(format, status, errorCode);
    this.#last = counts;
    return counts;
  }

  #kindOf(format: string, status: number, errorCode: string): Counts {
    const key = `${format} ${status} ${errorCode}`;
    const known = this.#kinds.get(key);
    if (known !== undefined) return known;
    if (this.#kinds.size >= KINDS_MAX && errorCode !== OTHER) return this.#kindOf('None', 0, OTHER);
    const counts = {
      ...{ format, status, errorCode },
      ...{ requests: 0, bytes: 0, bytesMin: Number.POSITIVE_INFINITY, bytesMax: 0 },
      ...{ ms: 0, msMin: Number.POSITIVE_INFINITY, msMax: 0 },
    };
    this.#kinds.set(key, counts);
    return counts;
  }
}

const FORMAT = 'format=';

/** By the format that the URL asks for; a name in another letter case is no player's. */
function outputFormatOf(url: string): string {
  // It stands near the end.
  const at = url.lastIndexOf(FORMAT);
  if (at < 0) return 'None';
  if (url.startsWith('m3u8', at + FORMAT.length)) return 'HLS';
  return url.startsWith('mpd', at + FORMAT.length) ? 'DASH' : 'None';
}

function cellsOf(counts: Counts): readonly SeriesCell[] {
  const { format, status, errorCode, requests: count } = counts;
  const served = [
    {
      metric: 'Requests',
      dimensions: [format, String(status), errorCode],
      cell: { count, total: count, min: 1, max: 1 },
    },
    {
      metric: 'Egress',
      dimensions: [format],
      cell: { count, total: counts.bytes, min: counts.bytesMin, max: counts.bytesMax },
    },
  ];
  if (status >= 400) return served;
  const latency = { count, total: counts.ms, min: counts.msMin, max: counts.msMax };
  return [...served, { metric: 'SuccessE2ELatency', dimensions: [format], cell: latency }];
}
