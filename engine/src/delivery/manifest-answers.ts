import type { PresentationIndex, TrackIndex } from '../model/presentation.ts';
import { type MpdOptions, mpdPhaseOf } from '../packager/dash-packager.ts';
import { writeMediaPlaylist } from '../packager/hls-media-playlist.ts';
import { writeMultivariantPlaylist } from '../packager/hls-packager.ts';
import { isSmoothComplete, writeSmoothManifest } from '../packager/smooth-manifest.ts';
import { writeForm } from '../packager/streaming-path.ts';
import { HlsSegmentTooLarge } from '../packager/ts-segments.ts';
import { TICKS_PER_SECOND } from '../time/timescale.ts';
import { closedUrlOf, knowsEnd } from './closing-url.ts';
import {
  type FirstFragmentHold,
  isMpdComplete,
  isPlaylistComplete,
  type OnGone,
} from './first-fragment-hold.ts';
import { cacheControlOf, type FoundPresentation, isSmooth, shownIndex } from './found-presentation.ts';
import type { Clock } from './lookup-cache.ts';
import { type ManifestText, ManifestTexts } from './manifest-texts.ts';
import { OriginError } from './origin-errors.ts';
import type { Content } from './origin-response.ts';

const HLS_TYPE = 'application/vnd.apple.mpegurl';
const DASH_TYPE = 'application/dash+xml';
const SMOOTH_TYPE = 'text/xml; charset=utf-8';

export interface ManifestAnswersDeps {
  readonly hold: FirstFragmentHold;
  readonly clock: Clock;
  readonly writeMpd: (index: PresentationIndex, options: MpdOptions) => string;
}

/** What a manifest has of its request beside the form. */
export interface ManifestViewer {
  /** As it was asked for. */
  readonly url: string;
  /** Where this origin tells the time. */
  readonly utcTimingUrl: string;
  readonly onGone: OnGone;
}

/** Answers with manifests: as text they are built once for all who ask the same of the same index. */
export class ManifestAnswers {
  readonly #deps: ManifestAnswersDeps;
  readonly #texts = new ManifestTexts();

  constructor(deps: ManifestAnswersDeps) {
    this.#deps = deps;
  }

  /** Manifests of what has just begun wait for its first fragment, but for the multivariant playlist. */
  async manifest(
    found: FoundPresentation,
    index: PresentationIndex,
    viewer: ManifestViewer,
  ): Promise<Content> {
    const now = this.manifestNow(found, index);
    if (now !== undefined) return now;
    return isSmooth(found) ? this.#smooth(found, index, viewer) : this.#mpd(found, index, viewer);
  }

