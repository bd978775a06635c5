import { MalformedXml, parseXmlWithText, type XmlElement } from './xml-document.ts';

/** A `p` of a TTML document. */
export interface TimedParagraph {
  readonly startMs: number;
  readonly endMs: number;
  /** Lines, and what is italic, bold or underlined as in WebVTT: `<i>`, `<b>`, `<u>`; the rest is escaped. */
  readonly payload: string;
}

export interface TtmlDocument {
  /** `xml:lang`; undefined: not said. */
  readonly language: string | undefined;
  readonly paragraphs: readonly TimedParagraph[];
}

const PARAGRAPHS_MAX = 50_000;
const PAYLOAD_LENGTH_MAX = 8_000;
const FRAME_RATE_DEFAULT = 30;
const CLOCK_TIME = /^(\d{2,}):(\d{2}):(\d{2})(?:\.(\d+)|:(\d{2,})(?:\.\d+)?)?$/;
const OFFSET_TIME = /^(\d+(?:\.\d+)?)(h|m|s|ms|f|t)$/;

/**
 * Reads the text of a TTML document (W3C TTML1; times of media, styles but for three, and regions left out). Throws
 * `MalformedXml`.
 */
export function parseTtml(text: string): TtmlDocument {
  const root = parseXmlWithText(text);
  if (root.name !== 'tt') throw new MalformedXml('the root element is not tt');
  const clock = clockOf(root);
  const paragraphs: TimedParagraph[] = [];
  for (const body of root.children.filter(({ name }) => name === 'body')) {
    collect(body, { clock, span: { startMs: 0, endMs: Number.POSITIVE_INFINITY }, paragraphs });
  }
  const language = root.attributes['lang'];
  return {
    language: language === '' ? undefined : language,
    paragraphs: paragraphs.toSorted((a, b) => a.startMs - b.startMs),
  };
}

interface TtmlClock {
  readonly frameRate: number;
  readonly tickRate: number;
}

interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

interface Collecting {
  readonly clock: TtmlClock;
  /** Of the element around. */
  readonly span: Span;
  readonly paragraphs: TimedParagraph[];
}

/** §6.2: a tick is a frame, or a second where no frames are counted. */
function clockOf({ attributes }: XmlElement): TtmlClock {
  const frames = positive(attributes['frameRate']);
  const [numerator, denominator] = (attributes['frameRateMultiplier'] ?? '1 1').split(/[\s:]+/).map(Number);
  const factor = (numerator ?? 1) / (denominator ?? 1);
  const frameRate = (frames ?? FRAME_RATE_DEFAULT) * (Number.isFinite(factor) && factor > 0 ? factor : 1);
  return { frameRate, tickRate: positive(attributes['tickRate']) ?? (frames === undefined ? 1 : frameRate) };
}

function positive(text: string | undefined): number | undefined {
  return text !== undefined && /^[1-9]\d{0,9}$/.test(text) ? Number(text) : undefined;
}

/** Times count from the beginning of the element around, and end with it, §10.2. */
function collect(element: XmlElement, around: Collecting): void {
  const span = spanOf(element, around);
  if (element.name === 'p') {
    addParagraph(element, { ...around, span });
    return;
  }
  for (const child of element.children) {
    if (child.name === 'div' || child.name === 'p') collect(child, { ...around, span });
  }
}

function spanOf({ attributes }: XmlElement, { span, clock }: Collecting): Span {
  const startMs = span.startMs + (timeMs(attributes['begin'], clock) ?? 0);
  const durationMs = timeMs(attributes['dur'], clock);
  const endMs = timeMs(attributes['end'], clock);
  return {
    startMs,
    endMs: Math.min(
      span.endMs,
      endMs === undefined ? Number.POSITIVE_INFINITY : span.startMs + endMs,
      durationMs === undefined ? Number.POSITIVE_INFINITY : startMs + durationMs,
    ),
  };
}

function addParagraph(element: XmlElement, { span, clock, paragraphs }: Collecting): void {
  const timed = element.children.filter(
    ({ name, attributes }) => name === 'span' && (attributes['begin'] ?? attributes['end']) !== undefined,
  );
  const parts =
    timed.length === 0
      ? [{ span, payload: payloadOf(element) }]
      : timed.map((one) => ({
          span: spanOf(one, { span, clock, paragraphs }),
          payload: payloadOf(one),
        }));
  for (const { span: own, payload } of parts) {
    if (payload === '' || !Number.isFinite(own.endMs) || own.endMs <= own.startMs) continue;
    if (paragraphs.length >= PARAGRAPHS_MAX) throw new MalformedXml(`more than ${PARAGRAPHS_MAX} paragraphs`);
    if (payload.length > PAYLOAD_LENGTH_MAX) {
      throw new MalformedXml(`a paragraph of more than ${PAYLOAD_LENGTH_MAX} characters`);
    }
    paragraphs.push({ ...own, payload });
  }
}

function payloadOf(element: XmlElement): string {
  return inline(element)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join('\n');
}

/** White space is one space, as `xml:space="default"` has it; `br` alone breaks lines. */
function inline(element: XmlElement): string {
  const inner = (element.mixed ?? element.children)
    .map((node) => {
      if (typeof node === 'string') return escapeWebVtt(node.replace(/\s+/g, ' '));
      if (node.name === 'br') return '\n';
      return node.name === 'span' ? inline(node) : '';
    })
    .join('');
  const tags = [
    ...(element.attributes['fontStyle'] === 'italic' ? ['i'] : []),
    ...(element.attributes['fontWeight'] === 'bold' ? ['b'] : []),
    ...(element.attributes['textDecoration'] === 'underline' ? ['u'] : []),
  ];
  return tags.reduce((text, tag) => (text.trim() === '' ? text : `<${tag}>${text}</${tag}>`), inner);
}

const escapeWebVtt = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

function timeMs(text: string | undefined, { frameRate, tickRate }: TtmlClock): number | undefined {
  if (text === undefined) return undefined;
  const clock = CLOCK_TIME.exec(text.trim());
  if (clock !== null) {
    const [, hours = '0', minutes = '0', seconds = '0', fraction = '', frames] = clock;
    const whole = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds);
    const rest =
      frames === undefined ? Number(`0.${fraction === '' ? '0' : fraction}`) : Number(frames) / frameRate;
    return bounded((whole + rest) * 1000);
  }
  const offset = OFFSET_TIME.exec(text.trim());
  if (offset === null) return undefined;
  const value = Number(offset[1]);
  const unit = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, f: 1000 / frameRate, t: 1000 / tickRate };
  const found = Object.entries(unit).find(([name]) => name === offset[2]);
  return found === undefined ? undefined : bounded(value * found[1]);
}

/** A thousand hours are enough for anybody's text. */
const TIME_MS_MAX = 3_600_000_000;
const bounded = (ms: number): number => Math.min(Math.round(ms), TIME_MS_MAX);
