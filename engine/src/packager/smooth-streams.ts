import { smoothCodecPrivateData } from '../formats/smooth-codec-private-data.ts';
import type { SparseStream } from '../manifests/smooth.ts';
import type { QualityLevel } from '../manifests/smooth-client.ts';
import type { TrackIndex } from '../model/presentation.ts';
import {
  type AudioFormat,
  type DataFormat,
  isVideoFormat,
  type Track,
  type TrackFormat,
} from '../model/track.ts';

/** Encoders name the parent by their own name of it; a picture is what most of them mean. */
export function sparseStreamOf(
  all: readonly TrackIndex[],
  { formats, settings }: Track,
): SparseStream | undefined {
  const [format] = formats;
  if (format?.kind === 'wvtt') {
    const subtype = settings?.isForced === true ? 'SUBT' : 'CAPT';
    return { subtype, scheme: undefined, parentStreamName: undefined, manifestOutput: true };
  }
  if (format?.kind !== 'data') return undefined;
  const { subtype, scheme, parentTrackName, manifestOutput } = format;
  const media = all.map(({ track }) => track).filter(({ type }) => type !== 'text');
  const wanted = parentTrackName?.toLowerCase();
  const parent =
    media.find(({ streamName, label }) => wanted === streamName || wanted === label?.toLowerCase()) ??
    media.find(({ type }) => type === 'video') ??
    media[0];
  return { subtype, scheme, parentStreamName: parent?.streamName, manifestOutput };
}

export function qualityLevelOf(track: Track, format: TrackFormat): QualityLevel {
  return {
    bitrateBps: track.bitrateBps,
    fourCc: fourCcOf(format),
    codecPrivateData: smoothCodecPrivateData(format),
    video: isVideoFormat(format) ? format : undefined,
    audio: format.kind === 'aac' ? format : undefined,
  };
}

/** [MS-SSTR] §2.2.2.5. */
function fourCcOf(format: TrackFormat): QualityLevel['fourCc'] {
  switch (format.kind) {
    case 'h264':
      return 'H264';
    case 'hevc':
      return 'HVC1';
    case 'aac':
      return fourCcOfAudio(format);
    case 'data':
      return fourCcOfText(format);
    case 'wvtt':
      return 'TTML';
  }
}

/** Object types 5 and 29 are High Efficiency, ISO/IEC 14496-3 §1.5.1. */
function fourCcOfAudio({ codecString }: AudioFormat): 'AACH' | 'AACL' {
  return /^mp4a\.40\.(?:5|29)$/.test(codecString) ? 'AACH' : 'AACL';
}

function fourCcOfText({ sampleEntry }: DataFormat): 'TTML' | 'DATA' {
  return sampleEntry === 'stpp' || sampleEntry === 'dfxp' ? 'TTML' : 'DATA';
}
