/** RFC 8216bis documents, as far as we write them. */
export interface MultivariantPlaylist {
  readonly version: number;
  /** EXT-X-SESSION-KEY */
  readonly sessionKeys: readonly KeyTag[];
  readonly audioRenditions: readonly AudioRendition[];
  readonly subtitleRenditions: readonly SubtitleRendition[];
  readonly variantStreams: readonly VariantStream[];
  readonly keyFrameStreams: readonly KeyFrameStream[];
}

/** EXT-X-MEDIA. */
interface Rendition {
  readonly groupId: string;
  readonly name: string;
  /** RFC 5646 */
  readonly language: string | undefined;
  readonly isDefault: boolean;
  /** CHARACTERISTICS */
  readonly characteristics: string | undefined;
  readonly uri: string;
}

/** TYPE=AUDIO. */
export interface AudioRendition extends Rendition {
  readonly channelCount: number;
}

/** TYPE=SUBTITLES. */
export interface SubtitleRendition extends Rendition {
  readonly isForced: boolean;
}

/** EXT-X-STREAM-INF. */
export interface VariantStream {
  readonly bandwidthBps: number;
  readonly averageBandwidthBps: number | undefined;
  readonly codecs: readonly string[];
  readonly resolution: { readonly width: number; readonly height: number } | undefined;
  readonly frameRate: number | undefined;
  readonly audioGroupId: string | undefined;
  readonly subtitleGroupId: string | undefined;
  readonly uri: string;
}

/** EXT-X-I-FRAME-STREAM-INF. */
export interface KeyFrameStream {
  readonly bandwidthBps: number;
  readonly codecs: readonly string[];
  readonly resolution: { readonly width: number; readonly height: number } | undefined;
  readonly uri: string;
}

/** EXT-X-KEY and EXT-X-SESSION-KEY. */
export interface KeyTag {
  readonly method: 'AES-128' | 'SAMPLE-AES' | 'SAMPLE-AES-CTR';
  readonly uri: string;
  /** 16 bytes */
  readonly iv?: Uint8Array;
  /** 16 bytes */
  readonly keyId?: Uint8Array;
  /** Absent: `identity`, the key itself. */
  readonly keyFormat?: string;
}

export interface MediaPlaylist {
  readonly version: number;
  /** EXT-X-I-FRAMES-ONLY */
  readonly isKeyFramesOnly: boolean;
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
  /** EXT-X-MAP, written where it changes; undefined: the segment needs none. */
  readonly mapUri: string | undefined;
  /** EXT-X-KEY, one for each key system, written where they change; none: it is in the clear. */
  readonly keys: readonly KeyTag[];
  /** EXT-X-GAP: there is no such segment, only its number. */
  readonly isGap: boolean;
  /** EXT-X-PROGRAM-DATE-TIME, written for the first segment and after each discontinuity and gap. */
  readonly programDateTimeMs: number | undefined;
  /** It does not begin where the segment before ends. */
  readonly followsGap: boolean;
  /** EXT-X-DISCONTINUITY, one tag each: a track that missed a session still counts it, as its siblings do. */
  readonly discontinuitiesBefore: number;
}

const NO_KEY = '#EXT-X-KEY:METHOD=NONE';

export function writeMultivariantText(playlist: MultivariantPlaylist): string {
  const lines = ['#EXTM3U', `#EXT-X-VERSION:${playlist.version}`, '#EXT-X-INDEPENDENT-SEGMENTS'];
  for (const key of playlist.sessionKeys) lines.push(`#EXT-X-SESSION-KEY:${keyAttributes(key)}`);
  for (const rendition of playlist.audioRenditions) {
    const own = [`CHANNELS="${rendition.channelCount}"`];
    lines.push(`#EXT-X-MEDIA:TYPE=AUDIO,${renditionAttributes(rendition, own)}`);
  }
  for (const rendition of playlist.subtitleRenditions) {
    const own = rendition.isForced ? ['FORCED=YES'] : [];
    lines.push(`#EXT-X-MEDIA:TYPE=SUBTITLES,${renditionAttributes(rendition, own)}`);
  }
  for (const variant of playlist.variantStreams) {
    lines.push(`#EXT-X-STREAM-INF:${variantAttributes(variant).join(',')}`, variant.uri);
  }
  for (const { bandwidthBps, codecs, resolution, uri } of playlist.keyFrameStreams) {
    const size = resolution === undefined ? '' : `RESOLUTION=${resolution.width}x${resolution.height},`;
    lines.push(
      `#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=${bandwidthBps},CODECS=${quoted(codecs.join(','))},${size}URI=${quoted(uri)}`,
    );
  }
  return `${lines.join('\n')}\n`;
}

function renditionAttributes(rendition: Rendition, own: readonly string[]): string {
  const { groupId, name, language, isDefault, characteristics, uri } = rendition;
  return [
    `GROUP-ID=${quoted(groupId)}`,
    `NAME=${quoted(name)}`,
    ...(language === undefined ? [] : [`LANGUAGE=${quoted(language)}`]),
    `DEFAULT=${isDefault ? 'YES' : 'NO'}`,
    'AUTOSELECT=YES',
    ...own,
    ...(characteristics === undefined ? [] : [`CHARACTERISTICS=${quoted(characteristics)}`]),
    `URI=${quoted(uri)}`,
  ].join(',');
}

