/** A WebVTT file that no player would read. */
export class MalformedWebVtt extends Error {
  readonly code = 'MalformedWebVtt';
  constructor(reason: string) {
    super(reason);
    this.name = 'MalformedWebVtt';
  }
}

export interface WebVttFile {
  /** Of the header, such as `Language` and `Kind`, by its name in lower case. */
  readonly metadata: ReadonlyMap<string, string>;
  /** `STYLE` and `REGION` blocks, whole, in their order. */
  readonly blocks: readonly string[];
  readonly cues: readonly WebVttCue[];
}

export interface WebVttCue {
  readonly startMs: number;
  readonly endMs: number;
  /** The line before its times. */
  readonly identifier?: string;
  /** What stands behind its times, such as `line:0 align:start`. */
  readonly settings?: string;
  readonly payload: string;
}

const CUES_MAX = 50_000;
/** Of one cue, and of all styles and regions; in characters. */
const CUE_LENGTH_MAX = 8_192;
const BLOCKS_LENGTH_MAX = 65_536;
const METADATA_LINES_MAX = 100;
const KEPT_KEYWORDS = /^(?:STYLE|REGION)[ \t]*$/;
const BLOCK_KEYWORDS = /^(?:NOTE|STYLE|REGION)(?:[ \t]|$)/;
const TIME = String.raw`(?:(\d{2,}):)?([0-5]\d):([0-5]\d)\.(\d{3})`;
const TIMING = new RegExp(String.raw`^\s*${TIME}\s+-->\s+${TIME}(?:\s(.*))?$`);

/**
 * Reads a WebVTT file (W3C WebVTT §4.1, the syntax that authors must keep to, not the parser's that takes anything) with
 * the header that authors write between the signature and the first blank line. Throws `MalformedWebVtt`.
 */
export function parseWebVtt(bytes: Uint8Array): WebVttFile {
  const lines = decodeUtf8(bytes).split(/\r\n|\n|\r/);
  const [signature = ''] = lines;
  if (!/^WEBVTT(?:[ \t]|$)/.test(signature)) throw new MalformedWebVtt('the file does not begin with WEBVTT');
  const headerEnd = endOfBlock(lines, 1);
  const cues: WebVttCue[] = [];
  const blocks: string[] = [];
  let blocksLength = 0;
  for (let start = headerEnd; start < lines.length; ) {
    const end = endOfBlock(lines, start);
    const block = lines.slice(start, end);
    const cue = readBlock(block, start + 1);
    if (cue !== undefined) cues.push(cue);
    else if (KEPT_KEYWORDS.test(block[0] ?? '')) {
      const text = block.join('\n');
      blocksLength += text.length;
      blocks.push(text);
    }
    if (cues.length > CUES_MAX) throw new MalformedWebVtt(`more than ${CUES_MAX} cues`);
    if (blocksLength > BLOCKS_LENGTH_MAX) {
      throw new MalformedWebVtt(`styles and regions of more than ${BLOCKS_LENGTH_MAX} characters`);
    }
    start = end + 1;
  }
  return { metadata: readMetadata(lines.slice(1, headerEnd)), blocks, cues };
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw Object.assign(new MalformedWebVtt('the file is not UTF-8'), { cause });
  }
}

function endOfBlock(lines: readonly string[], start: number): number {
  let end = start;
  while (end < lines.length && lines[end] !== '') end += 1;
  return end;
}

function readMetadata(lines: readonly string[]): ReadonlyMap<string, string> {
  if (lines.length > METADATA_LINES_MAX)
    throw new MalformedWebVtt(`more than ${METADATA_LINES_MAX} header lines`);
  const pairs = lines.flatMap((line): [string, string][] => {
    const [, name, value] = /^([A-Za-z][\w-]*)\s*[:=]\s*(.*)$/.exec(line) ?? [];
    return name === undefined || value === undefined ? [] : [[name.toLowerCase(), value.trim()]];
  });
  return new Map(pairs);
}

/** A block is a cue, with an identifier in a line before its times or without; a comment; a style; a region. */
function readBlock(lines: readonly string[], lineNumber: number): WebVttCue | undefined {
  const [first = '', second = ''] = lines;
  if (lines.length === 0 || BLOCK_KEYWORDS.test(first)) return undefined;
  const hasIdentifier = !first.includes('-->');
  const match = TIMING.exec(hasIdentifier ? second : first);
  if (match === null) throw new MalformedWebVtt(`line ${lineNumber}: the times of a cue are expected`);
  const startMs = milliseconds(match.slice(1, 5));
  const endMs = milliseconds(match.slice(5, 9));
  if (endMs <= startMs) throw new MalformedWebVtt(`line ${lineNumber}: a cue ends before it begins`);
  const payload = lines.slice(hasIdentifier ? 2 : 1).join('\n');
  const settings = match[9]?.trim() ?? '';
  if (first.length + second.length + payload.length > CUE_LENGTH_MAX) {
    throw new MalformedWebVtt(`line ${lineNumber}: a cue of more than ${CUE_LENGTH_MAX} characters`);
  }
  // §4.1: an arrow would begin another cue.
  if (payload.includes('-->')) throw new MalformedWebVtt(`line ${lineNumber}: an arrow in the text of a cue`);
  return {
    startMs,
    endMs,
    ...(hasIdentifier ? { identifier: first } : {}),
    ...(settings === '' ? {} : { settings }),
    payload,
  };
}

function milliseconds([hours = '0', minutes = '0', seconds = '0', fraction = '0']: readonly (
  | string
  | undefined
)[]) {
  return ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000 + Number(fraction);
}
