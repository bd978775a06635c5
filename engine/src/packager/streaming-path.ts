export type HlsFormat = 'm3u8-cmaf' | 'm3u8-aapl' | 'm3u8-aapl-v3';
export type DashFormat = 'mpd-time-cmaf' | 'mpd-time-csf';
/** Smooth Streaming: what no `format` asks for is `fmp4`; `fmp4-v20` has no repeated chunks in its manifest. */
export type SmoothFormat = 'fmp4' | 'fmp4-v20';
/** What a presentation is asked for as: the keys in the brackets of its addresses, which its manifests repeat. */
export interface StreamingForm {
  readonly format: HlsFormat | DashFormat | SmoothFormat;
  /** Undefined: in the clear. `piff` is `cenc` as Smooth Streaming had it first. */
  readonly encryption: 'cbc' | 'cenc' | 'cbcs-aapl' | 'piff' | undefined;
  /** Names, in the order of the address. */
  readonly filters: readonly string[];
  /** An HLS variant of sound only. */
  readonly isAudioOnlyListed: boolean;
  /** The stream name of the sound that players begin with. */
  readonly defaultAudio: string | undefined;
}

export type StreamingRequest = { readonly form: StreamingForm } & (
  | { readonly kind: 'manifest' }
  | {
      readonly kind: 'mediaPlaylist';
      readonly streamName: string;
      readonly bitrateBps: number;
      /** Of key frames only. */
      readonly isKeyFrames: boolean;
    }
  | {
      readonly kind: 'initialization';
      readonly streamName: string;
      readonly bitrateBps: number;
      readonly formatIndex: number;
    }
  /** A fragment, or of MPEG-TS the segment that begins with it. */
  | {
      readonly kind: 'fragment';
      readonly streamName: string;
      readonly bitrateBps: number;
      readonly decodeTimeTicks: number;
    }
);

export interface StreamingPath {
  /** Lower case. */
  readonly locatorId: string;
  readonly manifestName: string;
  readonly request: StreamingRequest;
}

/** HTTP 400. */
export class MalformedStreamingUrl extends Error {
  override readonly name = 'MalformedStreamingUrl';
  readonly code = 'MPE_BAD_URL_SYNTAX';
}

/** HTTP 403: the URL is well-formed and asks for what this service does not serve. */
export class OutputFormatBlocked extends Error {
  override readonly name = 'OutputFormatBlocked';
  readonly code = 'MPE_OUTPUT_FORMAT_BLOCKED';
}

const PATH_LENGTH_MAX = 2048;
const FORMAT_INDEX_MAX = 9999;
const SERVED_FORMATS: readonly string[] = ['m3u8-cmaf', 'mpd-time-cmaf'];
const OTHER_FORMATS: readonly string[] = [
  'm3u8-aapl',
  'm3u8-aapl-v3',
  'm3u8-aapl-v4',
  'mpd-time-csf',
  'fmp4-v20',
];
const OTHER_KEYS: readonly string[] = ['encryption', 'filter', 'audio-only', 'audiotrack', 'type'];

const PRESENTATION = /^\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\/([^/]{1,260})\.ism\/(.+)$/i;
const MANIFEST = /^manifest(?:\(([^()]*)\))?(?:\.(m3u8|mpd))?$/i;
const QUALITY_LEVEL = /^QualityLevels\((\d{1,10})\)\/(Manifest|Fragments)\(([^()]+)\)(?:\.m3u8)?$/i;
const STREAM_NAME = /^[A-Za-z0-9_-]{1,128}$/;

/**
 * Parses the path of a request to the origin (percent-encoded, without query). Key order is free. Throws
 * `MalformedStreamingUrl`, or `OutputFormatBlocked` for what the original serves and we do not yet.
 */
export function parseStreamingPath(path: string): StreamingPath {
  if (path.length > PATH_LENGTH_MAX) {
    throw new MalformedStreamingUrl(`path of ${path.length} characters exceeds ${PATH_LENGTH_MAX}`);
  }
  const decoded = decodePath(path);
  const [, locatorId, manifestName, rest] = PRESENTATION.exec(decoded) ?? [];
  if (locatorId === undefined || manifestName === undefined || rest === undefined) {
    throw new MalformedStreamingUrl('not /{streamingLocatorId}/{manifestName}.ism/…');
  }
  return { locatorId: locatorId.toLowerCase(), manifestName, request: parseRequest(rest) };
}

function decodePath(path: string): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch (error) {
    throw new MalformedStreamingUrl('broken percent-encoding', { cause: error });
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused.
  if (/[\x00-\x1f\x7f\\]|(^|\/)\.\.?(\/|$)/.test(decoded)) {
    throw new MalformedStreamingUrl('control characters, backslashes and dot segments are refused');
  }
  return decoded;
}

