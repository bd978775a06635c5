import type { FFmpegRun } from '../encoding/encoding-plan.ts';

/**
 * Formats of files that people bring. None of them reads a further file or address; those that do (playlists, lists,
 * numbered pictures, filter graphs, devices) are read only where the plan itself says so.
 */
const FORMATS =
  '3dostr,aac,ac3,aiff,amr,asf,au,av1,avi,bmp_pipe,caf,dts,dtshd,dv,eac3,flac,flv,gif,gxf,h264,hevc,ivf,jpeg_pipe,' +
  'lxf,m4v,matroska,mjpeg,mlp,mov,mp3,mpeg,mpegts,mpegvideo,mxf,nut,obu,ogg,png_pipe,rm,tiff_pipe,truehd,vc1,w64,wav,' +
  'webp_pipe,wtv,wv,yuv4mpegpipe';
const PROTOCOLS = 'file,pipe';
/** 8192 × 8192: a picture that is larger is a bomb, or nothing that a ladder is made of. */
export const PIXELS_MAX = 8192 * 8192;
const ALLOCATION_BYTES_MAX = 1024 * 1024 * 1024;
const STREAMS_MAX = 256;
/** Of all that is decoded; more of it broken, and the input is no good. */
const BROKEN_SHARE_MAX = 0.05;

/** Before an input, for `ffmpeg` and `ffprobe` alike; `format` is what the plan says it is, if it does. */
export function inputGuard(format?: string): readonly string[] {
  return [
    ...['-protocol_whitelist', PROTOCOLS],
    ...['-format_whitelist', format === undefined ? FORMATS : `${format},${FORMATS}`],
    ...['-max_pixels', String(PIXELS_MAX)],
    ...['-max_streams', String(STREAMS_MAX)],
  ];
}

export const ALLOCATION_GUARD: readonly string[] = ['-max_alloc', String(ALLOCATION_BYTES_MAX)];

/** The whole command line of a run but for the program: what the plan says, and each input guarded. */
export function runArguments(run: FFmpegRun, logLevel: 'error' | 'info'): readonly string[] {
  const own = run.arguments.flatMap((argument, index) =>
    argument === '-i' ? [...inputGuard(formatBefore(run.arguments, index)), argument] : [argument],
  );
  return [
    ...['-hide_banner', '-nostdin', '-y', '-loglevel', `level+${logLevel}`, '-nostats'],
    ...['-progress', 'pipe:1', '-stats_period', '0.5'],
    ...['-max_error_rate', String(BROKEN_SHARE_MAX)],
    ...ALLOCATION_GUARD,
    ...own,
  ];
}

/** `-f` among the options of the input at `index`: behind the input before it. */
function formatBefore(args: readonly string[], index: number): string | undefined {
  const begin = args.lastIndexOf('-i', index - 1);
  const options = args.slice(begin < 0 ? 0 : begin + 2, index);
  const at = options.lastIndexOf('-f');
  return at < 0 ? undefined : options[at + 1];
}
