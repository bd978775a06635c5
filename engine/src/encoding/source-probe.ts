import { z } from 'zod';
import { constantRate, isSteady } from './frame-rate.ts';
import type { Ratio, SourceAudio, SourceFile, SourceVideo } from './source.ts';
import { Unplannable } from './unplannable.ts';

/** Of what ffprobe says of a hostile file, nothing is believed beyond these. */
const STREAMS_MAX = 256;
const LENGTH_MAX = 256;
const SIDE_PX_MAX = 16_384;
const DURATION_SECONDS_MAX = 7 * 24 * 3600;
const CHANNELS_MAX = 64;
const SAMPLING_RATE_MAX = 768_000;
const BITRATE_MAX = 2 ** 40;
const FRAMES_MAX = 2 ** 31;

const short = z.string().max(LENGTH_MAX);
/** Numbers are texts in ffprobe's answer; what is none is not known. */
const amount = (max: number) =>
  z
    .union([z.string().max(64), z.number()])
    .optional()
    .transform((value) => {
      const number = Number(value ?? Number.NaN);
      return Number.isFinite(number) && Math.abs(number) <= max ? number : undefined;
    });
const ratio = short.optional().transform((text): Ratio | undefined => {
  const [, numerator = '', denominator = ''] = /^(\d{1,10})[:/](\d{1,10})$/.exec(text ?? '') ?? [];
  const parsed = { numerator: Number(numerator), denominator: Number(denominator) };
  return parsed.numerator > 0 && parsed.denominator > 0 ? parsed : undefined;
});
const tags = z.record(z.string(), z.unknown()).catch({});

const Stream = z.looseObject({
  index: z.int().min(0),
  codec_type: short.optional(),
  codec_name: short.catch('unknown'),
  width: z.int().min(0).optional(),
  height: z.int().min(0).optional(),
  sample_aspect_ratio: ratio,
  avg_frame_rate: ratio,
  r_frame_rate: ratio,
  nb_frames: amount(FRAMES_MAX),
  field_order: short.optional(),
  pix_fmt: short.optional(),
  start_time: amount(Number.MAX_SAFE_INTEGER),
  duration: amount(DURATION_SECONDS_MAX),
  bit_rate: amount(BITRATE_MAX),
  channels: amount(CHANNELS_MAX),
  channel_layout: short.optional(),
  sample_rate: amount(SAMPLING_RATE_MAX),
  disposition: z.record(z.string(), z.unknown()).catch({}),
  tags,
  side_data_list: z.array(z.looseObject({ rotation: amount(3600) })).catch([]),
});

const Probe = z.looseObject({
  streams: z.array(Stream).max(STREAMS_MAX),
  format: z.looseObject({
    format_name: short,
    start_time: amount(Number.MAX_SAFE_INTEGER),
    duration: amount(DURATION_SECONDS_MAX),
    bit_rate: amount(BITRATE_MAX),
  }),
});

type ProbedStream = z.output<typeof Stream>;

export type ProbeResult =
  | { readonly kind: 'source'; readonly source: SourceFile }
  | {
      readonly kind: 'refused';
      readonly code: 'ContentMalformed' | 'ContentUnsupported';
      readonly message: string;
    };

/**
 * What `ffprobe -show_format -show_streams -of json` found in a file. Refused: `ContentMalformed` for what is no media
 * file, `ContentUnsupported` for one beyond our limits. A file with neither pictures nor sound is a source of nothing.
 */
export function parseProbe(
  json: unknown,
  file: { readonly name: string; readonly path: string; readonly sizeBytes: number },
): ProbeResult {
  const parsed = Probe.safeParse(json);
  if (!parsed.success) {
    return {
      kind: 'refused',
      code: 'ContentMalformed',
      message: `'${file.name}' is no media file that can be read.`,
    };
  }
  try {
    return { kind: 'source', source: toSource(parsed.data, file) };
  } catch (error) {
    if (!(error instanceof Unplannable) || error.code === 'ConfigurationUnsupported') throw error;
    return { kind: 'refused', code: error.code, message: error.message };
  }
}

