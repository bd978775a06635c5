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
  readonly status: string;
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
    return [...kinds.values()].flatMap(cellsOf);
  }

  #countsOf(request: { readonly url: string; readonly status: number }, facts: AnswerFacts): Counts {
    const format = outputFormatOf(request.url);
    const key = `${format} ${request.status} ${facts.errorCode}`;
    const known = this.#kinds.get(key);
    if (known !== undefined) return known;
    if (this.#kinds.size >= KINDS_MAX && facts.errorCode !== OTHER) {
      return this.#countsOf({ url: '', status: 0 }, { sentBytes: 0, errorCode: OTHER });
    }
    const counts = {
      format,
      status: String(request.status),
      errorCode: facts.errorCode,
      ...{ requests: 0, bytes: 0, bytesMin: Number.POSITIVE_INFINITY, bytesMax: 0 },
      ...{ ms: 0, msMin: Number.POSITIVE_INFINITY, msMax: 0 },
    };
    this.#kinds.set(key, counts);
    return counts;
  }
}

/** By the format that the URL asks for; a name in another letter case is no player's. */
function outputFormatOf(url: string): string {
  if (url.includes('format=m3u8')) return 'HLS';
  return url.includes('format=mpd') ? 'DASH' : 'None';
}

function cellsOf(counts: Counts): readonly SeriesCell[] {
  const { format, status, errorCode, requests: count } = counts;
  const served = [
    {
      metric: 'Requests',
      dimensions: [format, status, errorCode],
      cell: { count, total: count, min: 1, max: 1 },
    },
    {
      metric: 'Egress',
      dimensions: [format],
      cell: { count, total: counts.bytes, min: counts.bytesMin, max: counts.bytesMax },
    },
  ];
  if (Number(status) >= 400) return served;
  const latency = { count, total: counts.ms, min: counts.msMin, max: counts.msMax };
  return [...served, { metric: 'SuccessE2ELatency', dimensions: [format], cell: latency }];
}
