import { z } from 'zod';
import type { Ratio, SourceAudio, SourceFile, SourceVideo } from '../encoding/source.ts';

const STREAMS_MAX = 256;
/** Longer ones are broken, or nothing that a job is for. */
const DURATION_SECONDS_MAX = 48 * 60 * 60;
const SIDE_MAX = 16_384;

const number = z.preprocess((value) => {
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  const parsed = Number(value);
  return Number.isFinite(parsed) ? parsed : undefined;
}, z.number().optional());
const text = z.string().max(200).optional().catch(undefined);

const ProbeStream = z.object({
  index: z.number().int().min(0),
  codec_type: text,
  codec_name: text,
  width: number,
  height: number,
  sample_aspect_ratio: text,
  avg_frame_rate: text,
  r_frame_rate: text,
  field_order: text,
  pix_fmt: text,
  nb_frames: number,
  channels: number,
  channel_layout: text,
  sample_rate: number,
  start_time: number,
  duration: number,
  bit_rate: number,
  disposition: z.object({ attached_pic: number }).optional().catch(undefined),
  tags: z.record(z.string(), z.unknown()).optional().catch(undefined),
  side_data_list: z
    .array(z.object({ rotation: number }))
    .max(100)
    .optional()
    .catch(undefined),
});
type ProbeStream = z.output<typeof ProbeStream>;

const ProbeAnswer = z.object({
  streams: z.array(ProbeStream).max(STREAMS_MAX),
  format: z.object({
    format_name: z.string().max(200),
    start_time: number,
    duration: number,
    bit_rate: number,
  }),
});

export type SourceReading =
  | { readonly kind: 'source'; readonly source: SourceFile }
  | { readonly kind: 'unusable'; readonly reason: 'malformed' | 'unsupported'; readonly message: string };

/** What `probe` found, as planners have it; `file` says what it cannot know. */
export function readSourceFile(
  json: unknown,
  file: Pick<SourceFile, 'name' | 'path' | 'sizeBytes'>,
): SourceReading {
  const parsed = ProbeAnswer.safeParse(json);
  if (!parsed.success) return unusable('malformed', 'it is no media file that could be read');
  const { streams, format } = parsed.data;
  const fallback = {
    startSeconds: format.start_time ?? 0,
    durationSeconds: Math.max(0, format.duration ?? 0),
  };
  const video = streams.filter(isPicture).map((stream) => toVideo(stream, fallback));
  const audio = streams.filter(({ codec_type }) => codec_type === 'audio').map((s) => toAudio(s, fallback));
  const durationSeconds = Math.max(
    fallback.durationSeconds,
    ...[...video, ...audio].map((stream) => stream.durationSeconds),
  );
  const source: SourceFile = {
    ...file,
    formatName: format.format_name,
    startSeconds: fallback.startSeconds,
    durationSeconds,
    bitrateBps: format.bit_rate,
    video: video.filter(({ width, height }) => width > 0 && height > 0),
    audio: audio.filter(({ channels, samplingRate }) => channels > 0 && samplingRate > 0),
  };
  return problemOf(source, video.length + audio.length) ?? { kind: 'source', source };
}

function problemOf(source: SourceFile, streamCount: number): SourceReading | undefined {
  if (streamCount === 0) return unusable('unsupported', 'there is neither picture nor sound in it');
  if (source.video.length + source.audio.length === 0) {
    return unusable('malformed', 'its picture and sound cannot be read');
  }
  if (source.video.some(({ width, height }) => width > SIDE_MAX || height > SIDE_MAX)) {
    return unusable('unsupported', `its picture is larger than ${SIDE_MAX} pixels`);
  }
  if (source.durationSeconds > DURATION_SECONDS_MAX) {
    return unusable('unsupported', `it is longer than ${DURATION_SECONDS_MAX / 3600} hours`);
  }
  const unknown = [...source.video, ...source.audio].find(({ codec }) => codec === 'unknown');
  return unknown && unusable('unsupported', `nothing reads the codec of its stream ${unknown.streamIndex}`);
}

const unusable = (reason: 'malformed' | 'unsupported', message: string): SourceReading => ({
  kind: 'unusable',
  reason,
  message,
});

/** The cover of a song is no video. */
const isPicture = (stream: ProbeStream): boolean =>
  stream.codec_type === 'video' && stream.disposition?.attached_pic !== 1;

type Fallback = Pick<SourceFile, 'startSeconds' | 'durationSeconds'>;

function toVideo(stream: ProbeStream, fallback: Fallback): SourceVideo {
  return {
    ...timesOf(stream, fallback),
    streamIndex: stream.index,
    codec: stream.codec_name ?? 'unknown',
    width: stream.width ?? 0,
    height: stream.height ?? 0,
    pixelAspect: ratio(stream.sample_aspect_ratio, ':') ?? { numerator: 1, denominator: 1 },
    rotationDegrees: rotationOf(stream),
    frameRate: ratio(stream.avg_frame_rate, '/') ??
      ratio(stream.r_frame_rate, '/') ?? { numerator: 25, denominator: 1 },
    frameCount: stream.nb_frames,
    isInterlaced: /^[tb][tb]$/.test(stream.field_order ?? ''),
    pixelFormat: stream.pix_fmt ?? 'yuv420p',
    bitrateBps: stream.bit_rate,
  };
}

function toAudio(stream: ProbeStream, fallback: Fallback): SourceAudio {
  const language = stream.tags?.['language'];
  return {
    ...timesOf(stream, fallback),
    streamIndex: stream.index,
    codec: stream.codec_name ?? 'unknown',
    channels: stream.channels ?? 0,
    channelLayout: stream.channel_layout,
    samplingRate: stream.sample_rate ?? 0,
    language:
      typeof language === 'string' && language !== '' && language.toLowerCase() !== 'und'
        ? language.toLowerCase().slice(0, 35)
        : undefined,
    bitrateBps: stream.bit_rate,
  };
}

function timesOf(stream: ProbeStream, fallback: Fallback): Fallback {
  return {
    startSeconds: stream.start_time ?? fallback.startSeconds,
    durationSeconds:
      stream.duration !== undefined && stream.duration > 0 ? stream.duration : fallback.durationSeconds,
  };
}

/** FFmpeg says how far it is turned counter-clockwise; old files have it as a tag, clockwise. */
function rotationOf(stream: ProbeStream): number {
  const turned = stream.side_data_list?.find(({ rotation }) => rotation !== undefined)?.rotation;
  const tag = Number(stream.tags?.['rotate']);
  const degrees = turned !== undefined ? -turned : Number.isFinite(tag) ? tag : 0;
  return (((Math.round(degrees / 90) * 90) % 360) + 360) % 360;
}

function ratio(value: string | undefined, separator: ':' | '/'): Ratio | undefined {
  const [numerator = 0, denominator = 0] = (value ?? '').split(separator).map(Number);
  return numerator > 0 && denominator > 0 && Number.isInteger(numerator) && Number.isInteger(denominator)
    ? { numerator, denominator }
    : undefined;
}
