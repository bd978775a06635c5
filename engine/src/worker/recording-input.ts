import { open } from 'node:fs/promises';
import { runFFmpeg } from '../ffmpeg/run-ffmpeg.ts';
import type { WorkingFolder } from '../ffmpeg/working-folder.ts';
import { type ContainerPlace, containerRef } from '../resources/container-place.ts';
import { failureOfRun, jobFailure } from './job-errors.ts';
import type { RecordedTrack, Recording } from './recordings.ts';
import { ffmpegOf, type Workshop } from './workshop.ts';

const TICKS_PER_SECOND = 10_000_000;
const TICKS_PER_MILLISECOND = 10_000;
const AUDIOS_MAX = 16;
/** Longer than a fragment, and than sound is beside its picture. */
const MARGIN_MS = 30_000;
const READ_ATTEMPTS_MAX = 6;
const READ_PAUSE_MS = 1000;

interface RecordingSource {
  readonly place: ContainerPlace;
  readonly recording: Recording;
  /** Unix milliseconds of the clip, where it is by the clock. */
  readonly fromMs: number | undefined;
  readonly untilMs: number | undefined;
}

export interface BroughtRecording {
  /** When its first picture was taken, Unix milliseconds. */
  readonly startsAtMs: number | undefined;
}

interface Target {
  readonly folder: WorkingFolder;
  /** Below the working folder. */
  readonly path: string;
  readonly signal: AbortSignal;
  readonly onProgress: (share: number) => void;
}

/** The best picture and all sound of a recording as one MP4 file, its beginning at 0. Throws `JobFailure`. */
export async function bringRecording(
  workshop: Workshop,
  source: RecordingSource,
  target: Target,
): Promise<BroughtRecording> {
  const { recording } = source;
  const tracks = chosenTracks(withinTimes(source));
  const begin = Math.min(...tracks.map(({ fragments: [first] }) => first?.decodeTimeTicks ?? 0));
  const count = tracks.reduce((sum, { fragments }) => sum + fragments.length, 0);
  let done = 0;
  const paths: string[] = [];
  for (const [index, track] of tracks.entries()) {
    const path = `${target.path}-track-${index}`;
    paths.push(path);
    await writeTrack(workshop, containerRef(source.place), track, {
      path: await target.folder.place(path),
      signal: target.signal,
      onFragment: () => {
        done += 1;
        target.onProgress(done / count);
      },
    });
  }
  await joinTracks(workshop, { tracks, paths, beginSeconds: begin / TICKS_PER_SECOND }, target);
  return {
    startsAtMs: recording.zeroMs === undefined ? undefined : recording.zeroMs + begin / TICKS_PER_MILLISECOND,
  };
}

/** What lies around the times that are wanted: of a day, nobody needs all for a minute. */
function withinTimes({ recording, fromMs, untilMs }: RecordingSource): Recording {
  const { zeroMs } = recording;
  if (zeroMs === undefined) return recording;
  const ticksOf = (ms: number) => (ms - zeroMs) * TICKS_PER_MILLISECOND;
  const from = fromMs === undefined ? Number.NEGATIVE_INFINITY : ticksOf(fromMs - MARGIN_MS);
  const until = untilMs === undefined ? Number.POSITIVE_INFINITY : ticksOf(untilMs + MARGIN_MS);
  const tracks = recording.tracks.map((track) => ({
    ...track,
    fragments: track.fragments.filter(
      ({ decodeTimeTicks }) => decodeTimeTicks >= from && decodeTimeTicks <= until,
    ),
  }));
  return { ...recording, tracks };
}

function chosenTracks({ tracks }: Recording): readonly RecordedTrack[] {
  const whole = tracks.filter(({ fragments }) => fragments.length > 0);
  const videos = whole.filter(({ type }) => type === 'video');
  const best = videos.toSorted((left, right) => right.bitrateBps - left.bitrateBps).slice(0, 1);
  const chosen = [...best, ...whole.filter(({ type }) => type === 'audio').slice(0, AUDIOS_MAX)];
  if (chosen.length === 0) throw jobFailure('ContentUnsupported', 'There is nothing in the recording yet.');
  if (chosen.some(({ fragments }) => new Set(fragments.map((one) => one.formatIndex)).size > 1)) {
    throw jobFailure(
      'ContentUnsupported',
      'The recording changes its format in the middle: clip a part without.',
    );
  }
  return chosen;
}

async function writeTrack(
  { recordings }: Workshop,
  container: string,
  track: RecordedTrack,
  target: { readonly path: string; readonly signal: AbortSignal; readonly onFragment: () => void },
): Promise<void> {
  const file = await open(target.path, 'wx', 0o600);
  const read = (what: () => Promise<Uint8Array | undefined>) => readPatiently(what, target.signal);
  try {
    const header = await read(() =>
      recordings.header(container, track.folder, track.fragments[0]?.formatIndex ?? 0),
    );
    if (header === undefined)
      throw jobFailure('DownloadNotAccessible', 'The recording has lost its headers.');
    await file.appendFile(header);
    for (const { decodeTimeTicks } of track.fragments) {
      const bytes = await read(() => recordings.fragment(container, track.folder, decodeTimeTicks));
      // Its archive window has passed it.
      if (bytes !== undefined) await file.appendFile(bytes);
      target.onFragment();
    }
  } finally {
    await file.close();
  }
}

async function readPatiently<T>(read: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      return await read();
    } catch {
      if (attempt >= READ_ATTEMPTS_MAX) {
        throw jobFailure(
          'DownloadTransientError',
          'The recording could not be read: the storage does not answer.',
        );
      }
      await new Promise((resolve) => setTimeout(resolve, READ_PAUSE_MS * attempt));
    }
  }
}

async function joinTracks(
  workshop: Workshop,
  source: {
    readonly tracks: readonly RecordedTrack[];
    readonly paths: readonly string[];
    readonly beginSeconds: number;
  },
  { folder, path, signal }: Target,
): Promise<void> {
  const languages = source.tracks.flatMap(({ language }, index) =>
    language === undefined ? [] : [`-metadata:s:${index}`, `language=${language}`],
  );
  const end = await runFFmpeg(
    ffmpegOf(workshop),
    {
      arguments: [
        // Times as they are in the recording, so that picture and sound stay together.
        '-copyts',
        ...source.paths.flatMap((input) => ['-i', input]),
        ...source.paths.flatMap((_, index) => ['-map', String(index)]),
        ...['-c', 'copy', ...languages],
        ...['-output_ts_offset', (-source.beginSeconds).toFixed(6), '-f', 'mp4', path],
      ],
      writes: [path],
      texts: [],
      durationSeconds: 0,
    },
    { folder, bounds: workshop.settings.bounds, signal },
  );
  if (end.kind === 'failed') throw failureOfRun(end, 'The recording');
}