export function writeMediaPlaylistText(playlist: MediaPlaylist): string {
  const lines = [
    '#EXTM3U',
    `#EXT-X-VERSION:${playlist.version}`,
    `#EXT-X-TARGETDURATION:${playlist.targetDurationSeconds}`,
    `#EXT-X-MEDIA-SEQUENCE:${playlist.mediaSequenceNumber}`,
    `#EXT-X-DISCONTINUITY-SEQUENCE:${playlist.discontinuitySequenceNumber}`,
  ];
  if (playlist.isWholeRecording) lines.push('#EXT-X-PLAYLIST-TYPE:VOD');
  if (playlist.isKeyFramesOnly) lines.push('#EXT-X-I-FRAMES-ONLY');
  const state: SegmentState = { mapUri: undefined, keys: '', isFirst: true };
  for (const segment of playlist.segments) pushSegment(lines, segment, state);
  if (playlist.isEnded) lines.push('#EXT-X-ENDLIST');
  return `${lines.join('\n')}\n`;
}

/** What holds for the segments that follow, until it is said otherwise. */
interface SegmentState {
  mapUri: string | undefined;
  /** The lines of the keys, empty: none. */
  keys: string;
  isFirst: boolean;
}

function pushSegment(lines: string[], segment: MediaSegment, state: SegmentState): void {
  for (let tag = 0; tag < segment.discontinuitiesBefore; tag += 1) lines.push('#EXT-X-DISCONTINUITY');
  pushMapAndKeys(lines, segment, state);
  const { programDateTimeMs } = segment;
  const isJump = state.isFirst || segment.discontinuitiesBefore > 0 || segment.followsGap;
  if (isJump && programDateTimeMs !== undefined) {
    lines.push(`#EXT-X-PROGRAM-DATE-TIME:${new Date(programDateTimeMs).toISOString()}`);
  }
  state.isFirst = false;
  if (segment.isGap) lines.push('#EXT-X-GAP');
  lines.push(`#EXTINF:${segment.durationSeconds.toFixed(6)},`, segment.uri);
}

/**
 * A key holds for the EXT-X-MAP after it too (§4.4.4.4). Headers are never encrypted as a whole, so AES-128 is switched
 * off before one; the key systems of sample encryption are told before, as players set themselves up with the header.
 */
function pushMapAndKeys(lines: string[], segment: MediaSegment, state: SegmentState): void {
  const keys = segment.keys.map((key) => `#EXT-X-KEY:${keyAttributes(key)}`).join('\n');
  const newMapUri = segment.mapUri === state.mapUri ? undefined : segment.mapUri;
  const isWholeSegment = segment.keys.some(({ method }) => method === 'AES-128');
  const isKeyOff = keys === '' || (isWholeSegment && newMapUri !== undefined);
  if (isKeyOff && state.keys !== '') {
    lines.push(NO_KEY);
    state.keys = '';
  }
  const isKeyNew = keys !== state.keys;
  if (isKeyNew && !isWholeSegment) lines.push(keys);
  if (newMapUri !== undefined) lines.push(`#EXT-X-MAP:URI=${quoted(newMapUri)}`);
  if (isKeyNew && isWholeSegment) lines.push(keys);
  state.keys = keys;
  state.mapUri = segment.mapUri;
}

function keyAttributes({ method, uri, iv, keyId, keyFormat }: KeyTag): string {
  return [
    `METHOD=${method}`,
    `URI=${quoted(uri)}`,
    ...(iv === undefined ? [] : [`IV=0X${hexOf(iv)}`]),
    ...(keyId === undefined ? [] : [`KEYID=0x${hexOf(keyId)}`]),
    ...(keyFormat === undefined ? [] : [`KEYFORMAT=${quoted(keyFormat)}`, 'KEYFORMATVERSIONS="1"']),
  ].join(',');
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex').toUpperCase();
}

function variantAttributes(variant: VariantStream): string[] {
  const { resolution, frameRate, averageBandwidthBps, audioGroupId, subtitleGroupId } = variant;
  return [
    `BANDWIDTH=${variant.bandwidthBps}`,
    ...(averageBandwidthBps === undefined ? [] : [`AVERAGE-BANDWIDTH=${averageBandwidthBps}`]),
    `CODECS=${quoted(variant.codecs.join(','))}`,
    ...(resolution === undefined ? [] : [`RESOLUTION=${resolution.width}x${resolution.height}`]),
    ...(frameRate === undefined ? [] : [`FRAME-RATE=${frameRate.toFixed(3)}`]),
    ...(audioGroupId === undefined ? [] : [`AUDIO=${quoted(audioGroupId)}`]),
    ...(subtitleGroupId === undefined ? [] : [`SUBTITLES=${quoted(subtitleGroupId)}`]),
  ];
}

/** §4.2: a quoted-string has no line feed, carriage return or double quote. */
function quoted(value: string): string {
  if (/["\r\n]/.test(value)) throw new RangeError('a quoted-string cannot hold quotes or line breaks');
  return `"${value}"`;
}
