export type HlsFormat = 'm3u8-cmaf' | 'm3u8-aapl' | 'm3u8-aapl-v3';
export type DashFormat = 'mpd-time-cmaf' | 'mpd-time-csf';
/** Smooth Streaming: what no `format` asks for is `fmp4`; `fmp4-v20` has no repeated chunks in its manifest. */
export type SmoothFormat = 'fmp4' | 'fmp4-v20';
/** What a presentation is asked for as: the keys in the brackets of its addresses, which its manifests repeat. */
export interface StreamingForm {
  readonly format: HlsFormat | DashFormat | SmoothFormat;
  /** Undefined: in the clear. `piff` is `cenc` as Smooth Streaming had it first. */
  readonly encryption: 'cbc' | 'cenc' | 'cbcs-aapl' | 'piff' | undefined;
  /** Names in lower case, each once, in the order of the address. */
  readonly filters: readonly string[];
  /** An HLS variant of sound only. */
  readonly isAudioOnlyListed: boolean;
  /** The stream name, in lower case, of the sound that players begin with. */
  readonly defaultAudio: string | undefined;
  /** Ours: HLS names the key itself where its license server would stand, for players that know no Clear Key. */
  readonly hasIdentityKeys?: true;
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
      /** Only the key frame that it begins with. */
      readonly isKeyFrame?: true;
    }
);

export type StreamingPath = PresentationPath | DownloadPath;

export interface PresentationPath {
  readonly kind: 'presentation';
  /** Lower case. */
  readonly locatorId: string;
  readonly manifestName: string;
  readonly request: StreamingRequest;
}

/** A file of the asset as it is. */
export interface DownloadPath {
  readonly kind: 'download';
  /** Lower case. */
  readonly locatorId: string;
  /** In the root of the container: never with a slash. */
  readonly fileName: string;
}

/** HTTP 400. */
export class MalformedStreamingUrl extends Error {
  override readonly name = 'MalformedStreamingUrl';
  readonly code = 'MPE_BAD_URL_SYNTAX';
}

const PATH_LENGTH_MAX = 2048;
const FORMAT_INDEX_MAX = 9999;
/** Of an address; a streaming locator may have more. */
const FILTERS_MAX = 3;

const FORMATS = {
  'm3u8-cmaf': 'm3u8-cmaf',
  'm3u8-aapl': 'm3u8-aapl',
  'm3u8-aapl-v4': 'm3u8-aapl',
  'm3u8-aapl-v3': 'm3u8-aapl-v3',
  'mpd-time-cmaf': 'mpd-time-cmaf',
  'mpd-time-csf': 'mpd-time-csf',
  'fmp4-v20': 'fmp4-v20',
} as const satisfies Readonly<Record<string, StreamingForm['format']>>;
const ENCRYPTIONS = {
  cbc: 'cbc',
  cenc: 'cenc',
  'cbcs-aapl': 'cbcs-aapl',
  piff: 'piff',
} as const satisfies Readonly<Record<string, StreamingForm['encryption']>>;

const PRESENTATION = /^\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\/([^/]{1,260})\.ism\/(.+)$/i;
const DOWNLOAD = /^\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\/([^/]{1,1024})$/i;
const MANIFEST = /^manifest(?:\(([^()]*)\))?(?:\.(m3u8|mpd))?$/i;
const QUALITY_LEVEL = /^QualityLevels\((\d{1,10})\)\/(Manifest|Fragments)\(([^()]+)\)(?:\.(m3u8))?$/i;
const STREAM_NAME = /^[A-Za-z0-9_.-]{1,128}$/;
/** What the name of a filter may be, without what separates things here: such a filter is for locators only. */
const FILTER_NAME = /^[^<>%&:\\?/*+.'#(),;\p{Cc}\p{Cs}]{1,260}$/u;

/**
 * Parses the path of a request to the origin (percent-encoded, without query). Key order and the letter case of words
 * are free. Whether what is asked for is there and allowed is not looked at. Throws `MalformedStreamingUrl`.
 */
export function parseStreamingPath(path: string): StreamingPath {
  if (path.length > PATH_LENGTH_MAX) {
    throw new MalformedStreamingUrl(`path of ${path.length} characters exceeds ${PATH_LENGTH_MAX}`);
  }
  const decoded = decodePath(path);
  const [, locatorId, manifestName, rest] = PRESENTATION.exec(decoded) ?? [];
  if (locatorId !== undefined && manifestName !== undefined && rest !== undefined) {
    const request = parseRequest(rest);
    return { kind: 'presentation', locatorId: locatorId.toLowerCase(), manifestName, request };
  }
  const [, ofFile, fileName] = DOWNLOAD.exec(decoded) ?? [];
  if (ofFile !== undefined && fileName !== undefined) {
    return { kind: 'download', locatorId: ofFile.toLowerCase(), fileName };
  }
  throw new MalformedStreamingUrl('neither /{streamingLocatorId}/{manifestName}.ism/… nor a file');
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
    const { form, type } = parseForm((manifest[1] ?? '').split(','));
    const extension = manifest[2]?.toLowerCase();
    if (extension !== undefined && !form.format.startsWith(extension)) {
      throw new MalformedStreamingUrl(`extension .${extension} on format ${form.format}`);
    }
    refuseType(type);
    return { kind: 'manifest', form };
  }
  const [, bitrate, what, list, extension] = QUALITY_LEVEL.exec(rest) ?? [];
  if (bitrate === undefined || what === undefined || list === undefined) {
    throw new MalformedStreamingUrl('neither a manifest nor a quality level');
  }
  const [subject = '', ...keys] = list.split(',');
  const { form, type } = parseForm(keys);
  const level = { form, bitrateBps: Number(bitrate) };
  if (what.toLowerCase() === 'manifest') {
    if (!isHls(form.format)) throw new MalformedStreamingUrl('only HLS has media playlists');
    return {
      kind: 'mediaPlaylist',
      ...level,
      streamName: parseStreamName(subject),
      isKeyFrames: isKeyFrames(type),
    };
  }
  if (extension !== undefined) throw new MalformedStreamingUrl('an extension on a fragment');
  const part = parseFragment(subject);
  if (part.kind === 'fragment' && isHls(form.format) && isKeyFrames(type)) {
    return { ...part, ...level, isKeyFrame: true };
  }
  refuseType(type);
  return { ...part, ...level };
}

