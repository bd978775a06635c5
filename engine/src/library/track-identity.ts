import type { FormatReading } from '../formats/isobmff/track-format.ts';
import type { ListedTrack } from '../manifests/server-manifest-reader.ts';
import type { Track } from '../model/track.ts';

export interface DescribedTrack {
  readonly listed: ListedTrack;
  readonly format: FormatReading;
  /** ISO 639-2/T */
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
      ...(language !== undefined && /^[a-z0-9-]{2,64}$/i.test(language) ? { language } : {}),
      formats: format.kind === 'read' ? [format.format] : [],
    };
  });
}

function streamNameOf({ name, type }: ListedTrack): string {
  const safe = (name ?? '').replace(/[^A-Za-z0-9_-]+/g, '_').slice(0, STREAM_NAME_LENGTH_MAX);
  return safe === '' || safe === '_' ? type : safe;
}
