import { parse, setOptions, types } from 'hls-parser';
import type { InputTrack } from '../../domain/channel.ts';

/** More qualities than any encoder sends. */
const TRACKS_MAX = 32;
const SOUND_CODEC = /^(mp4a|ac-3|ec-3)/;

// What is wrong with a playlist is not for the log: it is somebody else's, and read again and again.
setOptions({ silent: true });

/** What an encoder sends, from its preview's multivariant playlist; none when that cannot be read. */
export function listTracks(multivariant: string): readonly InputTrack[] {
  let playlist: unknown;
  try {
    playlist = parse(multivariant);
  } catch {
    return [];
  }
  if (!(playlist instanceof types.MasterPlaylist)) return [];
  const variants = playlist.variants.filter(({ bandwidth }) => bandwidth > 0);
  const tracks = variants.flatMap((variant) => [
    variantTrack(variant),
    ...variant.audio.flatMap((rendition) => soundTrack(rendition, variant.codecs)),
  ]);
  // Every picture names the same sounds.
  return [...new Map(tracks.map((track) => [JSON.stringify(track), track])).values()].slice(0, TRACKS_MAX);
}

function variantTrack(variant: types.Variant): InputTrack {
  const { uri, codecs, resolution, frameRate, bandwidth } = variant;
  const isPicture = resolution !== undefined;
  return {
    type: isPicture ? 'video' : 'audio',
    codec: codecOf(codecs, isPicture),
    bitrateBps: declaredBps(uri) ?? bandwidth,
    width: resolution?.width ?? null,
    height: resolution?.height ?? null,
    frameRate: frameRate ?? null,
    language: null,
  };
}

function soundTrack({ uri, language }: types.Rendition, codecs: string | undefined): readonly InputTrack[] {
  if (uri === undefined) return [];
  const none = { width: null, height: null, frameRate: null };
  const codec = codecOf(codecs, false);
  return [{ type: 'audio', codec, bitrateBps: declaredBps(uri) ?? 0, ...none, language: language ?? null }];
}

function codecOf(codecs: string | undefined, isPicture: boolean): string {
  return (codecs ?? '').split(',').find((codec) => SOUND_CODEC.test(codec) !== isPicture) ?? '';
}

/** Media Services addresses say the bitrate that the encoder declared; BANDWIDTH is a peak with the sound in it. */
function declaredBps(uri: string): number | undefined {
  const digits = /QualityLevels\((\d{1,12})\)/i.exec(uri)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
