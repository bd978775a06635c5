import type { z } from 'zod';
import type * as contract from '../../contract/encoding.ts';
import { parseIsoDurationMs } from '../iso-duration.ts';
import { type FieldProblems, outsideOf } from './field-problem.ts';
import {
  isPictureLength,
  isZero,
  PICTURE_LENGTH_REASON,
  POSITION_REASON,
  parseMediaPosition,
} from './media-position.ts';

export type Filters = z.output<typeof contract.Filters>;

const SHARE = { min: 0, max: 1 };
// CSS Level 1 names; rgb(255,0,0); 0xFF0000 or #FF0000 (specification of Fade.fadeColor).
const COLOR =
  /^(?:aqua|black|blue|fuchsia|gray|green|lime|maroon|navy|olive|purple|red|silver|teal|white|yellow|rgb\( ?(?:25[0-5]|2[0-4]\d|1?\d?\d) ?, ?(?:25[0-5]|2[0-4]\d|1?\d?\d) ?, ?(?:25[0-5]|2[0-4]\d|1?\d?\d) ?\)|(?:0x|#)[0-9a-f]{6})$/i;

/** What the service refuses in the filters of a preset. */
export function* filterProblems(filters: Filters, at: string): FieldProblems {
  yield* rectangleProblems(filters.crop, `${at}.crop`);
  yield* fadeProblems(filters.fadeIn, `${at}.fadeIn`);
  yield* fadeProblems(filters.fadeOut, `${at}.fadeOut`);
  for (const [index, overlay] of (filters.overlays ?? []).entries()) {
    yield* overlayProblems(overlay, `${at}.overlays[${index}]`);
  }
}

function* rectangleProblems(
  rectangle: z.output<typeof contract.Rectangle> | null | undefined,
  at: string,
): FieldProblems {
  const limits = { left: 0, top: 0, width: 1, height: 1 } as const;
  for (const name of ['left', 'top', 'width', 'height'] as const) {
    const length = rectangle?.[name];
    if (length == null || isPictureLength(length, limits[name])) continue;
    yield { field: `${at}.${name}`, reason: `${PICTURE_LENGTH_REASON}, not '${length}'` };
  }
}

function* fadeProblems(fade: z.output<typeof contract.Fade> | null | undefined, at: string): FieldProblems {
  if (fade == null) return;
  const duration = parseMediaPosition(fade.duration);
  if (duration === undefined || isZero(duration)) {
    yield { field: `${at}.duration`, reason: `${POSITION_REASON} that is not zero, not '${fade.duration}'` };
  }
  if (fade.start != null && parseMediaPosition(fade.start) === undefined) {
    yield { field: `${at}.start`, reason: `${POSITION_REASON}, not '${fade.start}'` };
  }
  if (!COLOR.test(fade.fadeColor)) {
    yield {
      field: `${at}.fadeColor`,
      reason: `a CSS Level 1 color, rgb(255,0,0), 0xFF0000 or #FF0000 is expected, not '${fade.fadeColor}'`,
    };
  }
}

function* overlayProblems(overlay: z.output<typeof contract.Overlay>, at: string): FieldProblems {
  if (overlay.inputLabel === '') yield { field: `${at}.inputLabel`, reason: 'it is empty' };
  yield* outsideOf(`${at}.audioGainLevel`, overlay.audioGainLevel, SHARE);
  const { start, end } = overlay;
  if (end != null && millisecondsOf(end) <= millisecondsOf(start ?? 'PT0S')) {
    yield { field: `${at}.end`, reason: `${end} is not after the start, ${start ?? 'PT0S'}` };
  }
  if (overlay['@odata.type'] === '#Microsoft.Media.AudioOverlay') return;
  yield* outsideOf(`${at}.opacity`, overlay.opacity, SHARE);
  yield* rectangleProblems(overlay.position, `${at}.position`);
  yield* rectangleProblems(overlay.cropRectangle, `${at}.cropRectangle`);
}

const millisecondsOf = (duration: string): number => parseIsoDurationMs(duration) ?? 0;
