/** RFC 8216bis documents, as far as we write them. */
export interface MultivariantPlaylist {
  readonly audioRenditions: readonly AudioRendition[];
  readonly variantStreams: readonly VariantStream[];
}

/** EXT-X-MEDIA, TYPE=AUDIO. */
export interface AudioRendition {
  readonly groupId: string;
  readonly name: string;
  /** RFC 5646 */
  readonly language: string | undefined;
  readonly isDefault: boolean;
  readonly channelCount: number;
  readonly uri: string;
}

/** EXT-X-STREAM-INF. */
export interface VariantStream {
  readonly bandwidthBps: number;
  readonly averageBandwidthBps: number | undefined;
  readonly codecs: readonly string[];
  readonly resolution: { readonly width: number; readonly height: number } | undefined;
  readonly frameRate: number | undefined;
  readonly audioGroupId: string | undefined;
  readonly uri: string;
}

export interface MediaPlaylist {
  /** EXT-X-TARGETDURATION */
  readonly targetDurationSeconds: number;
  /** EXT-X-MEDIA-SEQUENCE */
  readonly mediaSequenceNumber: number;
  /** EXT-X-DISCONTINUITY-SEQUENCE */
  readonly discontinuitySequenceNumber: number;
  /** EXT-X-PLAYLIST-TYPE:VOD */
  readonly isWholeRecording: boolean;
  /** EXT-X-ENDLIST */
  readonly isEnded: boolean;
  readonly segments: readonly MediaSegment[];
}

export interface MediaSegment {
  readonly uri: string;
  /** EXTINF */
  readonly durationSeconds: number;
  /** EXT-X-MAP, written where it changes. */
  readonly mapUri: string;
  /** EXT-X-PROGRAM-DATE-TIME, written for the first segment and after each discontinuity and gap. */
  readonly programDateTimeMs: number;
  /** It does not begin where the segment before ends. */
  readonly followsGap: boolean;
  /** EXT-X-DISCONTINUITY, one tag each: a track that missed a session still counts it, as its siblings do. */
  readonly discontinuitiesBefore: number;
}

/** EXT-X-MAP without EXT-X-I-FRAMES-ONLY needs 6 (§8); 7 is what CMAF players expect. */
const VERSION = 7;

export function writeMultivariantText(playlist: MultivariantPlaylist): string {
  const lines = ['#EXTM3U', `#EXT-X-VERSION:${VERSION}`, '#EXT-X-INDEPENDENT-SEGMENTS'];
  for (const rendition of playlist.audioRenditions) {
    const isDefault = rendition.isDefault ? 'YES' : 'NO';
    const language = rendition.language === undefined ? '' : `LANGUAGE=${quoted(rendition.language)},`;
    lines.push(
      `#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=${quoted(rendition.groupId)},NAME=${quoted(rendition.name)},` +
        `${language}DEFAULT=${isDefault},AUTOSELECT=YES,CHANNELS="${rendition.channelCount}",URI=${quoted(rendition.uri)}`,
    );
  }
  for (const variant of playlist.variantStreams) {
    lines.push(`#EXT-X-STREAM-INF:${variantAttributes(variant).join(',')}`, variant.uri);
  }
  return `${lines.join('\n')}\n`;
}

export function writeMediaPlaylistText(playlist: MediaPlaylist): string {
  const lines = [
    '#EXTM3U',
    `#EXT-X-VERSION:${VERSION}`,
    `#EXT-X-TARGETDURATION:${playlist.targetDurationSeconds}`,
    `#EXT-X-MEDIA-SEQUENCE:${playlist.mediaSequenceNumber}`,
    `#EXT-X-DISCONTINUITY-SEQUENCE:${playlist.discontinuitySequenceNumber}`,
  ];
  if (playlist.isWholeRecording) lines.push('#EXT-X-PLAYLIST-TYPE:VOD');
  let mapUri: string | undefined;
  for (const segment of playlist.segments) {
    for (let tag = 0; tag < segment.discontinuitiesBefore; tag += 1) lines.push('#EXT-X-DISCONTINUITY');
    if (segment.mapUri !== mapUri) lines.push(`#EXT-X-MAP:URI=${quoted(segment.mapUri)}`);
    if (mapUri === undefined || segment.discontinuitiesBefore > 0 || segment.followsGap) {
      lines.push(`#EXT-X-PROGRAM-DATE-TIME:${new Date(segment.programDateTimeMs).toISOString()}`);
    }
    mapUri = segment.mapUri;
    lines.push(`#EXTINF:${segment.durationSeconds.toFixed(6)},`, segment.uri);
  }
  if (playlist.isEnded) lines.push('#EXT-X-ENDLIST');
  return `${lines.join('\n')}\n`;
}

function variantAttributes(variant: VariantStream): string[] {
  const { resolution, frameRate, averageBandwidthBps, audioGroupId } = variant;
  return [
    `BANDWIDTH=${variant.bandwidthBps}`,
    ...(averageBandwidthBps === undefined ? [] : [`AVERAGE-BANDWIDTH=${averageBandwidthBps}`]),
    `CODECS=${quoted(variant.codecs.join(','))}`,
    ...(resolution === undefined ? [] : [`RESOLUTION=${resolution.width}x${resolution.height}`]),
    ...(frameRate === undefined ? [] : [`FRAME-RATE=${frameRate.toFixed(3)}`]),
    ...(audioGroupId === undefined ? [] : [`AUDIO=${quoted(audioGroupId)}`]),
  ];
}

/** §4.2: a quoted-string has no line feed, carriage return or double quote. */
function quoted(value: string): string {
  if (/["\r\n]/.test(value)) throw new RangeError('a quoted-string cannot hold quotes or line breaks');
  return `"${value}"`;
}
