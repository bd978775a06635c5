import { escapeXml } from './xml-attributes.ts';

/** What is shown for a while, as plain text. */
export interface TimedText {
  /** From where the document's times count. */
  readonly startMs: number;
  readonly endMs: number;
  readonly lines: readonly string[];
}

/** A TTML document (W3C TTML1), its text at the bottom in the middle: what Smooth Streaming carries captions in. */
export function writeTtml(language: string, texts: readonly TimedText[]): string {
  return `${[
    '<?xml version="1.0" encoding="utf-8"?>',
    `<tt xmlns="http://www.w3.org/ns/ttml" xmlns:tts="http://www.w3.org/ns/ttml#styling" xml:lang="${escapeXml(language)}">`,
    '  <head>',
    '    <styling><style xml:id="text" tts:color="white" tts:textAlign="center"/></styling>',
    '    <layout><region xml:id="bottom" tts:origin="10% 10%" tts:extent="80% 80%" tts:displayAlign="after"/></layout>',
    '  </head>',
    '  <body region="bottom" style="text">',
    '    <div>',
    ...texts.map(
      ({ startMs, endMs, lines }) =>
        `      <p begin="${clockTime(startMs)}" end="${clockTime(endMs)}">${lines.map(escapeXml).join('<br/>')}</p>`,
    ),
    '    </div>',
    '  </body>',
    '</tt>',
  ].join('\n')}\n`;
}

/** §10.3.1 clock-time with a fraction. */
function clockTime(ms: number): string {
  const part = (value: number, length = 2) => String(Math.floor(value)).padStart(length, '0');
  return `${part(ms / 3_600_000)}:${part((ms / 60_000) % 60)}:${part((ms / 1000) % 60)}.${part(ms % 1000, 3)}`;
}
