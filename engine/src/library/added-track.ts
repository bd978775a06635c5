import { createHash } from 'node:crypto';
import { MalformedFragment } from '../formats/isobmff/malformed-fragment.ts';
import type { FileTrack } from '../formats/isobmff/sample-table-reader.ts';
import { readTrackFormat } from '../formats/isobmff/track-format.ts';
import type { FragmentEntry } from '../model/presentation.ts';
import type { Track, TrackSettings } from '../model/track.ts';
import { endTicksOf } from '../packager/fragment-window.ts';
import { TICKS_PER_SECOND } from '../time/timescale.ts';
import { CAPTION_BITRATE_BPS, captionFormat, captionTrack, readCaptions } from './captions.ts';
import type { LibraryContainer, LibraryTrack } from './library-container.ts';
import { readMp4File } from './mp4-file.ts';
import { bitrateOf, decodeTicksOf, type FragmentCut } from './mp4-fragments.ts';
import { mp4Track } from './mp4-track.ts';
import { labelled, settled } from './track-identity.ts';

/** A file that somebody has made a track of, after the presentation was there. */
export interface AddedTrack {
  readonly name: string;
  readonly type: 'audio' | 'text';
  readonly fileName: string;
  readonly mpeg4TrackId: number | undefined;
  readonly label: string | undefined;
  /** RFC 5646 */
  readonly language: string | undefined;
  readonly settings: TrackSettings;
  /** Different whenever anything else here is, or its file is to be read again. */
  readonly version: string;
}

/** What it is added to. */
export interface AddedTo {
  /** What it is cut along with. */
  readonly lead: readonly [FragmentEntry, ...FragmentEntry[]];
  /** Nothing of it begins before this. */
  readonly startTicks: number;
  /** Where time 0 of its file is. */
  readonly zeroTicks: number;
  /** Of the track: unique in the presentation. */
  readonly ordinal: number;
  /** Unique in the presentation too. */
  readonly streamName: string;
}

type Refused = { readonly reason: string };

/** Below 2^47, so that with those of the longest file it is below the 2^48 that initialization vectors have room for. */
const SAMPLE_NUMBER_BYTES = 6;
const REST_TICKS = 2 * TICKS_PER_SECOND;
/** Beyond the end of what it is added to. */
const REST_CUTS_MAX = 50_000;

/** Reads its file. `reason`: why it cannot be served. */
export async function openAddedTrack(
  container: LibraryContainer,
  added: AddedTrack,
  to: AddedTo,
): Promise<LibraryTrack | Refused> {
  return added.type === 'text' ? openText(container, added, to) : openAudio(container, added, to);
}

async function openText(
  container: LibraryContainer,
  added: AddedTrack,
  to: AddedTo,
): Promise<LibraryTrack | Refused> {
  const captions = await readCaptions(container, added.fileName);
  if ('reason' in captions) return captions;
  const track = identityOf(added, to, {
    bitrateBps: CAPTION_BITRATE_BPS,
    language: captions.language,
    format: captionFormat(captions, to.zeroTicks),
  });
  return captionTrack(track, captions, to);
}

async function openAudio(
  container: LibraryContainer,
  added: AddedTrack,
  to: AddedTo,
): Promise<LibraryTrack | Refused> {
  const { fileName, mpeg4TrackId } = added;
  try {
    const read = await readMp4File(container, fileName);
    if (read === undefined) return { reason: 'the file is not in the container' };
    if (read.isFragmented) return { reason: 'a file in fragments; tracks are added of progressive files' };
    const sounds = read.tracks.filter(({ header }) => header.handlerType === 'soun');
    const file = sounds.find(({ header }) => mpeg4TrackId === undefined || header.trackId === mpeg4TrackId);
    if (file === undefined) return { reason: 'the file has no such audio' };
    const reading = readTrackFormat(file.header);
    if (reading.kind === 'unreadable') return reading;
    const cuts = cutsAlong(file, to);
    if (cuts.length === 0) return { reason: 'nothing of its audio is within the presentation' };
    const { language } = file.header;
    const track = identityOf(added, to, {
      bitrateBps: bitrateOf(file),
      language: language === 'und' ? undefined : language,
      format: reading.format,
    });
    const firstSampleNumber = sampleNumberOf(added, file);
    return mp4Track({ container, fileName, file, track, cuts, shiftTicks: to.zeroTicks, firstSampleNumber });
  } catch (error) {
    if (error instanceof MalformedFragment) return { reason: error.message };
    throw error;
  }
}

function identityOf(
  { name, type, label, language: told, settings }: AddedTrack,
  { ordinal, streamName }: AddedTo,
  read: {
    readonly bitrateBps: number;
    readonly language: string | undefined;
    readonly format: Track['formats'][number];
  },
): Track {
  const language = told ?? read.language;
  return {
    type,
    ordinal,
    streamName,
    bitrateBps: read.bitrateBps,
    // No folder of recordings begins like this: their names have no slash, or the manifest's before it.
    folder: `tracks/${streamName}_${read.bitrateBps}`,
    ...labelled(label ?? name),
    ...(language === undefined ? {} : { language }),
    ...settled(settings),
    isReplaceable: true,
    formats: [read.format],
  };
}

/**
 * Sound for each fragment of the lead, with its session, and none for its holes; what is left beyond its end is cut every
 * two seconds.
 */
function cutsAlong(file: FileTrack, { lead, startTicks, zeroTicks }: AddedTo): readonly FragmentCut[] {
  const from = (ticks: number) => firstSampleFrom(file, Math.max(ticks, startTicks) - zeroTicks);
  const cuts = lead.map((entry) => ({
    first: from(entry.decodeTimeTicks),
    end: from(endTicksOf(entry)),
    discontinuity: entry.discontinuity,
  }));
  const last = lead.at(-1) ?? lead[0];
  const { discontinuity } = last;
  const count = file.samples.sizes.length;
  let ticks = endTicksOf(last);
  let first = from(ticks);
  for (let rest = 0; first < count && rest < REST_CUTS_MAX; rest += 1) {
    ticks += REST_TICKS;
    const end = from(ticks);
    cuts.push({ first, end, discontinuity });
    first = end;
  }
  return cuts.filter(({ first: one, end }) => one < end);
}

/** The number of the first sample that begins no earlier, on the file's own timeline. */
function firstSampleFrom({ samples, header }: FileTrack, ticks: number): number {
  let low = 0;
  let high = samples.sizes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (decodeTicksOf(samples, middle, header.timescale) < ticks) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Where its samples count from. Of another file under the same name they count from elsewhere: with one key, two samples
 * of one number would give both away.
 */
function sampleNumberOf({ name, fileName, version }: AddedTrack, { samples }: FileTrack): number {
  const { sizes } = samples;
  const digest = createHash('sha256')
    .update(JSON.stringify([name, fileName, version]))
    .update(new Uint8Array(sizes.buffer, sizes.byteOffset, sizes.byteLength))
    .digest();
  return Math.floor(digest.readUIntBE(0, SAMPLE_NUMBER_BYTES) / 2);
}
