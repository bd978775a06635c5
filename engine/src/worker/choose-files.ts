import type { ListedBlob } from './job-blobs.ts';
import { jobFailure } from './job-errors.ts';

/** What stands beside media and is none. */
const NO_MEDIA = /\.(?:ism|ismc|mpi|json|vtt|ttml|srt|xml|txt|jpe?g|png|gif|zip|m3u8|mpd|key)$/i;
const MANIFEST = /\.ism$/i;
/** Where our own recordings have their index, which is there before there is a server manifest. */
const RECORDING = /\.headend$/;
const FILES_MAX = 50;

export type ChosenFiles =
  | { readonly kind: 'files'; readonly names: readonly string[] }
  /** A live archive: fragments, of which the manifest says what they are. */
  | { readonly kind: 'recording'; readonly manifestName: string };

/**
 * Which files of an asset an input means: those that it names; with a server manifest (named, or there and nothing
 * named) all that it stands beside; else the only one, or the largest. Throws `JobFailure`.
 */
export function chooseFiles(
  named: readonly string[],
  listed: readonly ListedBlob[],
  folders: readonly string[] = [],
): ChosenFiles {
  const media = listed.filter(({ name }) => !NO_MEDIA.test(name));
  const manifests = (named.length > 0 ? named : listed.map(({ name }) => name)).filter((name) =>
    MANIFEST.test(name),
  );
  const [manifest] = manifests;
  if (manifest !== undefined && media.length === 0) {
    return { kind: 'recording', manifestName: manifest.replace(MANIFEST, '') };
  }
  if (manifest !== undefined)
    return { kind: 'files', names: media.slice(0, FILES_MAX).map(({ name }) => name) };
  if (named.length > 0) return { kind: 'files', names: named };
  const recorded = folders.find((name) => RECORDING.test(name));
  if (media.length === 0 && recorded !== undefined) {
    return { kind: 'recording', manifestName: recorded.replace(RECORDING, '') };
  }
  const [largest] = (media.length > 0 ? media : listed).toSorted(
    (left, right) => right.sizeBytes - left.sizeBytes || (left.name < right.name ? -1 : 1),
  );
  if (largest === undefined)
    throw jobFailure('DownloadNotAccessible', 'There is no file in the asset of the input.');
  return { kind: 'files', names: [largest.name] };
}
