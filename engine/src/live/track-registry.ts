import type { DataFormat, Track, TrackFormat, TrackType } from '../model/track.ts';

/** One live event's tracks in one recording: more qualities than any encoder sends. */
export const TRACKS_PER_EVENT_MAX = 32;
const TEXT_TRACKS_MAX = 8;
/** How far above the wanted bitrate a free one is looked for when several rungs declare the same. */
const BITRATE_STEPS_MAX = TRACKS_PER_EVENT_MAX;
/** As many configurations as one track's index may hold. */
const FORMATS_PER_TRACK_MAX = 64;

export class TooManyTracks extends Error {
  readonly code = 'TooManyTracks';
  constructor() {
    super(`a live event has at most ${TRACKS_PER_EVENT_MAX} tracks of ${FORMATS_PER_TRACK_MAX} formats`);
    this.name = 'TooManyTracks';
  }
}

export interface WantedTrack {
  readonly type: TrackType;
  readonly bitrateBps: number;
  readonly format: TrackFormat;
  /** Undefined for video. */
  readonly names: TrackNames | undefined;
}

export interface TrackNames {
  readonly streamName: string;
  readonly label: string | undefined;
  readonly language: string | undefined;
}

export interface ClaimedTrack {
  readonly track: Track;
  readonly formatIndex: number;
}

/**
 * The tracks of a live event, shared by its preview and all its outputs. Folder, ordinal and bitrate of a track are for
 * ever; an encoder that comes back gets the track that it had, with a further format when its configuration changed.
 */
export class TrackRegistry {
  readonly #tracks = new Map<string, Track>();
  readonly #claimed = new Set<string>();

  constructor(seed: readonly Track[]) {
    for (const track of seed) {
      const known = this.#tracks.get(track.folder);
      if (known === undefined || known.formats.length < track.formats.length)
        this.#tracks.set(track.folder, track);
    }
  }

  get tracks(): readonly Track[] {
    return [...this.#tracks.values()];
  }

  /** Throws `TooManyTracks`. */
  claim(wanted: WantedTrack): ClaimedTrack {
    const track = this.#reusable(wanted) ?? this.#create(wanted);
    this.#claimed.add(track.folder);
    return this.useFormat(track.folder, wanted.format);
  }

  /**
   * The one track of a text's name: any number of connections bring fragments of it. Undefined when there are too many
   * of them: no picture and no sound shall lack a track for it.
   */
  shareText(names: TrackNames, format: DataFormat, bitrateBps: number): ClaimedTrack | undefined {
    const isTaken = this.tracks.some(
      ({ type, streamName }) => type !== 'text' && streamName === names.streamName,
    );
    const streamName = isTaken ? `text_${names.streamName}` : names.streamName;
    const texts = this.tracks.filter(({ type }) => type === 'text');
    const known = texts.find((track) => track.streamName === streamName);
    if (known !== undefined) return { track: known, formatIndex: 0 };
    if (texts.length >= TEXT_TRACKS_MAX || this.#tracks.size >= TRACKS_PER_EVENT_MAX) return undefined;
    const track = this.#create({ type: 'text', bitrateBps, format, names: { ...names, streamName } });
    return { track, formatIndex: 0 };
  }

  release(folder: string): void {
    this.#claimed.delete(folder);
  }

  /** The track with this configuration among its formats, and which it is. Throws `TooManyTracks`. */
  useFormat(folder: string, format: TrackFormat): ClaimedTrack {
    const track = this.#tracks.get(folder);
    if (track === undefined) throw new Error(`unknown track ${folder}`);
    const formatIndex = track.formats.findIndex((known) => isSameFormat(known, format));
    if (formatIndex !== -1) return { track, formatIndex };
    if (track.formats.length >= FORMATS_PER_TRACK_MAX) throw new TooManyTracks();
    const grown = { ...track, formats: [...track.formats, format] };
    this.#tracks.set(folder, grown);
    return { track: grown, formatIndex: grown.formats.length - 1 };
  }

  #reusable(wanted: WantedTrack): Track | undefined {
    const { bitrateBps, format } = wanted;
    const streamName = streamNameOf(wanted);
    const free = this.tracks.filter(
      (track) =>
        track.type === wanted.type && track.streamName === streamName && !this.#claimed.has(track.folder),
    );
    // Audio is one track whoever feeds it. A rung is found again by its bitrate, or one of the steps above it.
    const candidates =
      wanted.type === 'audio'
        ? free.toSorted((a, b) => Math.abs(a.bitrateBps - bitrateBps) - Math.abs(b.bitrateBps - bitrateBps))
        : free.filter(
            (track) => track.bitrateBps >= bitrateBps && track.bitrateBps < bitrateBps + BITRATE_STEPS_MAX,
          );
    const sameFormat = candidates.find((track) => track.formats.some((known) => isSameFormat(known, format)));
    return sameFormat ?? candidates[0];
  }

  #create(wanted: WantedTrack): Track {
    if (this.#tracks.size >= TRACKS_PER_EVENT_MAX) throw new TooManyTracks();
    const streamName = streamNameOf(wanted);
    let { bitrateBps } = wanted;
    while (this.#tracks.has(folderOf(streamName, bitrateBps))) bitrateBps += 1; // ends: at most TRACKS_PER_EVENT_MAX are taken
    const { label, language } = wanted.names ?? {};
    const track: Track = {
      type: wanted.type,
      ordinal: 1 + Math.max(0, ...this.tracks.map(({ ordinal }) => ordinal)),
      streamName,
      bitrateBps,
      folder: folderOf(streamName, bitrateBps),
      ...(label === undefined ? {} : { label }),
      ...(language === undefined ? {} : { language }),
      formats: [wanted.format],
    };
    this.#tracks.set(track.folder, track);
    return track;
  }
}

function streamNameOf({ type, names }: WantedTrack): string {
  return names?.streamName ?? type;
}

function folderOf(streamName: string, bitrateBps: number): string {
  return `${streamName}_${bitrateBps}`;
}

export function isSameFormat(left: TrackFormat, right: TrackFormat): boolean {
  return (
    left.kind === right.kind && Buffer.compare(left.configurationRecord, right.configurationRecord) === 0
  );
}
