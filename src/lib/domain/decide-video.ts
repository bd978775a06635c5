import { hasKeyPolicy } from './decide-programs.ts';
import {
  awaitsVideoPublishing,
  hasBegun,
  isClosed,
  isUpload,
  type Video,
  wantsVideoPublished,
} from './video.ts';
import type { VideoSnapshot } from './video-snapshot.ts';

export type VideoStep =
  | {
      readonly kind:
        | 'createInput'
        | 'submit'
        | 'adopt'
        | 'createKeys'
        | 'applyKeyPolicy'
        | 'applyDeliveryPolicy'
        | 'publish'
        | 'unpublish'
        | 'publishImages'
        | 'unpublishImages';
    }
  | { readonly kind: 'forget' }
  | { readonly kind: 'addCaption'; readonly caption: string }
  | { readonly kind: 'removeAttempt'; readonly attempt: number };

const step = <K extends VideoStep['kind']>(kind: K): { readonly kind: K } => ({ kind });

/** What a video needs next; steps of one answer do not depend on each other. */
export function decideVideo(snapshot: VideoSnapshot): readonly VideoStep[] {
  if (snapshot.video.deleted) return decideRemoval(snapshot);
  return [
    ...decideEncoding(snapshot),
    ...decidePublishing(snapshot),
    ...decideImages(snapshot),
    ...decideTidying(snapshot),
  ];
}

function decideEncoding({ video, inputAsset, job }: VideoSnapshot): readonly VideoStep[] {
  if (isUpload(video.settings.source) && inputAsset === 'absent') return [step('createInput')];
  if (hasBegun(video)) return job === undefined ? [step('submit')] : [];
  const { attempt, media, error } = video;
  const isToAdopt = attempt?.state === 'finished' && media?.attempt !== attempt.number && error === null;
  if (isToAdopt) return [step('adopt')];
  return (media?.captions ?? [])
    .filter(({ state }) => state === 'wanted')
    .map(({ name }) => ({ kind: 'addCaption', caption: name }));
}

/** Encoded, and what is shown with it is there. */
export const isPlayable = ({ media }: Video): boolean =>
  media?.captions.every(({ state }) => state !== 'wanted') === true;

/** Who gets keys comes before how it is delivered, and both before anybody is let in. */
function decidePublishing(snapshot: VideoSnapshot): readonly VideoStep[] {
  const { video, locator, nowMs } = snapshot;
  const isOpen = wantsVideoPublished(video, nowMs);
  // What viewers have stays while something else is made of it.
  if (!isOpen && locator !== 'absent') return [step('unpublish')];
  const wanted = isOpen && isPlayable(video);
  const protection = decideProtection(snapshot, wanted);
  if (protection.length > 0 || !wanted || !isProtected(snapshot)) return protection;
  if (locator === 'outdated') return [step('unpublish')];
  return locator === 'absent' ? [step('publish')] : [];
}

/** Content keys are made as soon as they will be needed; policies while it is encoded, so that mistakes show early. */
function decideProtection(
  { video, protection, nowMs }: VideoSnapshot,
  wanted: boolean,
): readonly VideoStep[] {
  if (protection === undefined) return [];
  const isStale = protection.keyPolicy === 'stale';
  if (!wanted && !awaitsVideoPublishing(video, nowMs) && !isStale) return [];
  const keys = protection.missingKeys.length > 0 ? [step('createKeys')] : [];
  if (!wanted && !isStale && video.attempt === null) return keys;
  if (!hasKeyPolicy(protection)) return [...keys, step('applyKeyPolicy')];
  if (protection.deliveryPolicy === 'absent') return [...keys, step('applyDeliveryPolicy')];
  return keys;
}

const isProtected = ({ protection }: VideoSnapshot): boolean =>
  protection !== undefined &&
  hasKeyPolicy(protection) &&
  protection.deliveryPolicy !== 'absent' &&
  protection.missingKeys.length === 0;

export const hasImages = ({ media }: Video): boolean =>
  media !== null && (media.poster !== null || media.sprites !== null);

/** Pictures are there for editors before viewers are let in, and for nobody once they are kept out. */
function decideImages({ video, imagesLocator, nowMs }: VideoSnapshot): readonly VideoStep[] {
  const wanted = hasImages(video) && !isClosed(video, nowMs);
  if (imagesLocator === 'outdated' || (!wanted && imagesLocator !== 'absent'))
    return [step('unpublishImages')];
  return wanted && imagesLocator === 'absent' ? [step('publishImages')] : [];
}

/** Earlier encodings go when nobody is led to them any more. */
function decideTidying({ video, locator, imagesLocator }: VideoSnapshot): readonly VideoStep[] {
  if (locator === 'outdated' || imagesLocator === 'outdated') return [];
  return video.stale.map(({ number }) => ({ kind: 'removeAttempt', attempt: number }));
}

function decideRemoval({ video, locator, imagesLocator }: VideoSnapshot): readonly VideoStep[] {
  const closing: readonly VideoStep[] = [
    ...(locator === 'absent' ? [] : [step('unpublish')]),
    ...(imagesLocator === 'absent' ? [] : [step('unpublishImages')]),
  ];
  if (closing.length > 0) return closing;
  if (video.stale.length > 0)
    return video.stale.map(({ number }) => ({ kind: 'removeAttempt', attempt: number }));
  return [step('forget')];
}
