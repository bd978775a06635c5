import { endsAsStated, lengthOf, windowAtEnd, withMeasuredLength } from '../encoding/measured-length.ts';
import type { SourceFile } from '../encoding/source.ts';
import { type PacketsEnd, type PacketsWanted, readPackets } from '../ffmpeg/read-packets.ts';
import type { WorkingFolder } from '../ffmpeg/working-folder.ts';
import { failureOfRun } from './job-errors.ts';
import { ffmpegOf, type WorkerTools, type WorkshopSettings } from './workshop.ts';

/**
 * What browsers and recorders write as it comes does not say how long it lasts, and some files say it wrongly: then all
 * packets are counted, once the end has shown it. Throws `JobFailure` for a file that breaks off.
 */
export async function settleLength(
  source: SourceFile,
  workshop: Pick<WorkerTools, 'ffmpeg'> & { readonly settings: Pick<WorkshopSettings, 'bounds'> },
  { folder, signal }: { readonly folder: WorkingFolder; readonly signal: AbortSignal },
): Promise<SourceFile> {
  const read = (window?: PacketsWanted['window']): Promise<PacketsEnd> =>
    readPackets(
      ffmpegOf(workshop),
      source.path,
      { sizeBytes: source.sizeBytes, ...(window === undefined ? {} : { window }) },
      { folder, bounds: workshop.settings.bounds, signal },
    );
  const length = lengthOf(source);
  if (length === 'sure') return source;
  if (length === 'doubtful') {
    const atEnd = await read(windowAtEnd(source));
    if (atEnd.kind === 'read' && endsAsStated(source, atEnd.streams)) return source;
  }
  const all = await read();
  if (all.kind === 'failed') throw failureOfRun(all, `'${source.name}'`);
  return withMeasuredLength(source, all.streams);
}
