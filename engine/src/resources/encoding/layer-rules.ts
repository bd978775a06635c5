import type { z } from 'zod';
import type * as contract from '../../contract/encoding.ts';
import { parseIsoDurationMs } from '../iso-duration.ts';
import { type FieldProblems, outsideOf } from './field-problem.ts';
import { FRAME_RATE_REASON, isFrameRate, isPictureLength, PICTURE_LENGTH_REASON } from './media-position.ts';

const INT32_MAX = 2 ** 31 - 1;
const B_FRAMES_MAX = 16;
const SLICES_MAX = 64;
const REFERENCE_FRAMES_MAX = 16;
/** Specification: 0.1 to 100 seconds. */
const BUFFER_WINDOW_MS = { min: 100, max: 100_000 };
const CRF = { min: 0, max: 51 };

// ISO/IEC 14496-10 table A-1 and ISO/IEC 23008-2 table A.8, up to 6.2 as the specification says.
const H264_LEVELS = '1 1b 1.1 1.2 1.3 2 2.1 2.2 3 3.1 3.2 4 4.1 4.2 5 5.1 5.2 6 6.1 6.2'.split(' ');
const H265_LEVELS = '1 2 2.1 3 3.1 4 4.1 5 5.1 5.2 6 6.1 6.2'.split(' ');

interface Sized {
  readonly width?: string | null | undefined;
  readonly height?: string | null | undefined;
}

export function* sizeProblems(layer: Sized, at: string): FieldProblems {
  for (const name of ['width', 'height'] as const) {
    const length = layer[name];
    if (length == null || isPictureLength(length, 1)) continue;
    yield { field: `${at}.${name}`, reason: `${PICTURE_LENGTH_REASON}, not '${length}'` };
  }
}

export function* h264LayerProblems(layer: z.output<typeof contract.H264Layer>, at: string): FieldProblems {
  yield* videoLayerProblems(layer, at, H264_LEVELS);
}

export function* h265LayerProblems(layer: z.output<typeof contract.H265Layer>, at: string): FieldProblems {
  yield* videoLayerProblems(layer, at, H265_LEVELS);
}

type VideoLayer = z.output<typeof contract.H264Layer> | z.output<typeof contract.H265Layer>;

function* videoLayerProblems(layer: VideoLayer, at: string, levels: readonly string[]): FieldProblems {
  yield* sizeProblems(layer, at);
  yield* outsideOf(`${at}.bitrate`, layer.bitrate, { min: 1, max: INT32_MAX });
  yield* outsideOf(`${at}.maxBitrate`, layer.maxBitrate, { min: layer.bitrate, max: INT32_MAX });
  yield* outsideOf(`${at}.bFrames`, layer.bFrames, { min: 0, max: B_FRAMES_MAX });
  yield* outsideOf(`${at}.slices`, layer.slices, { min: 0, max: SLICES_MAX });
  yield* outsideOf(`${at}.referenceFrames`, layer.referenceFrames, { min: 1, max: REFERENCE_FRAMES_MAX });
  yield* outsideOf(`${at}.crf`, layer.crf, CRF);
  if (layer.frameRate != null && !isFrameRate(layer.frameRate)) {
    yield { field: `${at}.frameRate`, reason: `${FRAME_RATE_REASON}, not '${layer.frameRate}'` };
  }
  if (layer.level != null && !isLevel(layer.level, levels)) {
    yield {
      field: `${at}.level`,
      reason: `'${layer.level}' is none of Auto, ${levels.join(', ')}`,
    };
  }
  yield* bufferWindowProblems(layer, at);
}

const isLevel = (level: string, levels: readonly string[]): boolean =>
  level.toLowerCase() === 'auto' || levels.includes(level.replace(/\.0$/, ''));

function* bufferWindowProblems({ bufferWindow }: VideoLayer, at: string): FieldProblems {
  if (bufferWindow == null) return;
  const ms = parseIsoDurationMs(bufferWindow) ?? 0;
  if (ms >= BUFFER_WINDOW_MS.min && ms <= BUFFER_WINDOW_MS.max) return;
  yield {
    field: `${at}.bufferWindow`,
    reason: `${bufferWindow} is out of range, PT0.1S to PT100S is allowed`,
  };
}