function parseRequest(rest: string): StreamingRequest {
  const manifest = MANIFEST.exec(rest);
  if (manifest !== null) {
    const format = servedFormat(parseKeys((manifest[1] ?? '').split(',')));
    const extension = manifest[2]?.toLowerCase();
    if (extension !== undefined && !format.startsWith(extension)) {
      throw new MalformedStreamingUrl(`extension .${extension} on format ${format}`);
    }
    return { kind: 'manifest', form: formOf(format) };
  }
  const [, bitrate, what, list] = QUALITY_LEVEL.exec(rest) ?? [];
  if (bitrate === undefined || what === undefined || list === undefined) {
    throw new MalformedStreamingUrl('neither a manifest nor a quality level');
  }
  const [subject = '', ...keys] = list.split(',');
  const format = servedFormat(parseKeys(keys));
  const bitrateBps = Number(bitrate);
  const form = formOf(format);
  if (what.toLowerCase() === 'fragments') return parseFragments(subject, bitrateBps, form);
  if (format !== 'm3u8-cmaf') throw new MalformedStreamingUrl(`a media playlist has no format ${format}`);
  return {
    kind: 'mediaPlaylist',
    form,
    streamName: parseStreamName(subject),
    bitrateBps,
    isKeyFrames: false,
  };
}

/** What nothing but a format asks for. */
const formOf = (format: StreamingForm['format']): StreamingForm => ({
  format,
  encryption: undefined,
  filters: [],
  isAudioOnlyListed: false,
  defaultAudio: undefined,
});

/** The keys that an address of this form carries, as they stand in its brackets. */
export function writeForm({ format, encryption, filters, ...form }: StreamingForm): string {
  const keys = [
    ...(format === 'fmp4' ? [] : [`format=${format}`]),
    ...(encryption === undefined ? [] : [`encryption=${encryption}`]),
    ...(filters.length === 0 ? [] : [`filter=${filters.join(';')}`]),
    ...(form.isAudioOnlyListed ? ['audio-only=true'] : []),
    ...(form.defaultAudio === undefined ? [] : [`audioTrack=${form.defaultAudio}`]),
  ];
  return keys.join(',');
}

function parseFragments(subject: string, bitrateBps: number, form: StreamingForm): StreamingRequest {
  const separator = subject.indexOf('=');
  const streamName = parseStreamName(subject.slice(0, Math.max(separator, 0)));
  const value = subject.slice(separator + 1);
  const [, formatDigits] = /^i(\d{0,4})$/.exec(value) ?? [];
  if (formatDigits !== undefined) {
    const formatIndex = Math.min(Number(formatDigits), FORMAT_INDEX_MAX); // `i` alone is format 0
    return { kind: 'initialization', form, streamName, bitrateBps, formatIndex };
  }
  const decodeTimeTicks = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(decodeTimeTicks)) throw new MalformedStreamingUrl('not a fragment time');
  return { kind: 'fragment', form, streamName, bitrateBps, decodeTimeTicks };
}

function parseStreamName(name: string): string {
  if (!STREAM_NAME.test(name)) throw new MalformedStreamingUrl('not a stream name');
  return name;
}

function parseKeys(parts: readonly string[]): ReadonlyMap<string, string> {
  const keys = new Map<string, string>();
  for (const part of parts) {
    if (part === '') continue;
    const separator = part.indexOf('=');
    const key = part.slice(0, Math.max(separator, 0)).trim().toLowerCase();
    if (key === '' || keys.has(key)) throw new MalformedStreamingUrl('a key is empty or repeated');
    keys.set(
      key,
      part
        .slice(separator + 1)
        .trim()
        .toLowerCase(),
    );
  }
  return keys;
}

/** No format at all asks for Smooth Streaming, as in the original. */
function servedFormat(keys: ReadonlyMap<string, string>): 'm3u8-cmaf' | 'mpd-time-cmaf' {
  for (const key of keys.keys()) {
    if (key !== 'format' && !OTHER_KEYS.includes(key)) throw new MalformedStreamingUrl('an unknown key');
  }
  const format = keys.get('format');
  if (format !== undefined && !SERVED_FORMATS.includes(format) && !OTHER_FORMATS.includes(format)) {
    throw new MalformedStreamingUrl('an unknown format');
  }
  if (keys.size > 1) throw new OutputFormatBlocked('encryption, filters and track choice are not served yet');
  if (format === 'm3u8-cmaf' || format === 'mpd-time-cmaf') return format;
  throw new OutputFormatBlocked(`${format ?? 'Smooth Streaming'} is not served yet`);
}
