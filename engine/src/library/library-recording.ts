import { MalformedFragment } from '../formats/isobmff/malformed-fragment.ts';
import { parseMovieHeader, type TrackHeader } from '../formats/isobmff/movie-header-reader.ts';
import type { FileTrack } from '../formats/isobmff/sample-table-reader.ts';
import { readTrackFormat } from '../formats/isobmff/track-format.ts';
import { type ListedStream, parseClientManifest } from '../manifests/client-manifest-reader.ts';
import {
  type ListedTrack,
  type ListedTracks,
  parseServerManifest,
} from '../manifests/server-manifest-reader.ts';
import { MalformedXml } from '../manifests/xml-document.ts';
import type { Track, TrackFormat } from '../model/track.ts';
import { TICKS_PER_SECOND } from '../time/timescale.ts';
import {
  archiveTrack,
  firstTicksOf,
  lastTicksOf,
  openArchiveFolder,
  type StoredFragments,
} from './archive-track.ts';
import { CAPTION_BITRATE_BPS, type Captions, captionFormat, captionTrack, readCaptions } from './captions.ts';
import { openFragmentedFile } from './fragmented-file.ts';
import { leadOf } from './lead-track.ts';
import type { LibraryContainer, LibraryTrack, Unreadable } from './library-container.ts';
import { readMp4File } from './mp4-file.ts';
import {
  bitrateOf,
  cutAtKeyFrames,
  cutAtTimes,
  cutsFrom,
  decodeTicksOf,
  everyTwoSeconds,
  type FragmentStarts,
} from './mp4-fragments.ts';
import { mp4Track } from './mp4-track.ts';
import { type DescribedTrack, trackIdentities } from './track-identity.ts';

/** An asset of the original service, or files that somebody has encoded, as one of our recordings. */
export interface LibraryRecording {
  readonly tracks: readonly LibraryTrack[];
  readonly unreadable: readonly Unreadable[];
  /** Unix milliseconds of tick 0; undefined: the times are those of the media alone. */
  readonly zeroMs: number | undefined;
  /** As in `PresentationIndex`. */
  readonly filesZeroTicks: number | undefined;
}

const MANIFEST_BYTES_MAX = 1024 * 1024;
const CLIENT_MANIFEST_BYTES_MAX = 32 * 1024 * 1024;
const HEADER_BYTES_MAX = 1024 * 1024;
/** Times after 2000 and before 2100, counted from 1970 in ticks, are taken for times of day. */
const DATES = { from: 9_466_848_000_000_000n, to: 41_024_448_000_000_000n } as const;

/**
 * Reads `{manifestName}.ism` of a container and what it refers to: MP4 files, and folders of fragments. Undefined: there
 * is no such manifest, or it is none. What is in it and cannot be read is told and left out.
 */
export async function openLibraryRecording(
  container: LibraryContainer,
  manifestName: string,
): Promise<LibraryRecording | undefined> {
  const listed = await readListed(container, manifestName);
  if (listed === undefined) return undefined;
  const unreadable: Unreadable[] = [];
  const streams = await readStreams(container, manifestName);
  const opened: OpenedTrack[] = [];
  const texts: OpenedText[] = [];
  for (const track of listed.tracks) {
    if (track.isHidden === true) continue;
    const outcome =
      track.type === 'text' ? await openText(container, track) : await openTrack(container, track, streams);
    if ('reason' in outcome) unreadable.push(outcome);
    else if ('captions' in outcome) texts.push(outcome);
    else opened.push(outcome);
  }
  return { ...onOneTimeline(container, { opened, texts }, manifestName), unreadable };
}

interface OpenedText {
  readonly listed: ListedTrack;
  readonly captions: Captions;
}

/** The file that the text was made of, else what the original made of it (`.cmft`). */
async function openText(container: LibraryContainer, listed: ListedTrack): Promise<OpenedText | Unreadable> {
  const { source, transcriptSource } = listed;
  const fileName = [transcriptSource, source].find((name) =>
    /^[^/\\]+\.(?:vtt|ttml|dfxp|cmft)$/i.test(name ?? ''),
  );
  if (fileName === undefined) return { source, reason: 'text is served of WebVTT, TTML and CMAF files only' };
  const captions = await readCaptions(container, fileName);
  return 'reason' in captions ? { source: fileName, reason: captions.reason } : { listed, captions };
}

