import { parseXml, type XmlElement } from './xml-document.ts';

/** One quality as the server manifest (`.ism`) of an asset lists it. */
export interface ListedTrack {
  readonly type: 'video' | 'audio' | 'text';
  /** The folder or file that its media are in. */
  readonly source: string;
  readonly name: string | undefined;
  /** RFC 5646; undefined where it is not said. */
  readonly language: string | undefined;
  readonly bitrateBps: number | undefined;
  readonly trackId: number | undefined;
  /** Of text: the file that it was made of. */
  readonly transcriptSource?: string | undefined;
  /** How players are to offer it (reference §3.5). */
  readonly displayName?: string | undefined;
  readonly isDefault?: boolean | undefined;
  readonly characteristics?: string | undefined;
  readonly role?: string | undefined;
  /** Sound that tells what is to be seen. */
  readonly isDescription?: boolean | undefined;
  /** Not for players. */
  readonly isHidden?: boolean | undefined;
}

export interface ListedTracks {
  /** What is still recorded is `live-fmp4`. */
  readonly isLive: boolean;
  readonly tracks: readonly ListedTrack[];
}

const TRACKS_MAX = 256;
const TYPES = { video: 'video', audio: 'audio', textstream: 'text' } as const;

/** Reads the SMIL of an `.ism`, [MS-SSTR] §2.2.7.3 in outline. Throws `MalformedXml`. */
export function parseServerManifest(text: string): ListedTracks {
  const smil = parseXml(text);
  const metas = below(smil, ['head', 'meta']);
  const formats = metas.find(({ attributes }) => attributes['name']?.toLowerCase() === 'formats');
  const tracks = below(smil, ['body', 'switch'])
    .flatMap(({ children }) => children)
    .flatMap(readTrack);
  return {
    isLive: /^(?:live-fmp4|ll-cmaf)$/i.test(formats?.attributes['content'] ?? ''),
    tracks: tracks.slice(0, TRACKS_MAX),
  };
}

function readTrack({ name, attributes, children }: XmlElement): ListedTrack[] {
  const type = Object.entries(TYPES).find(([tag]) => tag === name)?.[1];
  if (type === undefined) return [];
  const parameters = new Map(
    children
      .filter((child) => child.name === 'param')
      .map((child) => [child.attributes['name']?.toLowerCase(), child.attributes['value']]),
  );
  const language = attributes['systemLanguage'] ?? parameters.get('systemlanguage');
  return [
    {
      type,
      source: attributes['src'] ?? '',
      name: parameters.get('trackname') || undefined,
      language: language === 'und' || language === '' ? undefined : language,
      bitrateBps: wholeNumber(attributes['systemBitrate'] ?? parameters.get('systembitrate')),
      trackId: wholeNumber(parameters.get('trackid')),
      ...readOffer((parameter) => parameters.get(parameter.toLowerCase()) || undefined),
    },
  ];
}

/** Only what is said. */
function readOffer(parameter: (name: string) => string | undefined): Partial<ListedTrack> {
  const isTrue = (name: string) => parameter(name)?.toLowerCase() === 'true' || undefined;
  const offer: Partial<ListedTrack> = {
    transcriptSource: parameter('transcriptsrc'),
    displayName: parameter('textDisplayName'),
    isDefault: isTrue('textIsDefault'),
    characteristics: parameter('textHlsCharacteristic'),
    role: parameter('role'),
    isDescription: parameter('accessibility')?.toLowerCase() === 'description' || undefined,
    isHidden: /^(?:none|hidden|false)$/i.test(parameter('outputFlag') ?? '') || undefined,
  };
  return Object.fromEntries(Object.entries(offer).filter(([, value]) => value !== undefined));
}

/** Zero is "not said". */
function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^[1-9]\d{0,9}$/.test(text) ? Number(text) : undefined;
}

function below(root: XmlElement, path: readonly string[]): readonly XmlElement[] {
  return path.reduce<readonly XmlElement[]>(
    (elements, name) => elements.flatMap(({ children }) => children.filter((child) => child.name === name)),
    [root],
  );
}
