import type { z } from 'zod';
import type * as contract from '../../contract/encoding.ts';
import { parseIsoDurationMs } from '../iso-duration.ts';
import { type FieldProblems, outsideOf } from './field-problem.ts';
import { h264LayerProblems, h265LayerProblems, sizeProblems } from './layer-rules.ts';
import { isZero, POSITION_REASON, parseMediaPosition } from './media-position.ts';
import { typeNameOf } from './preset-defaults.ts';

export type Codec = z.output<typeof contract.Codec>;

/** Specification: non-zero in the range of 0.5 to 20 seconds. */
const KEY_FRAME_INTERVAL_MS = { min: 500, max: 20_000 };
const QUALITY = { min: 0, max: 100 };
/** JPEG has 16 bits for a length; a column is at least a pixel. */
const SPRITE_COLUMNS = { min: 1, max: 65_535 };
const AAC_CHANNELS = { min: 1, max: 8 };
const AAC_BITRATE = { min: 8000, max: 1_024_000 };
// ISO/IEC 14496-3 table 1.18.
const AAC_SAMPLING_RATES = [
  96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000,
];
// The description of DDAudio in the specification.
const DD_CHANNELS = [1, 2, 6];
const DD_SAMPLING_RATES = [32_000, 44_100, 48_000];
const DD_BITRATES = [
  32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640,
].map((kbps) => kbps * 1000);

/** What the service refuses in a codec that has the form of the specification; `at` is where it stands. */
export function* codecProblems(codec: Codec, at: string): FieldProblems {
  if ('keyFrameInterval' in codec) yield* keyFrameProblems(codec.keyFrameInterval, at);
  switch (codec['@odata.type']) {
    case '#Microsoft.Media.AacAudio':
      yield* aacProblems(codec, at);
      break;
    case '#Microsoft.Media.DDAudio':
      yield* dolbyProblems(codec, at);
      break;
    case '#Microsoft.Media.H264Video':
      for (const [index, layer] of (codec.layers ?? []).entries()) {
        yield* h264LayerProblems(layer, `${at}.layers[${index}]`);
      }
      break;
    case '#Microsoft.Media.H265Video':
      for (const [index, layer] of (codec.layers ?? []).entries()) {
        yield* h265LayerProblems(layer, `${at}.layers[${index}]`);
      }
      break;
    case '#Microsoft.Media.JpgImage':
    case '#Microsoft.Media.PngImage':
      yield* imageProblems(codec, at);
      break;
    case '#Microsoft.Media.CopyVideo':
    case '#Microsoft.Media.CopyAudio':
      break;
    case '#Microsoft.Media.Audio':
    case '#Microsoft.Media.Video':
    case '#Microsoft.Media.Image':
      yield {
        field: `${at}.@odata.type`,
        reason: `${typeNameOf(codec)} is what several codecs have in common, not a codec`,
      };
  }
}

function* keyFrameProblems(interval: string | null | undefined, at: string): FieldProblems {
  if (interval == null) return;
  const ms = parseIsoDurationMs(interval) ?? 0;
  if (ms >= KEY_FRAME_INTERVAL_MS.min && ms <= KEY_FRAME_INTERVAL_MS.max) return;
  yield {
    field: `${at}.keyFrameInterval`,
    reason: `${interval} is out of range, PT0.5S to PT20S is allowed`,
  };
}

function* aacProblems(codec: z.output<typeof contract.AacAudio>, at: string): FieldProblems {
  yield* outsideOf(`${at}.channels`, codec.channels, AAC_CHANNELS);
  yield* outsideOf(`${at}.bitrate`, codec.bitrate, AAC_BITRATE);
  yield* noneOf(`${at}.samplingRate`, codec.samplingRate, AAC_SAMPLING_RATES);
  // ISO/IEC 14496-3 §8.6.4: parametric stereo makes two channels out of one.
  if (codec.profile === 'HeAacV2' && codec.channels != null && codec.channels !== 2) {
    yield { field: `${at}.channels`, reason: `HeAacV2 has 2 channels, not ${codec.channels}` };
  }
}

function* dolbyProblems(codec: z.output<typeof contract.DDAudio>, at: string): FieldProblems {
  yield* noneOf(`${at}.channels`, codec.channels, DD_CHANNELS);
  yield* noneOf(`${at}.samplingRate`, codec.samplingRate, DD_SAMPLING_RATES);
  yield* noneOf(`${at}.bitrate`, codec.bitrate, DD_BITRATES);
}

function* noneOf(field: string, value: number | null | undefined, allowed: readonly number[]): FieldProblems {
  if (value == null || allowed.includes(value)) return;
  yield { field, reason: `${value} is none of ${allowed.join(', ')}` };
}

type Image = z.output<typeof contract.JpgImage> | z.output<typeof contract.PngImage>;

/** Of all frames that are near the beginning, the one that shows most. */
const BEST = '{best}';

function* imageProblems(image: Image, at: string): FieldProblems {
  if (image.start.toLowerCase() !== BEST && parseMediaPosition(image.start) === undefined) {
    yield { field: `${at}.start`, reason: `{Best} or ${POSITION_REASON}, not '${image.start}'` };
  }
  for (const name of ['step', 'range'] as const) {
    const text = image[name];
    if (text == null) continue;
    const position = parseMediaPosition(text);
    if (position === undefined || isZero(position)) {
      yield { field: `${at}.${name}`, reason: `${POSITION_REASON} that is not zero, not '${text}'` };
    }
  }
  for (const [index, layer] of (image.layers ?? []).entries()) {
    yield* sizeProblems(layer, `${at}.layers[${index}]`);
  }
  if (image['@odata.type'] === '#Microsoft.Media.PngImage') return;
  for (const [index, layer] of (image.layers ?? []).entries()) {
    yield* outsideOf(`${at}.layers[${index}].quality`, layer.quality, QUALITY);
  }
  yield* outsideOf(`${at}.spriteColumn`, image.spriteColumn, SPRITE_COLUMNS);
}
