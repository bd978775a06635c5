import { readdir, stat } from 'node:fs/promises';
import type { VideoFindings } from '../analysis/video-findings.ts';
import {
  readWatching,
  thumbnailRuns,
  thumbnailsOf,
  WATCHING_FILES,
  watchingRun,
  withThumbnails,
} from '../analysis/watching.ts';
import type { OutputFile } from '../encoding/encoding-plan.ts';
import { framesPerSecond } from '../encoding/frame-rate.ts';
import type { VideoTrack } from '../encoding/input-tracks.ts';
import { runFFmpeg } from '../ffmpeg/run-ffmpeg.ts';
import { readNotes } from './analysis-listening.ts';
import { type Analysis, partOf } from './analysis-task.ts';
import { failureOfRun } from './job-errors.ts';
import { ffmpegOf } from './workshop.ts';

/** Of the time that watching takes: the rest is for thumbnails. */
const SEEN = 0.9;

/** Reads the pictures once, and those that stand for shots again. Throws `JobFailure`. */
export async function watch(
  analysis: Analysis,
  { file, video }: VideoTrack,
  onProgress: (share: number) => void,
): Promise<{ readonly findings: VideoFindings; readonly files: readonly OutputFile[] }> {
  const { workshop, folder, signal, clip } = analysis;
  const programs = ffmpegOf(workshop);
  const { bounds } = workshop.settings;
  const part = partOf(analysis, file, video);
  const seen = await runFFmpeg(programs, watchingRun(part, video.streamIndex), {
    folder,
    bounds,
    signal,
    onProgress: (share) => onProgress(share * SEEN),
  });
  if (seen.kind === 'failed') throw failureOfRun(seen, `'${file.name}'`);
  const findings = readWatching(
    {
      cuts: await readNotes(folder, WATCHING_FILES.cuts),
      blackStarts: await readNotes(folder, WATCHING_FILES.blackStarts),
      blackEnds: await readNotes(folder, WATCHING_FILES.blackEnds),
      frozenStarts: await readNotes(folder, WATCHING_FILES.frozenStarts),
      frozenEnds: await readNotes(folder, WATCHING_FILES.frozenEnds),
      detail: await readNotes(folder, WATCHING_FILES.detail),
    },
    {
      durationMs: Math.round(clip.pictureSeconds * 1000),
      frameMs: 1000 / framesPerSecond(video.frameRate),
    },
  );
  const thumbnails = thumbnailsOf(findings.shots);
  const runs = thumbnailRuns(part, video.streamIndex, thumbnails);
  for (const [index, run] of runs.entries()) {
    // A file that cannot be sought in has no thumbnails: what was found of it counts all the same.
    await runFFmpeg(programs, run, { folder, bounds, signal });
    onProgress(SEEN + ((1 - SEEN) * (index + 1)) / runs.length);
  }
  const written = await filesThere(
    analysis,
    thumbnails.map(({ name }) => name),
  );
  return {
    findings: withThumbnails(findings, thumbnails, (name) => written.has(name)),
    files: thumbnails
      .filter(({ name }) => written.has(name))
      .map(({ name }) => ({ kind: 'made', name, path: name, contentType: 'image/jpeg' })),
  };
}

async function filesThere({ folder }: Analysis, names: readonly string[]): Promise<ReadonlySet<string>> {
  const there = new Set(await readdir(folder.path));
  const written = new Set<string>();
  for (const name of names) {
    if (there.has(name) && (await stat(folder.resolve(name))).size > 0) written.add(name);
  }
  return written;
}
