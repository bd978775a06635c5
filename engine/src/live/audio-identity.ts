import type { PublishedTrack } from '../ingest/publish-session.ts';

/** Names are parts of URLs, folders and index lines. */
const NAME_CHARACTERS_MAX = 32;
const LABEL_CHARACTERS_MAX = 64;
const MAIN_NAME = 'audio';
const TEXT_NAME = 'text';
/** RFC 5646 §2.1, as far as it matters: subtags of letters and digits. */
const LANGUAGE = /^[a-z]{2,8}(?:-[a-z0-9]{1,8}){0,3}$/i;
const LANGUAGE_UNKNOWN = 'und';

/** Which audio track of the live event an encoder's audio is: the same slot, the same track. */
export interface AudioIdentity {
  /** Compared only; two connections with the same slot carry the same audio, and one of them is used. */
  readonly slot: string;
  readonly streamName: string;
  /** For people. */
  readonly label: string | undefined;
  readonly language: string | undefined;
}

/** What every connection with a picture repeats: one audio track, whoever feeds it. */
export const MAIN_SLOT = 'main';

/** Tells the audio tracks of one connection apart; `taken` are those of its other tracks, in their order. */
export function identifyAudio(description: PublishedTrack, taken: readonly AudioIdentity[]): AudioIdentity {
  const language = cleanLanguage(description.language);
  const label = cleanLabel(description.name);
  const named = cleanName(description.name);
  const hasOwnName = named !== undefined && named !== MAIN_NAME;
  const streamName = hasOwnName ? named : unnamed(language, taken);
  const sibling = taken.find((other) => isQualityOf(other, { named, streamName, language }));
  if (sibling === undefined) {
    const slot = streamName === MAIN_NAME ? MAIN_SLOT : `name ${streamName}`;
    return { slot, streamName, label, language };
  }
  const slot = `${sibling.slot} ${description.declaredBitrateBps ?? taken.length}`;
  return { slot, streamName: sibling.streamName, label, language };
}

/** A connection that carries sound only, beside others: the name of its stream says what it is. */
export function identifyAudioOnly(streamId: string, main: AudioIdentity): AudioIdentity {
  const streamName = cleanName(streamId) ?? `${MAIN_NAME}_2`;
  const isMain = streamName === MAIN_NAME;
  return {
    slot: `stream ${streamId}`,
    streamName: isMain ? `${MAIN_NAME}_2` : streamName,
    label: main.label ?? cleanLabel(streamId),
    language: main.language,
  };
}

/** What text is called: its own name, never that of the main picture or sound. */
export function identifyText(description: PublishedTrack): Omit<AudioIdentity, 'slot'> {
  const name = (description.name ?? '').toLowerCase();
  const isReserved = name === 'video' || name === MAIN_NAME;
  const streamName = isReserved ? `${TEXT_NAME}_${name}` : (cleanName(name) ?? TEXT_NAME);
  const { language } = description;
  return { streamName, label: cleanLabel(description.name), language: cleanLanguage(language) };
}

function unnamed(language: string | undefined, taken: readonly AudioIdentity[]): string {
  if (taken.length === 0) return MAIN_NAME;
  const byLanguage = language && cleanName(`${MAIN_NAME}_${language}`);
  const isFree = byLanguage !== undefined && !taken.some((other) => other.language === language);
  return byLanguage && isFree ? byLanguage : `${MAIN_NAME}_${taken.length + 1}`;
}

/** The same name and language twice in one connection: two bitrates of one sound. */
function isQualityOf(
  other: AudioIdentity,
  {
    named,
    streamName,
    language,
  }: { named: string | undefined; streamName: string; language: string | undefined },
): boolean {
  if (other.language !== language || named === undefined) return false;
  return other.streamName === (named === MAIN_NAME ? MAIN_NAME : streamName);
}

/** Lower case, because URLs compare names without letter case. */
function cleanName(name: string | undefined): string | undefined {
  const clean = (name ?? '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, NAME_CHARACTERS_MAX);
  if (clean === '') return undefined;
  return clean === 'video' ? `${MAIN_NAME}_${clean}` : clean;
}

function cleanLabel(name: string | undefined): string | undefined {
  // A quoted-string of HLS holds neither quotes nor line breaks.
  const clean = (name ?? '')
    .replaceAll(/["\p{Cc}\p{Cs}]+/gu, ' ')
    .trim()
    .slice(0, LABEL_CHARACTERS_MAX);
  return clean === '' ? undefined : clean;
}

function cleanLanguage(language: string | undefined): string | undefined {
  if (language === undefined || !LANGUAGE.test(language)) return undefined;
  return language.toLowerCase() === LANGUAGE_UNKNOWN ? undefined : language;
}