interface Listed {
  readonly listed: ListedTrack;
  readonly header: TrackHeader;
}
type OpenedMedia = Listed &
  (
    | { readonly kind: 'file'; readonly file: FileTrack }
    | { readonly kind: 'fragments'; readonly stored: StoredFragments }
  );
type OpenedTrack = OpenedMedia & { readonly format: TrackFormat };

async function readListed(
  container: LibraryContainer,
  manifestName: string,
): Promise<ListedTracks | undefined> {
  const bytes = await container.read(`${manifestName}.ism`, { offset: 0, sizeBytes: MANIFEST_BYTES_MAX });
  if (bytes === undefined) return undefined;
  try {
    return parseServerManifest(new TextDecoder().decode(bytes));
  } catch (error) {
    if (error instanceof MalformedXml) return undefined;
    throw error;
  }
}

/** None where there is no client manifest that can be read: blobs' names say enough. */
async function readStreams(
  container: LibraryContainer,
  manifestName: string,
): Promise<readonly ListedStream[]> {
  const name = `${manifestName}.ismc`;
  const bytes = await container.read(name, { offset: 0, sizeBytes: CLIENT_MANIFEST_BYTES_MAX });
  if (bytes === undefined) return [];
  try {
    return parseClientManifest(new TextDecoder().decode(bytes));
  } catch (error) {
    if (error instanceof MalformedXml) return [];
    throw error;
  }
}

async function openTrack(
  container: LibraryContainer,
  listed: ListedTrack,
  streams: readonly ListedStream[],
): Promise<OpenedTrack | Unreadable> {
  const { source } = listed;
  const isFile = /\.[a-z0-9]{2,5}$/i.test(source);
  try {
    const opened = isFile ? await openFile(container, listed) : await openFolder(container, listed, streams);
    if ('reason' in opened) return { source, reason: opened.reason };
    const format = readTrackFormat(opened.header);
    return format.kind === 'read' ? { ...opened, format: format.format } : { source, reason: format.reason };
  } catch (error) {
    if (error instanceof MalformedFragment) return { source, reason: error.message };
    throw error;
  }
}

type Refused = { readonly reason: string };

async function openFile(container: LibraryContainer, listed: ListedTrack): Promise<OpenedMedia | Refused> {
  const read = await readMp4File(container, listed.source);
  if (read === undefined) return { reason: 'the file is not in the container' };
  const handler = listed.type === 'video' ? 'vide' : 'soun';
  const ofType = read.tracks.filter(({ header }) => header.handlerType === handler);
  const file = ofType.find(({ header }) => header.trackId === listed.trackId) ?? ofType[0];
  if (file === undefined) return { reason: `the file has no ${listed.type}` };
  if (read.isFragmented) {
    const stored = await openFragmentedFile(container, listed.source, file);
    if (stored === undefined) return { reason: `the ${listed.type} of the file has no fragments` };
    return { kind: 'fragments', listed, header: file.header, stored };
  }
  if (file.samples.sizes.length === 0) return { reason: `the ${listed.type} of the file has no samples` };
  return { kind: 'file', listed, header: file.header, file };
}

async function openFolder(
  container: LibraryContainer,
  listed: ListedTrack,
  streams: readonly ListedStream[],
): Promise<OpenedMedia | Refused> {
  const bytes = await container.read(`${listed.source}/header`, { offset: 0, sizeBytes: HEADER_BYTES_MAX });
  if (bytes === undefined) return { reason: 'the folder has no header' };
  const headers = parseMovieHeader(bytes);
  const header = headers.find(({ trackId }) => trackId === listed.trackId) ?? headers[0];
  if (header === undefined) return { reason: 'the header has no track' };
  const name = (listed.name ?? listed.type).toLowerCase();
  const stream = streams.find((one) => one.name === name);
  const stored = await openArchiveFolder(container, listed.source, { header, stream });
  return stored === undefined
    ? { reason: 'the folder has no fragments' }
    : { kind: 'fragments', listed, header, stored };
}

/**
 * Pictures first, so that sound is cut where they are. All times are moved together, so that none is before 0 and none
 * is more than a double holds.
 */