function toSource(
  { streams, format }: z.output<typeof Probe>,
  file: { readonly name: string; readonly path: string; readonly sizeBytes: number },
): SourceFile {
  const startSeconds = format.start_time ?? 0;
  const fallback = { startSeconds, durationSeconds: Math.max(0, format.duration ?? 0) };
  const video = streams.flatMap((stream) => readVideo(stream, fallback, file.name));
  const audio = streams.flatMap((stream) => readAudio(stream, fallback));
  const ends = [...video, ...audio].map((track) => track.startSeconds + track.durationSeconds - startSeconds);
  return {
    ...file,
    formatName: format.format_name,
    startSeconds,
    durationSeconds: Math.max(0, ...ends),
    bitrateBps: format.bit_rate,
    video,
    audio,
  };
}

type Times = Pick<SourceVideo, 'startSeconds' | 'durationSeconds'>;

function readVideo(stream: ProbedStream, fallback: Times, name: string): SourceVideo[] {
  const { width = 0, height = 0 } = stream;
  const isCover = stream.disposition['attached_pic'] === 1;
  if (stream.codec_type !== 'video' || isCover || width === 0 || height === 0) return [];
  if (width > SIDE_PX_MAX || height > SIDE_PX_MAX) {
    const found = `pictures of ${width}x${height} pixels`;
    throw new Unplannable(
      'ContentUnsupported',
      `'${name}' has ${found}, at most ${SIDE_PX_MAX} each way are read.`,
    );
  }
  const most = stream.r_frame_rate ?? stream.avg_frame_rate ?? { numerator: 25, denominator: 1 };
  const average = stream.avg_frame_rate ?? most;
  return [
    {
      streamIndex: stream.index,
      codec: stream.codec_name,
      width,
      height,
      pixelAspect: stream.sample_aspect_ratio ?? { numerator: 1, denominator: 1 },
      rotationDegrees: rotationOf(stream),
      frameRate: constantRate(average, most),
      frameCount: isSteady(average, most) ? stream.nb_frames : undefined,
      isInterlaced: ['tt', 'bb', 'tb', 'bt'].includes(stream.field_order ?? ''),
      pixelFormat: stream.pix_fmt ?? 'yuv420p',
      ...timesOf(stream, fallback),
      bitrateBps: stream.bit_rate,
    },
  ];
}

/** The display matrix turns counter-clockwise, the tag that came before it clockwise. */
function rotationOf({ side_data_list: sideData, tags: { rotate } }: ProbedStream): number {
  const matrix = sideData.find(({ rotation }) => rotation !== undefined)?.rotation;
  const tag = Number(rotate ?? 0);
  const clockwise = matrix === undefined ? tag : -matrix;
  const quarters = Number.isFinite(clockwise) ? Math.round(clockwise / 90) : 0;
  return (((quarters % 4) + 4) % 4) * 90;
}

function readAudio(stream: ProbedStream, fallback: Times): SourceAudio[] {
  const { channels = 0, sample_rate: samplingRate = 0 } = stream;
  if (stream.codec_type !== 'audio' || channels < 1 || samplingRate < 1) return [];
  const language = String(stream.tags['language'] ?? '').toLowerCase();
  return [
    {
      streamIndex: stream.index,
      codec: stream.codec_name,
      channels,
      channelLayout: stream.channel_layout,
      samplingRate,
      language:
        /^[a-z]{2,3}(?:-[a-z0-9]{2,8}){0,3}$/.test(language) && language !== 'und' ? language : undefined,
      ...timesOf(stream, fallback),
      bitrateBps: stream.bit_rate,
    },
  ];
}

/** Matroska says how long a track is in a tag, as hours, minutes and seconds. */
function timesOf(stream: ProbedStream, fallback: Times): Times {
  const [, hours, minutes, seconds] =
    /^(\d{1,4}):(\d\d):(\d\d(?:\.\d{1,9})?)$/.exec(String(stream.tags['DURATION'] ?? '')) ?? [];
  const tagged =
    hours === undefined ? undefined : Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
  const startSeconds = stream.start_time ?? fallback.startSeconds;
  // The tag counts from the beginning of the file, where the container puts its own zero.
  const durationSeconds = stream.duration ?? (tagged === undefined ? undefined : tagged - startSeconds);
  return { startSeconds, durationSeconds: Math.max(0, durationSeconds ?? fallback.durationSeconds) };
}