const isHls = (format: StreamingForm['format']): format is HlsFormat => format.startsWith('m3u8');

function isKeyFrames(type: string | undefined): boolean {
  if (type === undefined) return false;
  if (type === 'keyframes') return true;
  throw new MalformedStreamingUrl('a type other than keyframes');
}

function refuseType(type: string | undefined): void {
  if (type !== undefined) throw new MalformedStreamingUrl('a type on what has no key frames');
}

type FragmentPart =
  | { readonly kind: 'initialization'; readonly streamName: string; readonly formatIndex: number }
  | { readonly kind: 'fragment'; readonly streamName: string; readonly decodeTimeTicks: number };

function parseFragment(subject: string): FragmentPart {
  const separator = subject.indexOf('=');
  const streamName = parseStreamName(subject.slice(0, Math.max(separator, 0)));
  const value = subject.slice(separator + 1).trim();
  const [, formatDigits] = /^i(\d{0,4})$/i.exec(value) ?? [];
  if (formatDigits !== undefined) {
    const formatIndex = Math.min(Number(formatDigits), FORMAT_INDEX_MAX); // `i` alone is format 0
    return { kind: 'initialization', streamName, formatIndex };
  }
  const decodeTimeTicks = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(decodeTimeTicks)) throw new MalformedStreamingUrl('not a fragment time');
  return { kind: 'fragment', streamName, decodeTimeTicks };
}

function parseStreamName(text: string): string {
  const name = text.trim();
  if (!STREAM_NAME.test(name)) throw new MalformedStreamingUrl('not a stream name');
  return name;
}

/** No format at all asks for Smooth Streaming, as in the original. */
function parseForm(parts: readonly string[]): {
  readonly form: StreamingForm;
  readonly type: string | undefined;
} {
  const {
    format,
    encryption,
    filter,
    'audio-only': audioOnly,
    audiotrack,
    keyformat,
    type,
    ...unknown
  } = Object.fromEntries(parseKeys(parts));
  if (Object.keys(unknown).length > 0) throw new MalformedStreamingUrl('an unknown key');
  if (audioOnly !== undefined && audioOnly !== 'true' && audioOnly !== 'false') {
    throw new MalformedStreamingUrl('audio-only is neither true nor false');
  }
  if (keyformat !== undefined && keyformat !== 'identity') {
    throw new MalformedStreamingUrl('an unknown key format');
  }
  return {
    form: {
      format: format === undefined ? 'fmp4' : known(FORMATS, format, 'an unknown format'),
      encryption:
        encryption === undefined ? undefined : known(ENCRYPTIONS, encryption, 'an unknown encryption'),
      filters: filter === undefined ? [] : parseFilters(filter),
      isAudioOnlyListed: audioOnly === 'true',
      defaultAudio: audiotrack === undefined ? undefined : parseStreamName(audiotrack),
      ...(keyformat === undefined ? {} : { hasIdentityKeys: true as const }),
    },
    type,
  };
}

function known<T>(values: Readonly<Record<string, T>>, value: string, problem: string): T {
  const found = Object.hasOwn(values, value) ? values[value] : undefined;
  if (found === undefined) throw new MalformedStreamingUrl(problem);
  return found;
}

function parseFilters(value: string): readonly string[] {
  const names = [...new Set(value.split(';').map((name) => name.trim()))];
  if (names.length > FILTERS_MAX) throw new MalformedStreamingUrl(`more than ${FILTERS_MAX} filters`);
  if (!names.every((name) => FILTER_NAME.test(name))) throw new MalformedStreamingUrl('not a filter name');
  return names;
}

/** Keys and values in lower case. */
function parseKeys(parts: readonly string[]): ReadonlyMap<string, string> {
  const keys = new Map<string, string>();
  for (const part of parts) {
    if (part.trim() === '') continue;
    const separator = part.indexOf('=');
    const key = part.slice(0, Math.max(separator, 0)).trim().toLowerCase();
    if (key === '' || keys.has(key)) throw new MalformedStreamingUrl('a key is empty or repeated');
    keys.set(key, foldCase(part.slice(separator + 1).trim()));
  }
  return keys;
}

/** As names of resources are compared: `İ` keeps its own, since lower-casing would make it two characters. */
const foldCase = (text: string): string => text.replace(/[^\u0130]+/g, (part) => part.toLowerCase());

/** The keys that an address of this form carries, as they stand in its brackets; percent-encoded. */
export function writeForm({ format, encryption, filters, ...form }: StreamingForm): string {
  const keys = [
    ...(format === 'fmp4' ? [] : [`format=${format}`]),
    ...(encryption === undefined ? [] : [`encryption=${encryption}`]),
    ...(filters.length === 0 ? [] : [`filter=${filters.map(encodeURIComponent).join(';')}`]),
    ...(form.isAudioOnlyListed ? ['audio-only=true'] : []),
    ...(form.defaultAudio === undefined ? [] : [`audioTrack=${form.defaultAudio}`]),
    ...(form.hasIdentityKeys === true ? ['keyformat=identity'] : []),
  ];
  return keys.join(',');
}
