import type { ListedTrack } from '../manifests/server-manifest-reader.ts';
import type { Track, TrackFormat, TrackSettings } from '../model/track.ts';

export interface DescribedTrack {
  readonly listed: ListedTrack;
  readonly format: TrackFormat;
  /** Of its own header: ISO 639-2/T, or RFC 5646. */
  readonly headerLanguage: string;
  readonly measuredBps: number | undefined;
}

const STREAM_NAME_LENGTH_MAX = 128;
const BITRATE_DEFAULT_BPS = 1;

/**
 * Who each track is: the name and bitrate of its manifest, so that the addresses of the original go on working. Qualities
 * of one stream that say the same bitrate are told apart by one bit a second.
 */
export function trackIdentities(tracks: readonly DescribedTrack[], manifestName: string): readonly Track[] {
  const taken = new Set<string>();
  return tracks.map(({ listed, format, headerLanguage, measuredBps }, at) => {
    const streamName = streamNameOf(listed);
    let bitrateBps = listed.bitrateBps ?? measuredBps ?? BITRATE_DEFAULT_BPS;
    while (taken.has(`${streamName}_${bitrateBps}`)) bitrateBps += 1;
    taken.add(`${streamName}_${bitrateBps}`);
    const language = listed.language ?? (headerLanguage === 'und' ? undefined : headerLanguage);
    return {
      type: listed.type,
      ordinal: at + 1,
      streamName,
      bitrateBps,
      // No folder of our own recordings has a slash.
      folder: `${manifestName}.ism/${streamName}_${bitrateBps}`,
      ...labelled(listed.displayName),
      ...(language !== undefined && LANGUAGE.test(language) ? { language } : {}),
      ...settled(listed),
      formats: [format],
    };
  });
}

const LANGUAGE = /^[a-z0-9-]{2,64}$/i;

/** As text that every manifest can hold. */
export function labelled(text: string | undefined): { readonly label?: string } {
  const label = plain(text ?? '');
  return label === '' ? {} : { label };
}

/** What is said of how to offer it. */
export function settled(settings: TrackSettings): { readonly settings?: TrackSettings } {
  const { isDefault, isForced, isDescription } = settings;
  const characteristics = plain(settings.characteristics ?? '');
  const role = plain(settings.role ?? '');
  const said: TrackSettings = {
    ...(isDefault === true ? { isDefault } : {}),
    ...(isForced === true ? { isForced } : {}),
    ...(characteristics === '' ? {} : { characteristics }),
    ...(role === '' ? {} : { role }),
    ...(isDescription === true ? { isDescription } : {}),
  };
  return Object.keys(said).length === 0 ? {} : { settings: said };
}

const TEXT_LENGTH_MAX = 250;

/** HLS has no way to write a straight double quote, nor line breaks. */
function plain(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cs}]+/gu, ' ')
    .replaceAll('"', '”')
    .trim()
    .slice(0, TEXT_LENGTH_MAX);
}

function streamNameOf({ name, type }: ListedTrack): string {
  return streamNameFrom(name ?? '', type);
}

/** As it can stand in addresses. */
export function streamNameFrom(name: string, otherwise: string): string {
  const safe = name.replace(/[^A-Za-z0-9_-]+/g, '_').slice(0, STREAM_NAME_LENGTH_MAX);
  return safe === '' || safe === '_' ? otherwise : safe;
}
