import type { TrackIndex } from '../model/presentation.ts';
import type { Track } from '../model/track.ts';

/** What is asked of a track; all text is compared without letter case. */
export interface TrackCondition {
  readonly property: 'type' | 'name' | 'language' | 'fourCc' | 'bitrate';
  /** Of a bitrate `2427000`, or a range of two that both belong to it, `0-2427000`. */
  readonly value: string;
  /** False: the track must not have the value. */
  readonly isEqual: boolean;
}

/** A track is chosen that meets every condition of any of these; none at all: every track is. */
export type TrackSelections = readonly (readonly TrackCondition[])[];

export function isSelected(track: Track, selections: TrackSelections): boolean {
  return (
    selections.length === 0 || selections.some((conditions) => conditions.every((one) => meets(track, one)))
  );
}

function meets(track: Track, { property, value, isEqual }: TrackCondition): boolean {
  const wanted = value.toLowerCase();
  const has =
    property === 'bitrate' ? isWithin(track.bitrateBps, wanted) : namesOf(track)[property].includes(wanted);
  return has === isEqual;
}

const LANGUAGE_UNKNOWN = 'und';

/** Everything that a track goes by, in lower case. */
function namesOf(track: Track): Readonly<Record<'type' | 'name' | 'language' | 'fourCc', readonly string[]>> {
  const { type, streamName, label = streamName, language = LANGUAGE_UNKNOWN } = track;
  return {
    type: [type],
    name: [streamName.toLowerCase(), label.toLowerCase()],
    language: [language.toLowerCase()],
    fourCc: fourCcsOf(track),
  };
}

/** One codec with its parameter sets in the header or in the samples: who filters means the codec. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  avc1: 'avc3',
  avc3: 'avc1',
  hvc1: 'hev1',
  hev1: 'hvc1',
};

/** Of all its formats: a track may change its codec. */
function fourCcsOf({ formats }: Track): readonly string[] {
  return formats.flatMap((format) => {
    const [fourCc = ''] = format.kind === 'data' ? [format.sampleEntry] : format.codecString.split('.');
    const name = fourCc.toLowerCase();
    const other = OTHER_NAMES[name];
    return other === undefined ? [name] : [name, other];
  });
}

function isWithin(bitrateBps: number, range: string): boolean {
  const [low = Number.NaN, high = low] = range.split('-').map(Number);
  return low <= bitrateBps && bitrateBps <= high;
}

/**
 * The tracks with the picture that players begin with before the others: manifests list them in this order. It is the
 * best one of at most `firstBps`, else the lowest there is.
 */
export function orderByFirstQuality(tracks: readonly TrackIndex[], firstBps: number): readonly TrackIndex[] {
  const videos = tracks
    .filter(({ track }) => track.type === 'video')
    .toSorted((a, b) => a.track.bitrateBps - b.track.bitrateBps);
  const first = videos.findLast(({ track }) => track.bitrateBps <= firstBps) ?? videos[0];
  return first === undefined ? tracks : [first, ...tracks.filter((one) => one !== first)];
}