function onOneTimeline(
  container: LibraryContainer,
  { opened, texts }: { readonly opened: readonly OpenedTrack[]; readonly texts: readonly OpenedText[] },
  manifestName: string,
): Omit<LibraryRecording, 'unreadable'> {
  const files = opened.flatMap((one) => (one.kind === 'file' ? [one.file] : []));
  const stored = opened.flatMap((one) => (one.kind === 'fragments' ? [one.stored] : []));
  const shiftTicks = Math.max(
    0,
    ...files.map(({ header, samples }) => -decodeTicksOf(samples, 0, header.timescale)),
    ...stored.map((one) => -Number(firstTicksOf(one))),
  );
  const clock = zeroOf(stored);
  const { zeroTicks, zeroMs } = clock ?? { zeroTicks: BigInt(-shiftTicks), zeroMs: undefined };
  const cutTicks = cutsOf(files);
  const toTrack = (one: OpenedTrack, track: Track): LibraryTrack => {
    if (one.kind === 'fragments') return archiveTrack(one.stored, track, zeroTicks);
    const cuts = cutsFrom(startsOf(one.file, cutTicks), one.file);
    const { source: fileName } = one.listed;
    return mp4Track({ container, fileName, file: one.file, track, cuts, shiftTicks });
  };
  const identities = trackIdentities(opened.map(describe), manifestName);
  const media = opened.flatMap((one, at) => {
    const track = identities[at];
    return track === undefined ? [] : [toTrack(one, track)];
  });
  const isOfFiles = stored.length > 0 && clock === undefined && stored.every(({ isInFile }) => isInFile);
  const hasFiles = files.length > 0 || isOfFiles;
  const filesZeroTicks = hasFiles ? shiftTicks : undefined;
  return {
    zeroMs,
    filesZeroTicks,
    tracks: [...media, ...textTracks(texts, { media, opened, manifestName, filesZeroTicks })],
  };
}

function textTracks(
  texts: readonly OpenedText[],
  beside: {
    readonly media: readonly LibraryTrack[];
    readonly opened: readonly OpenedTrack[];
    readonly manifestName: string;
    readonly filesZeroTicks: number | undefined;
  },
): readonly LibraryTrack[] {
  const lead = leadOf(beside.media.map(({ index }) => index));
  if (lead === undefined) return [];
  const zeroTicks = beside.filesZeroTicks ?? lead[0].decodeTimeTicks;
  const identities = trackIdentities(
    [
      ...beside.opened.map(describe),
      ...texts.map(({ listed, captions }) => ({
        listed,
        format: captionFormat(captions, zeroTicks),
        headerLanguage: captions.language ?? 'und',
        measuredBps: CAPTION_BITRATE_BPS,
      })),
    ],
    beside.manifestName,
  );
  return texts.flatMap(({ captions }, at) => {
    const track = identities[beside.opened.length + at];
    if (track === undefined) return [];
    return [captionTrack({ ...track, isReplaceable: true }, captions, { lead, zeroTicks })];
  });
}

function describe({ listed, format, header, ...one }: OpenedTrack): DescribedTrack {
  const measuredBps = one.kind === 'file' ? bitrateOf(one.file) : undefined;
  return { listed, format, headerLanguage: header.language, measuredBps };
}

function cutsOf(files: readonly FileTrack[]): readonly number[] | undefined {
  const video = files.find(({ header }) => header.handlerType === 'vide');
  return video && cutAtKeyFrames(video).map((at) => decodeTicksOf(video.samples, at, video.header.timescale));
}

function startsOf(file: FileTrack, cutTicks: readonly number[] | undefined): FragmentStarts {
  if (file.header.handlerType === 'vide') return cutAtKeyFrames(file);
  return cutAtTimes(file, cutTicks ?? everyTwoSeconds(file));
}

/**
 * Times that fit are left as they are (undefined); those of clocks that count from 1970 do not fit, and say the time of
 * day.
 */
function zeroOf(
  stored: readonly StoredFragments[],
): { readonly zeroTicks: bigint; readonly zeroMs: number | undefined } | undefined {
  let first: bigint | undefined;
  let last = 0n;
  for (const one of stored) {
    const from = firstTicksOf(one);
    if (first === undefined || from < first) first = from;
    if (lastTicksOf(one) > last) last = lastTicksOf(one);
  }
  if (first === undefined) return undefined;
  const isDate = first >= DATES.from && first < DATES.to;
  if (!isDate && last <= BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
  const seconds = first / BigInt(TICKS_PER_SECOND);
  return {
    zeroTicks: seconds * BigInt(TICKS_PER_SECOND),
    zeroMs: isDate ? Number(seconds) * 1000 : undefined,
  };
}
