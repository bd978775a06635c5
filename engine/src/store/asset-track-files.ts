import type { ContainerClient } from '@azure/storage-blob';
import type { TrackFiles } from '../control-plane/control-containers.ts';
import { MalformedFragment } from '../formats/isobmff/malformed-fragment.ts';
import { parseMovieHeader } from '../formats/isobmff/movie-header-reader.ts';
import { readTrackBitrateBps } from '../formats/isobmff/track-bitrate.ts';
import { MalformedWebVtt, parseWebVtt } from '../formats/webvtt.ts';
import { readMoov } from '../library/mp4-file.ts';
import { type ListedTrack, parseServerManifest } from '../manifests/server-manifest-reader.ts';
import { MalformedXml, parseXml } from '../manifests/xml-document.ts';
import type { ManifestTrack, ManifestTracks, TrackFileReading } from '../resources/track-files.ts';
import { libraryContainer } from './library-blobs.ts';
import type { StorageAccounts } from './storage-accounts.ts';

const MANIFEST_BYTES_MAX = 1024 * 1024;
const TEXT_BYTES_MAX = 8 * 1024 * 1024;
const BLOBS_LOOKED_AT_MAX = 1000;
const CALL_MS_MAX = 15_000;
const XML_LANGUAGE = /^[a-z]{1,8}(?:-[a-z0-9]{1,8})*$/i;

/** The files of tracks, and the manifests that list tracks, in the containers of assets. */
export function createTrackFiles(accounts: StorageAccounts): TrackFiles {
  return {
    manifestTracks: (place) => manifestTracks(accounts.container(place)),
    async has(place, fileName) {
      const calls = { abortSignal: AbortSignal.timeout(CALL_MS_MAX) };
      return accounts.container(place).getBlobClient(fileName).exists(calls);
    },
    async read(place, file) {
      const container = accounts.container(place);
      if (file.format === 'mp4') return readMp4(container, file.name, file.mpeg4TrackId);
      const bytes = await libraryContainer(container).read(file.name, {
        offset: 0,
        sizeBytes: TEXT_BYTES_MAX + 1,
      });
      if (bytes === undefined) return undefined;
      if (bytes.length > TEXT_BYTES_MAX)
        return { refused: `The file is larger than ${TEXT_BYTES_MAX} bytes.` };
      return file.format === 'vtt' ? readVtt(bytes) : readTtml(bytes);
    },
  };
}

/** Of the first server manifest in the root of the container; undefined when there is none that can be read. */
async function manifestTracks(container: ContainerClient): Promise<ManifestTracks | undefined> {
  const name = await findManifest(container);
  const range = { offset: 0, sizeBytes: MANIFEST_BYTES_MAX };
  const bytes = name === undefined ? undefined : await libraryContainer(container).read(name, range);
  if (bytes === undefined) return undefined;
  try {
    const { isLive, tracks } = parseServerManifest(new TextDecoder().decode(bytes));
    return { isLive, tracks: namedTracks(tracks) };
  } catch (error) {
    if (error instanceof MalformedXml) return undefined;
    throw error;
  }
}

async function findManifest(container: ContainerClient): Promise<string | undefined> {
  const names: string[] = [];
  let looked = 0;
  try {
    for await (const item of container.listBlobsByHierarchy('/')) {
      looked += 1;
      if (item.kind === 'blob' && /^[^/]+\.ism$/i.test(item.name)) names.push(item.name);
      if (looked >= BLOBS_LOOKED_AT_MAX) break;
    }
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
  return names.sort()[0];
}

/** Names tell tracks apart: several qualities of a picture share one in the manifest. */
function namedTracks(tracks: readonly ListedTrack[]): readonly ManifestTrack[] {
  const taken = new Set<string>();
  return tracks.map((track) => {
    const wanted = track.name ?? track.type;
    const bitrate = track.bitrateBps === undefined ? [] : [`${wanted}_${track.bitrateBps}`];
    const numbered = tracks.map((_, index) => `${wanted}_${index + 2}`);
    const name = [wanted, ...bitrate, ...numbered].find((one) => !taken.has(one.toLowerCase())) ?? wanted;
    taken.add(name.toLowerCase());
    return {
      name,
      type: track.type,
      fileName: track.source === '' ? undefined : track.source,
      languageCode: track.language,
      bitRateBps: track.bitrateBps,
      mpeg4TrackId: track.trackId,
    };
  });
}

function readVtt(bytes: Uint8Array): TrackFileReading {
  try {
    const language = parseWebVtt(bytes).metadata.get('language');
    return { facts: language !== undefined && XML_LANGUAGE.test(language) ? { languageCode: language } : {} };
  } catch (error) {
    // The original's own words.
    if (error instanceof MalformedWebVtt) {
      return { refused: 'Error while parsing WEBVTT file and creating CMFT header.' };
    }
    throw error;
  }
}

function readTtml(bytes: Uint8Array): TrackFileReading {
  const refused = { refused: 'Error while parsing TTML file and creating CMFT header.' };
  try {
    const root = parseXml(new TextDecoder().decode(bytes));
    const language = root.attributes['lang'] ?? '';
    if (root.name !== 'tt') return refused;
    return { facts: XML_LANGUAGE.test(language) ? { languageCode: language } : {} };
  } catch (error) {
    if (error instanceof MalformedXml) return refused;
    throw error;
  }
}

async function readMp4(
  container: ContainerClient,
  name: string,
  wantedTrackId: number | undefined,
): Promise<TrackFileReading | undefined> {
  try {
    const moov = await readMoov(libraryContainer(container), name);
    if (moov === undefined) return undefined;
    const sounds = parseMovieHeader(moov).filter(({ handlerType }) => handlerType === 'soun');
    const track = sounds.find(({ trackId }) => wantedTrackId === undefined || trackId === wantedTrackId);
    if (track === undefined) {
      const which =
        wantedTrackId === undefined ? 'an audio track' : `an audio track with the id ${wantedTrackId}`;
      return { refused: `The file does not contain ${which}.` };
    }
    const bitRateBps = readTrackBitrateBps(moov, track.trackId);
    return { facts: { mpeg4TrackId: track.trackId, ...(bitRateBps === undefined ? {} : { bitRateBps }) } };
  } catch (error) {
    if (error instanceof MalformedFragment) return NO_MP4;
    throw error;
  }
}

const NO_MP4 = { refused: 'Error while parsing MP4 file.' } as const;

const statusOf = (error: unknown): unknown => Reflect.get(Object(error), 'statusCode');
