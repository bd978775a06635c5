import { XMLParser, XMLValidator } from 'fast-xml-parser';

/** One track as an encoder's Live Server Manifest describes it, [MS-SSTR] §2.2.7.3. */
export interface ManifestTrack {
  readonly kind: 'video' | 'audio' | 'textstream';
  readonly trackId: number;
  readonly name: string | undefined;
  /** BCP 47, canonical; undefined for `und` and for what is no language. */
  readonly language: string | undefined;
  /** 0 and nothing are both "not said". */
  readonly bitrateBps: number | undefined;
  readonly fourCc: string | undefined;
  /** Bytes of the hex digits; undefined when they are none. */
  readonly codecPrivateData: Uint8Array | undefined;
  readonly subtype: string | undefined;
  readonly scheme: string | undefined;
  readonly parentTrackName: string | undefined;
  readonly manifestOutput: boolean;
}

export class MalformedLiveServerManifest extends Error {
  override readonly name = 'MalformedLiveServerManifest';
  readonly code = 'MalformedLiveServerManifest';
}

/** `uuid` of the box that carries it, [MS-SSTR] §2.2.7.2. */
export const LIVE_SERVER_MANIFEST_USER_TYPE = 'a5d40b30e81411ddba2f0800200c9a66';
export const MANIFEST_BYTES_MAX = 256 * 1024;
export const MANIFEST_TRACKS_MAX = 64;
const NAME_CHARACTERS_MAX = 128;
const SCHEME_CHARACTERS_MAX = 256;
const CODEC_PRIVATE_DATA_CHARACTERS_MAX = 8192;
const BITRATE_BPS_MAX = 1_000_000_000;
const VERSION_AND_FLAGS_BYTES = 4;
const KINDS = ['video', 'audio', 'textstream'] as const;
const LISTS = new Set<string>([...KINDS, 'param', 'switch', 'body']);

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '',
  removeNSPrefix: true,
  parseAttributeValue: false,
  parseTagValue: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
  isArray: (name) => LISTS.has(name),
});

/** The tracks of the box's content: version, flags, then SMIL. Throws `MalformedLiveServerManifest`. */
export function parseLiveServerManifest(body: Uint8Array): readonly ManifestTrack[] {
  if (body.length > MANIFEST_BYTES_MAX) throw new MalformedLiveServerManifest('manifest too large');
  const smil = objectOf(parseXml(decodeText(body.subarray(VERSION_AND_FLAGS_BYTES)))['smil']);
  const switches = listOf(smil['body']).flatMap((element) => listOf(objectOf(element)['switch']));
  const tracks = switches.flatMap((element) =>
    KINDS.flatMap((kind) => listOf(objectOf(element)[kind]).map((track) => readTrack(kind, objectOf(track)))),
  );
  if (tracks.length > MANIFEST_TRACKS_MAX) {
    throw new MalformedLiveServerManifest(`${tracks.length} tracks exceed ${MANIFEST_TRACKS_MAX}`);
  }
  return tracks;
}

/** UTF-8 as ffmpeg writes it, or UTF-16 as older encoders do. */
function decodeText(bytes: Uint8Array): string {
  const isUtf16 = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0x3c && bytes[1] === 0);
  const text = new TextDecoder(isUtf16 ? 'utf-16le' : 'utf-8').decode(bytes);
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}

function parseXml(text: string): Fields {
  // Nobody needs one, and entities of one's own are how small documents become large.
  if (/<!(DOCTYPE|ENTITY)/i.test(text)) throw new MalformedLiveServerManifest('a document type declaration');
  const validity = XMLValidator.validate(text);
  if (validity !== true) throw new MalformedLiveServerManifest(`not XML: ${validity.err.code}`);
  try {
    return objectOf(parser.parse(text));
  } catch (cause) {
    throw new MalformedLiveServerManifest('not XML', { cause });
  }
}

function readTrack(kind: ManifestTrack['kind'], element: Fields): ManifestTrack {
  const parameters = new Map<string, string>();
  for (const name of ['systemBitrate', 'systemLanguage'] as const) {
    const value = textOf(element[name]);
    if (value !== undefined) parameters.set(name.toLowerCase(), value);
  }
  for (const param of listOf(element['param']).map(objectOf)) {
    const name = textOf(param['name']);
    const value = textOf(param['value']);
    if (name !== undefined && value !== undefined) parameters.set(name.toLowerCase(), value);
  }
  const text = (name: string, lengthMax: number): string | undefined => {
    const value = parameters.get(name)?.trim();
    return value === undefined || value === '' || value.length > lengthMax ? undefined : value;
  };
  const trackId = Number(text('trackid', 10));
  if (!Number.isSafeInteger(trackId) || trackId < 0)
    throw new MalformedLiveServerManifest('a track without trackID');
  const bitrateBps = Number(text('systembitrate', 16));
  return {
    kind,
    trackId,
    name: text('trackname', NAME_CHARACTERS_MAX),
    language: canonicalLanguage(text('systemlanguage', 35)),
    bitrateBps:
      Number.isSafeInteger(bitrateBps) && bitrateBps > 0 && bitrateBps <= BITRATE_BPS_MAX
        ? bitrateBps
        : undefined,
    fourCc: text('fourcc', 4),
    codecPrivateData: bytesOfHex(text('codecprivatedata', CODEC_PRIVATE_DATA_CHARACTERS_MAX)),
    subtype: text('subtype', NAME_CHARACTERS_MAX),
    scheme: text('scheme', SCHEME_CHARACTERS_MAX),
    parentTrackName: text('parenttrackname', NAME_CHARACTERS_MAX),
    manifestOutput: text('manifestoutput', 5)?.toLowerCase() === 'true',
  };
}

/** BCP 47 in its canonical form (`eng` is `en`); undefined for `und` and for what is no language tag. */
export function canonicalLanguage(tag: string | undefined): string | undefined {
  if (tag === undefined || tag.toLowerCase() === 'und') return undefined;
  try {
    return Intl.getCanonicalLocales(tag)[0];
  } catch {
    return undefined;
  }
}

function bytesOfHex(text: string | undefined): Uint8Array | undefined {
  if (text === undefined || !/^([0-9a-f]{2})+$/i.test(text)) return undefined;
  return new Uint8Array(Buffer.from(text, 'hex'));
}

type Fields = Readonly<Record<string, unknown>>;

/** What is no element with attributes or children has none. */
function objectOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {}; // checked: an object
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
