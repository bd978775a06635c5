import { ivSaltOf } from '../encryption/initialization-vector.ts';
import type { PresentationIndex } from '../model/presentation.ts';
import type { Protection, ProtectionKey } from '../model/protection.ts';
import { isCaptions, type Track } from '../model/track.ts';
import type { EncryptedDelivery, TrackSelections } from './delivery-directory.ts';
import { OriginError } from './origin-errors.ts';

/** Of one locator; there are as many as manifests are asked for, by names that lead to a recording. */
const MANIFESTS_MAX = 32;

/** What a locator's keys make of a presentation. */
export interface TrackProtection extends Protection {
  /** The presentation without the tracks that may not be clear and have no key; the same again for the same index. */
  reduced(index: PresentationIndex): PresentationIndex;
  /** Of everything that manifests and headers tell. */
  readonly version: string;
}

const known = new WeakMap<EncryptedDelivery, Map<string, TrackProtection>>();

/** Throws `CONTENT_KEYS_UNAVAILABLE`. The same object again for the same delivery and manifest. */
export function trackProtectionOf(delivery: EncryptedDelivery, manifestName: string): TrackProtection {
  const ofDelivery = known.get(delivery) ?? new Map<string, TrackProtection>();
  known.set(delivery, ofDelivery);
  const made = ofDelivery.get(manifestName) ?? newProtection(delivery, manifestName);
  if (ofDelivery.size < MANIFESTS_MAX) ofDelivery.set(manifestName, made);
  return made;
}

function newProtection(delivery: EncryptedDelivery, manifestName: string): TrackProtection {
  const { scheme, keys, clearTracks, ivIdentity, version } = delivery;
  if (keys === undefined) {
    throw new OriginError('CONTENT_KEYS_UNAVAILABLE', 'the content keys cannot be had; the log says why');
  }
  const defaultKey = keys.find(({ tracks }) => tracks.length === 0)?.key;
  const answers = new WeakMap<Track, ProtectionKey | 'clear' | 'none'>();
  const look = (track: Track): ProtectionKey | 'clear' | 'none' => {
    // Captions are never encrypted, as in the original.
    if (isCaptions(track) || isSelected(clearTracks, track)) return 'clear';
    return keys.find(({ tracks }) => isSelected(tracks, track))?.key ?? defaultKey ?? 'none';
  };
  const answerFor = (track: Track) => {
    const answer = answers.get(track) ?? look(track);
    answers.set(track, answer);
    return answer;
  };
  /** Samples of sparse text have no encrypted form, and it may not be clear. */
  const isCarried = (track: Track): boolean =>
    track.type !== 'text' || isCaptions(track) || scheme === 'aes128';
  const indexes = new WeakMap<PresentationIndex, PresentationIndex>();
  return {
    scheme,
    ivSalt: ivSaltOf(ivIdentity, manifestName),
    version,
    keyOf(track) {
      const answer = answerFor(track);
      // Whoever asks encrypts what has a key and leaves the rest in the clear.
      if (answer === 'none') throw new OriginError('MPE_ENC_ENCRYPTION_REQUIRED', 'the track has no key');
      return answer === 'clear' ? undefined : answer;
    },
    reduced(index) {
      const reduced =
        indexes.get(index) ??
        withoutKeyless(index, (track) => isCarried(track) && answerFor(track) !== 'none');
      indexes.set(index, reduced);
      return reduced;
    },
  };
}

function withoutKeyless(index: PresentationIndex, hasAnswer: (track: Track) => boolean): PresentationIndex {
  const tracks = index.tracks.filter(
    ({ track }) => (track.type !== 'text' || isCaptions(track)) && hasAnswer(track),
  );
  return tracks.length === index.tracks.length ? index : { ...index, tracks };
}

function isSelected(selections: TrackSelections, track: Track): boolean {
  return selections.some(
    (conditions) => conditions.length > 0 && conditions.every((fourCc) => isFourCc(track, fourCc)),
  );
}

/** Names of one coding that differ in where its parameter sets are: what a policy says of one goes for both. */
const SAME_CODING: readonly (readonly string[])[] = [
  ['avc1', 'avc3'],
  ['hvc1', 'hev1'],
];

function isFourCc({ formats }: Track, wanted: string): boolean {
  return formats.length > 0 && formats.every((format) => namesOf(format.codecString).includes(wanted));
}

/** Of `avc1.64001f`, `avc1` and what is the same. */
function namesOf(codecString: string): readonly string[] {
  const [name = ''] = codecString.split('.', 1);
  return SAME_CODING.find((names) => names.includes(name)) ?? [name];
}