  /** Never waits: that it answers is how others know that an encoder is sending. */
  manifestNow(found: FoundPresentation, index: PresentationIndex): Content | undefined {
    if (!isHls(found)) return undefined;
    const shown = shownIndex(found, index);
    const { form } = found.request;
    const { protection } = found;
    const text = this.#text(found, shown, 'multivariant', () =>
      writeMultivariantPlaylist(shown, { form, protection }),
    );
    return manifestContent(found, { index, text, contentType: HLS_TYPE });
  }

  /** Throws `MPE_EGRESS_TRACK_NOT_FOUND` when it is gone meanwhile. */
  async mediaPlaylist(
    found: FoundPresentation,
    known: PresentationIndex,
    { folder, onGone }: { readonly folder: string; readonly onGone: OnGone },
  ): Promise<Content> {
    const isComplete = (index: PresentationIndex) => isPlaylistComplete(index, folder);
    const index = await this.#deps.hold.until(found.source, known, { isComplete, onGone });
    const track = shownIndex(found, index).tracks.find((candidate) => candidate.track.folder === folder);
    if (track === undefined) throw new OriginError('MPE_EGRESS_TRACK_NOT_FOUND', 'the track is gone');
    return this.#playlist(found, index, track);
  }

  mediaPlaylistNow(
    found: FoundPresentation,
    index: PresentationIndex,
    track: TrackIndex,
  ): Content | undefined {
    return isPlaylistComplete(index, track.track.folder) ? this.#playlist(found, index, track) : undefined;
  }

  #playlist(found: FoundPresentation, index: PresentationIndex, track: TrackIndex): Content {
    const shown = shownIndex(found, index);
    const { protection, request } = found;
    const { form } = request;
    const isKeyFrames = request.kind === 'mediaPlaylist' && request.isKeyFrames;
    const what = `${isKeyFrames ? 'keyFrames' : 'media'}!${track.track.folder}`;
    const text = this.#text(found, shown, what, () =>
      playlistText(shown, track, { form, protection, isKeyFrames }),
    );
    return manifestContent(found, { index, text, contentType: HLS_TYPE });
  }

  async #mpd(
    found: FoundPresentation,
    known: PresentationIndex,
    { url, utcTimingUrl, onGone }: ManifestViewer,
  ): Promise<Content> {
    const isClosing = knowsEnd(url);
    // Another process may have told the end that this one is about to see.
    const isComplete = isClosing ? hasEnded : isMpdComplete;
    const index = await this.#deps.hold.until(found.source, known, { isComplete, onGone });
    const nowMs = this.#deps.clock.nowMs();
    const phase = mpdPhaseOf(index, nowMs, isClosing);
    const closedUrl = phase === 'closing' ? closedUrlOf(url) : '';
    const shown = shownIndex(found, index);
    const text = this.#text(found, shown, `mpd!${phase}!${closedUrl}!${utcTimingUrl}`, () =>
      this.#deps.writeMpd(shown, {
        form: found.request.form,
        protection: found.protection,
        ...{ nowMs, utcTimingUrl, knowsEnd: isClosing, closedUrl },
      }),
    );
    const isLive = phase !== 'onDemand';
    return manifestContent(found, { index, text, contentType: DASH_TYPE, isLive });
  }

  async #smooth(
    found: FoundPresentation,
    known: PresentationIndex,
    { onGone }: ManifestViewer,
  ): Promise<Content> {
    const index = await this.#deps.hold.until(found.source, known, { isComplete: isSmoothComplete, onGone });
    const shown = shownIndex(found, index);
    const { form } = found.request;
    const { protection } = found;
    const text = this.#text(found, shown, 'smooth', () => writeSmoothManifest(shown, { form, protection }));
    return manifestContent(found, { index, text, contentType: SMOOTH_TYPE });
  }

  #text(
    { protection, request }: FoundPresentation,
    index: PresentationIndex,
    what: string,
    write: () => string,
  ): ManifestText {
    return this.#texts.get(
      index,
      `${protection?.version ?? 'clear'}!${writeForm(request.form)}!${what}`,
      write,
    );
  }
}

function playlistText(...of: Parameters<typeof writeMediaPlaylist>): string {
  try {
    return writeMediaPlaylist(...of);
  } catch (error) {
    if (error instanceof HlsSegmentTooLarge) throw new OriginError(error.code, error.message);
    throw error;
  }
}

const isHls = ({ request }: FoundPresentation): boolean => request.form.format.startsWith('m3u8');

function hasEnded({ state }: PresentationIndex): boolean {
  return state === 'ended';
}

function manifestContent(
  found: FoundPresentation,
  made: {
    readonly index: PresentationIndex;
    readonly text: ManifestText;
    readonly contentType: string;
    readonly isLive?: boolean;
  },
): Content {
  const { index, text, contentType, isLive = index.state === 'live' } = made;
  const content = { kind: 'manifest', isLive, targetDurationSeconds: reloadSeconds(index) } as const;
  return {
    ...text,
    contentType,
    cacheControl: cacheControlOf(found, content),
  };
}

/** A new fragment can be expected after as long as the last one took. */
function reloadSeconds(index: PresentationIndex): number {
  let durationTicks = 0;
  for (const { fragments } of index.tracks) {
    durationTicks = Math.max(durationTicks, fragments.at(-1)?.durationTicks ?? 0);
  }
  return Math.round(durationTicks / TICKS_PER_SECOND);
}
