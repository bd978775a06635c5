import { parse, setOptions, types } from 'hls-parser';

/** What the encoder sends, read from the channel's preview as any viewer could. */
export interface IngestTrack {
  /** Stays the same while the encoder sends this track. */
  readonly id: string;
  readonly title: string;
  readonly detail: string;
}

export interface BitratePoint {
  /** Unix seconds of the fragment's beginning. */
  readonly at: number;
  readonly bitsPerSecond: number;
}

export interface TrackReading {
  readonly track: IngestTrack;
  /** Ascending; the last two minutes. */
  readonly points: readonly BitratePoint[];
}

const SHOWN_SECONDS = 120;
/** Segments asked for their size at one look and track: the first look shows the recent past, later ones what is new. */
const SIZES_PER_LOOK_MAX = 8;
const TRACKS_MAX = 16;
const FETCH_WITHIN_MS = 5000;

const CODEC_NAMES: readonly (readonly [prefix: string, name: string])[] = [
  ['avc', 'H.264'],
  ['hvc', 'HEVC'],
  ['hev', 'HEVC'],
  ['mp4a', 'AAC'],
];

setOptions({ silent: true });

interface ListedTrack extends IngestTrack {
  readonly uri: string;
}

/** Follows the tracks of one preview; keeps what it has measured. */
export class IngestTracks {
  readonly #points = new Map<string, BitratePoint[]>();
  readonly #measured = new Set<string>();

  /** Rejects when the preview cannot be read: nobody sends, or the service is away. */
  async look(previewUrl: string): Promise<readonly TrackReading[]> {
    const playlist = parse(await fetchText(previewUrl));
    if (!(playlist instanceof types.MasterPlaylist))
      throw new Error('the preview is not a multivariant playlist');
    const tracks = listTracks(playlist, previewUrl).slice(0, TRACKS_MAX);
    await Promise.all(tracks.map((track) => this.#measure(track)));
    return tracks.map(({ id, title, detail }) => ({
      track: { id, title, detail },
      points: this.#points.get(id) ?? [],
    }));
  }

  async #measure({ id, uri }: ListedTrack): Promise<void> {
    const playlist = parse(await fetchText(uri));
    if (!(playlist instanceof types.MediaPlaylist)) return;
    const points = this.#points.get(id) ?? [];
    const fresh = datedSegments(playlist)
      .map((segment) => ({ ...segment, url: new URL(segment.uri, uri).href }))
      .filter(({ url }) => !this.#measured.has(url))
      .slice(-SIZES_PER_LOOK_MAX);
    const sizes = await Promise.all(fresh.map(({ url }) => fetchSize(url)));
    fresh.forEach(({ at, duration, url }, index) => {
      const bytes = sizes[index];
      if (bytes === undefined) return;
      this.#measured.add(url);
      points.push({ at, bitsPerSecond: (bytes * 8) / duration });
    });
    // The first looks measure backwards from the newest.
    points.sort((a, b) => a.at - b.at);
    const newest = points.at(-1)?.at ?? 0;
    this.#points.set(
      id,
      points.filter(({ at }) => at > newest - SHOWN_SECONDS),
    );
    // What has left the playlist is never asked for again.
    if (this.#measured.size > TRACKS_MAX * SHOWN_SECONDS) this.#measured.clear();
  }
}

function listTracks(playlist: types.MasterPlaylist, base: string): ListedTrack[] {
  // Playlists of I-frames are the same pictures again.
  const variants = playlist.variants.filter(({ isIFrameOnly }) => isIFrameOnly !== true);
  const videos = variants.map(({ uri, codecs = '', resolution, frameRate }): ListedTrack => {
    const isPicture = resolution !== undefined;
    const shown = codecs.split(',').filter((codec) => !isPicture || !codec.startsWith('mp4a'));
    return {
      id: uri,
      title: isPicture ? `Video ${resolution.height}p` : 'Audio',
      detail: [
        ...shown.map(codecName),
        ...(isPicture ? [`${resolution.width} × ${resolution.height}`] : []),
        ...(frameRate === undefined ? [] : [`${Number(frameRate.toFixed(2))} fps`]),
      ].join(' · '),
      uri: new URL(uri, base).href,
    };
  });
  const audios = variants.flatMap(({ audio }) => audio);
  const named = audios.flatMap(({ uri, name, language, channels }): ListedTrack[] =>
    uri === undefined
      ? []
      : [
          {
            id: uri,
            title: name === 'audio' ? 'Audio' : `Audio ${name}`,
            detail: [
              'AAC',
              ...(channels === undefined ? [] : [`${channels} channels`]),
              ...(language === undefined ? [] : [language]),
            ].join(' · '),
            uri: new URL(uri, base).href,
          },
        ],
  );
  return [...new Map([...videos, ...named].map((track) => [track.id, track])).values()];
}

function codecName(codec: string): string {
  return CODEC_NAMES.find(([prefix]) => codec.startsWith(prefix))?.[1] ?? codec;
}

/** Each segment with the wall clock of its beginning: dated by the tag before it and the durations since. */
function datedSegments({ segments }: types.MediaPlaylist): { uri: string; at: number; duration: number }[] {
  let at = 0;
  return segments.map(({ uri, duration, programDateTime }) => {
    if (programDateTime) at = programDateTime.getTime() / 1000;
    const dated = { uri, at, duration };
    at += duration;
    return dated;
  });
}

async function fetchText(url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(FETCH_WITHIN_MS) });
  if (!response.ok) throw new Error(`the preview answered ${response.status}`);
  return response.text();
}

/** Bytes; undefined when it has left the window meanwhile. */
async function fetchSize(url: string): Promise<number | undefined> {
  const response = await fetch(url, { method: 'HEAD', signal: AbortSignal.timeout(FETCH_WITHIN_MS) });
  const size = Number(response.headers.get('content-length'));
  return response.ok && size > 0 ? size : undefined;
}
