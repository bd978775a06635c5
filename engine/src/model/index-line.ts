import type { FragmentEntry } from './presentation.ts';
import {
  type AudioFormat,
  CONFIGURATION_RECORD_SIZE_BYTES_MAX,
  type DataFormat,
  type Track,
  type TrackFormat,
  type VideoFormat,
} from './track.ts';

/** One line of a track's index blob, and of the live feed. Grammar: docs/architecture.md, "The engine's stored state". */
export type IndexLine =
  | { readonly kind: 'track'; readonly track: Track }
  | { readonly kind: 'epoch'; readonly epoch: number; readonly atMs: number }
  | { readonly kind: 'fragment'; readonly entry: FragmentEntry }
  /** The last line of a blob: the track goes on in the next roll. */
  | { readonly kind: 'roll' }
  /** The recording is finished; of its tracks only this much before their ends counts. Absent: all. */
  | {
      readonly kind: 'end';
      readonly archiveWindowTicks?: number;
      /** As in `PresentationIndex`: those who watched it live see the same segments afterwards. */
      readonly fragmentsPerTsSegment?: number;
    };

export const TRACK_FORMATS_MAX = 64;
const CONFIGURATION_RECORD_BASE64_LENGTH_MAX = (CONFIGURATION_RECORD_SIZE_BYTES_MAX * 4) / 3;
/** A track line with as many formats as there may be, and room for the rest of each. */
export const INDEX_LINE_LENGTH_MAX = (TRACK_FORMATS_MAX + 1) * (CONFIGURATION_RECORD_BASE64_LENGTH_MAX + 512);
const NAME_LENGTH_MAX = 128;
const FRAGMENTS_PER_TS_SEGMENT_MAX = 100;
const ORDINAL_MAX = 65_535;
/** No quotes, which a manifest could not hold, and nothing that is not text. */
const LABEL = /^[^"\p{Cc}\p{Cs}]{1,128}$/u;
const LANGUAGE = /^[a-z0-9-]{2,64}$/i;
const SCHEME = /^[^\p{Cc}\p{Cs}]{1,256}$/u;
const PARENT = /^[^\p{Cc}\p{Cs}]{1,128}$/u;
const SAMPLE_ENTRY = /^[\x20-\x7e]{0,4}$/;
const SUBTYPE = /^[A-Z0-9]{1,8}$/;

export class MalformedIndexLine extends Error {
  readonly code = 'MalformedIndexLine';
  constructor(what: string, options?: ErrorOptions) {
    super(`index line: ${what}`, options);
    this.name = 'MalformedIndexLine';
  }
}

/** One line of text without its line feed; throws `MalformedIndexLine`. */
export function parseIndexLine(text: string): IndexLine {
  if (text.length > INDEX_LINE_LENGTH_MAX) {
    throw new MalformedIndexLine(`length ${text.length} exceeds ${INDEX_LINE_LENGTH_MAX}`);
  }
  return parseIndexLineValue(parseJson(text));
}

/** With its line feed. */
export function writeIndexLine(line: IndexLine): string {
  return `${JSON.stringify(indexLineValue(line))}\n`;
}

/** The line as a plain JSON value, as it stands in the live feed. */
export function indexLineValue(line: IndexLine): Readonly<Record<string, unknown>> {
  switch (line.kind) {
    case 'track':
      return { t: 'track', ...line.track, formats: line.track.formats.map(formatValue) };
    case 'epoch':
      return { t: 'epoch', epoch: line.epoch, at: line.atMs };
    case 'fragment':
      return { t: 'f', ...line.entry };
    case 'roll':
      return { t: 'roll' };
    case 'end':
      return {
        t: 'end',
        ...(line.archiveWindowTicks !== undefined && { archiveWindowTicks: line.archiveWindowTicks }),
        ...(line.fragmentsPerTsSegment !== undefined && {
          fragmentsPerTsSegment: line.fragmentsPerTsSegment,
        }),
      };
  }
}

/** The inverse of `indexLineValue` for a value of unknown origin; throws `MalformedIndexLine`. */
export function parseIndexLineValue(value: unknown): IndexLine {
  const fields = fieldsOf(value);
  const kind = fields['t'];
  switch (kind) {
    case 'track':
      return { kind: 'track', track: parseTrack(fields) };
    case 'epoch':
      return { kind: 'epoch', epoch: whole(fields, 'epoch'), atMs: whole(fields, 'at') };
    case 'f':
      return { kind: 'fragment', entry: parseFragmentEntry(fields) };
    case 'roll':
      return { kind: 'roll' };
    case 'end':
      return {
        kind: 'end',
        ...(fields['archiveWindowTicks'] !== undefined && {
          archiveWindowTicks: whole(fields, 'archiveWindowTicks', 1),
        }),
        ...(fields['fragmentsPerTsSegment'] !== undefined && {
          fragmentsPerTsSegment: whole(fields, 'fragmentsPerTsSegment', 1, FRAGMENTS_PER_TS_SEGMENT_MAX),
        }),
      };
    default:
      throw new MalformedIndexLine(`unknown t ${JSON.stringify(kind)?.slice(0, 40)}`);
  }
}

type Fields = Readonly<Record<string, unknown>>;

function parseFragmentEntry(fields: Fields): FragmentEntry {
  return {
    sequence: whole(fields, 'sequence'),
    decodeTimeTicks: whole(fields, 'decodeTimeTicks'),
    durationTicks: whole(fields, 'durationTicks', 1),
    sizeBytes: whole(fields, 'sizeBytes', 1),
    sampleCount: whole(fields, 'sampleCount', 1),
    firstSample: whole(fields, 'firstSample'),
    discontinuity: whole(fields, 'discontinuity'),
    formatIndex: whole(fields, 'formatIndex', 0, TRACK_FORMATS_MAX - 1),
    committedAtMs: whole(fields, 'committedAtMs'),
  };
}

function parseTrack(fields: Fields): Track {
  const type = fields['type'];
  if (type !== 'video' && type !== 'audio' && type !== 'text') {
    throw new MalformedIndexLine('type is not video, audio or text');
  }
  const formats = fields['formats'];
  if (!Array.isArray(formats) || formats.length === 0 || formats.length > TRACK_FORMATS_MAX) {
    throw new MalformedIndexLine(`formats is not a list of 1 to ${TRACK_FORMATS_MAX}`);
  }
  return {
    type,
    ordinal: whole(fields, 'ordinal', 1, ORDINAL_MAX),
    streamName: name(fields, 'streamName'),
    bitrateBps: whole(fields, 'bitrateBps'),
    folder: name(fields, 'folder'),
    ...text(fields, 'label', LABEL),
    ...text(fields, 'language', LANGUAGE),
    formats: formats.map((format) => parseFormat(fieldsOf(format))),
  };
}

function formatValue(format: TrackFormat): Fields {
  return { ...format, configurationRecord: Buffer.from(format.configurationRecord).toString('base64') };
}

function parseFormat(fields: Fields): TrackFormat {
  const kind = fields['kind'];
  switch (kind) {
    case 'h264':
    case 'hevc':
      return parseVideoFormat(kind, fields);
    case 'aac':
      return parseAudioFormat(fields);
    case 'data':
      return parseDataFormat(fields);
    default:
      throw new MalformedIndexLine('format is not h264, hevc, aac or data');
  }
}

function parseVideoFormat(kind: VideoFormat['kind'], fields: Fields): VideoFormat {
  const frameRate = fields['frameRate'];
  if (frameRate !== undefined && (typeof frameRate !== 'number' || !(frameRate > 0))) {
    throw new MalformedIndexLine('frameRate is not a positive number');
  }
  return {
    kind,
    configurationRecord: configurationRecord(fields),
    codecString: name(fields, 'codecString'),
    width: whole(fields, 'width', 1),
    height: whole(fields, 'height', 1),
    frameRate,
  };
}

function parseAudioFormat(fields: Fields): AudioFormat {
  return {
    kind: 'aac',
    configurationRecord: configurationRecord(fields),
    codecString: name(fields, 'codecString'),
    sampleRateHz: whole(fields, 'sampleRateHz', 1),
    channelCount: whole(fields, 'channelCount', 1),
  };
}

function parseDataFormat(fields: Fields): DataFormat {
  const { sampleEntry, subtype, manifestOutput } = fields;
  if (typeof sampleEntry !== 'string' || !SAMPLE_ENTRY.test(sampleEntry)) {
    throw new MalformedIndexLine('sampleEntry is no four characters');
  }
  if (typeof subtype !== 'string' || !SUBTYPE.test(subtype)) {
    throw new MalformedIndexLine('subtype is no name');
  }
  if (typeof manifestOutput !== 'boolean') throw new MalformedIndexLine('manifestOutput is no boolean');
  return {
    kind: 'data',
    configurationRecord: configurationRecord(fields),
    codecString: '',
    sampleEntry,
    subtype,
    ...text(fields, 'scheme', SCHEME),
    ...text(fields, 'parentTrackName', PARENT),
    manifestOutput,
  };
}

function configurationRecord(fields: Fields): Uint8Array {
  const value = fields['configurationRecord'];
  if (typeof value !== 'string' || value.length > CONFIGURATION_RECORD_BASE64_LENGTH_MAX) {
    throw new MalformedIndexLine('configurationRecord is not bounded base64');
  }
  const bytes = Buffer.from(value, 'base64');
  if (bytes.toString('base64') !== value) throw new MalformedIndexLine('configurationRecord is not base64');
  return new Uint8Array(bytes);
}

function name(fields: Fields, key: string): string {
  const value = fields[key];
  if (typeof value !== 'string' || !/^[\w.-]+$/.test(value) || value.length > NAME_LENGTH_MAX) {
    throw new MalformedIndexLine(`${key} is not a name`);
  }
  return value;
}

/** Absent in recordings of before and where nobody said. */
function text<K extends 'label' | 'language' | 'scheme' | 'parentTrackName'>(
  fields: Fields,
  key: K,
  pattern: RegExp,
): { readonly [P in K]?: string } {
  const value = fields[key];
  if (value === undefined) return {};
  if (typeof value !== 'string' || !pattern.test(value)) throw new MalformedIndexLine(`${key} is not text`);
  return { [key]: value } as { readonly [P in K]?: string }; // a computed key widens to string
}

function whole(fields: Fields, key: string, min = 0, max: number = Number.MAX_SAFE_INTEGER): number {
  const value = fields[key];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
    throw new MalformedIndexLine(`${key} is not a whole number from ${min} to ${max}`);
  }
  return value;
}

function fieldsOf(value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new MalformedIndexLine('not an object');
  }
  // Checked above: an object; every member is checked where it is read.
  return value as Fields;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new MalformedIndexLine('not JSON', { cause });
  }
}
