import type { PresentationIndex } from '../../src/model/presentation.ts';
import type { TrackSettings } from '../../src/model/track.ts';
import {
  high180,
  high1080,
  main180,
  presentation,
  SECOND,
  START_TICKS,
  stereo44,
  stereo48,
  track,
  trackIndex,
} from './presentations.ts';

const high = track('video', { ordinal: 1, bitrateBps: 2_500_000, formats: [high1080] });
const low = track('video', { ordinal: 2, bitrateBps: 400_000, formats: [high180, main180] });
const sound = track('audio', { ordinal: 3, bitrateBps: 128_000, formats: [stereo48, stereo44] });
const german = {
  ...track('audio', { ordinal: 4, bitrateBps: 64_000, formats: [stereo48] }),
  streamName: 'kommentar',
  folder: 'kommentar_64000',
  label: 'Kommentar & Ton',
  language: 'de-AT',
};
const english = { ...sound, language: 'en' };
/** Captions are wherever the picture is. */
const captions = (
  name: string,
  options: { readonly ordinal: number; readonly language: string; readonly label: string },
  settings: TrackSettings,
) => ({
  ...track('text', {
    ordinal: options.ordinal,
    bitrateBps: 200,
    formats: [
      {
        kind: 'wvtt',
        configurationRecord: new TextEncoder().encode('WEBVTT'),
        codecString: 'wvtt',
        zeroTicks: at(0),
      },
    ],
  }),
  ...options,
  streamName: name,
  folder: `${name}_200`,
  settings,
  isReplaceable: true as const,
});
const at = (seconds: number) => START_TICKS + seconds * SECOND;
const five = [{ startTicks: at(0), count: 5 }];

/** When the documents are asked for. */
export const GOLDEN_NOW_MS = Date.UTC(2026, 4, 3, 19, 34);

/** Every shape of presentation whose documents are kept in `engine/test/golden`. */
export const goldenCases: readonly {
  readonly name: string;
  readonly index: PresentationIndex;
  readonly knowsEnd?: boolean;
}[] = [
  {
    name: 'live-two-rungs',
    index: presentation([trackIndex(high, five), trackIndex(low, five), trackIndex(sound, five)]),
  },
  {
    name: 'live-languages',
    index: presentation([trackIndex(low, five), trackIndex(english, five), trackIndex(german, five)]),
  },
  {
    name: 'live-late-rung',
    index: presentation([
      trackIndex(high, five),
      trackIndex(low, [{ startTicks: at(6), count: 2 }]),
      trackIndex(sound, five),
    ]),
  },
  {
    name: 'live-late-rung-without-fragments',
    index: presentation([trackIndex(high, five), trackIndex(low, []), trackIndex(sound, five)]),
  },
  {
    // The encoder comes back at 20 s with another video; at 60 s the audio alone changes; at 80 s the first video is back.
    name: 'live-format-changes',
    index: presentation([
      trackIndex(low, [
        { startTicks: at(0), count: 2 },
        { startTicks: at(20), count: 30, discontinuity: 1, formatIndex: 1 },
        { startTicks: at(80), count: 2, discontinuity: 2, formatIndex: 0 },
      ]),
      trackIndex(sound, [
        { startTicks: at(0), count: 2 },
        { startTicks: at(20.021), count: 20, discontinuity: 1 },
        { startTicks: at(60.021), count: 10, discontinuity: 1, formatIndex: 1 },
        { startTicks: at(80.021), count: 2, discontinuity: 2, formatIndex: 1 },
      ]),
    ]),
  },
  {
    // What came before is forgotten but for the last change of format and the longest fragment.
    name: 'live-rewind-window',
    index: presentation(
      [
        {
          ...trackIndex(low, [{ startTicks: at(20), count: 12, discontinuity: 1, formatIndex: 1 }]),
          removed: { longestTicks: 4 * SECOND, formatSinceTicks: at(12) },
        },
        trackIndex(sound, [{ startTicks: at(20), count: 12, discontinuity: 1 }]),
      ],
      { rewindTicks: 7 * SECOND },
    ),
  },
  {
    name: 'live-gap',
    index: presentation([
      trackIndex(low, [
        { startTicks: at(0), count: 3 },
        { startTicks: at(10), count: 3 },
      ]),
      trackIndex(sound, [{ startTicks: at(0), count: 8 }]),
    ]),
  },
  {
    name: 'ended',
    index: presentation(
      [
        trackIndex(high, [...five, { startTicks: at(10), count: 1, durationTicks: 0.04 * SECOND }]),
        trackIndex(sound, [{ startTicks: at(0.021), count: 5 }]),
      ],
      { state: 'ended', rewindTicks: 4 * SECOND },
    ),
  },
  {
    name: 'ended-format-change',
    index: presentation(
      [
        trackIndex(low, [
          { startTicks: at(0), count: 2 },
          { startTicks: at(20), count: 2, discontinuity: 1, formatIndex: 1 },
        ]),
        trackIndex(sound, [
          { startTicks: at(0), count: 2 },
          { startTicks: at(19.979), count: 2, discontinuity: 1 },
        ]),
      ],
      { state: 'ended' },
    ),
  },
  ...(['closing', 'closed'] as const).map((phase) => ({
    name: `ended-${phase}`,
    knowsEnd: phase === 'closed',
    index: presentation(
      [
        trackIndex(high, [...five, { startTicks: at(10), count: 1, durationTicks: 0.04 * SECOND }]),
        trackIndex(sound, [{ startTicks: at(0.021), count: 5 }]),
      ],
      { state: 'ended', endedAtMs: GOLDEN_NOW_MS - 1_000 },
    ),
  })),
  {
    name: 'ended-tracks',
    index: presentation(
      [
        trackIndex(high, five),
        trackIndex(low, five),
        trackIndex(english, five),
        trackIndex(
          {
            ...german,
            settings: {
              isDescription: true,
              role: 'alternate',
              characteristics: 'public.accessibility.describes-video',
            },
          },
          five,
        ),
        trackIndex(
          captions(
            'cc',
            { ordinal: 5, language: 'en', label: 'English <CC>' },
            {
              isDefault: true,
              characteristics:
                'public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound',
            },
          ),
          five,
        ),
        trackIndex(
          captions('zwang', { ordinal: 6, language: 'de-AT', label: 'English <CC>' }, { isForced: true }),
          five,
        ),
      ],
      { state: 'ended', zeroMs: 'unknown' },
    ),
  },
  { name: 'live-audio-only', index: presentation([trackIndex(sound, five)]) },
  {
    name: 'live-without-fragments',
    index: presentation([trackIndex(high, []), trackIndex(low, []), trackIndex(sound, [])]),
  },
];
