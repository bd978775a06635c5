import type { EncodingRequest } from './encoding-request.ts';
import { framesPerSecond } from './frame-rate.ts';
import type { SeenSource } from './ladders.ts';
import { type Filters, seenSize } from './picture-work.ts';
import type { Ratio, SourceVideo } from './source.ts';
import { CLIPS_MAX, frameCountOf, type PlacedClip, placeClip } from './timeline.ts';
import { notConfigurable, notSupported } from './unplannable.ts';

/** What is there to encode. */
export interface Survey {
  readonly request: EncodingRequest;
  readonly filters: Filters;
  readonly clips: readonly PlacedClip[];
  /** Of the first clip that has pictures, whose size and rate the others take; undefined: there is sound only. */
  readonly pictures: (SeenSource & { readonly video: SourceVideo }) | undefined;
  /** Of the first file: what outputs are named after. */
  readonly sourceName: string;
}

export const NO_FILTERS: Filters = { rotation: 'Auto' };

/** Throws `Unplannable`. */
export function survey(request: EncodingRequest, filters: Filters = NO_FILTERS): Survey {
  if (request.clips.length > CLIPS_MAX) {
    throw notConfigurable(
      `The input has ${request.clips.length} clips, at most ${CLIPS_MAX} are put together.`,
    );
  }
  const clips = request.clips.map(placeClip);
  const sourceName = request.clips[0]?.files[0]?.name ?? '';
  const first = clips.find(({ video }) => video !== undefined)?.video;
  if (first === undefined) return { request, filters, clips, pictures: undefined, sourceName };
  const { video, file } = first;
  const heardBps = file.audio.reduce((sum, { bitrateBps = 0 }) => sum + bitrateBps, 0);
  const restBps = file.bitrateBps === undefined ? undefined : Math.max(1, file.bitrateBps - heardBps);
  const pictures = {
    video,
    size: seenSize(video, filters),
    rate: video.frameRate,
    bitrateBps: video.bitrateBps ?? restBps,
  };
  return { request, filters, clips, pictures, sourceName };
}

/** What has pictures, for presets that need them. Throws `Unplannable`. */
export function picturesOf({ pictures, sourceName }: Survey): NonNullable<Survey['pictures']> {
  if (pictures === undefined)
    throw notSupported(`'${sourceName}' has no pictures, which the preset encodes.`);
  return pictures;
}

/** Frames of each clip at a rate; in a sequence each lasts as long as what is longest in it. */
export function framesOfClips(clips: readonly PlacedClip[], rate: Ratio): readonly number[] {
  const [only] = clips;
  if (clips.length === 1 && only?.video !== undefined) return [frameCountOf(only, rate)];
  return clips.map(({ durationSeconds }) => Math.max(1, Math.round(durationSeconds * framesPerSecond(rate))));
}
