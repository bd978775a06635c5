import { type CaptionFile, clockTime } from './web-vtt-writer.ts';

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/** A TTML 1 document within IMSC 1's text profile: one region at the bottom, a paragraph for each cue. */
export function writeTtml({ language, madeBy, cues }: CaptionFile): string {
  const paragraphs = cues.map(({ startMs, endMs, lines }) => {
    const text = lines.map(escaped).join('<br/>');
    return `      <p begin="${clockTime(startMs)}" end="${clockTime(endMs)}">${text}</p>`;
  });
  return [
    '<?xml version="1.0" encoding="utf-8"?>',
    '<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttm="http://www.w3.org/ns/ttml#metadata"',
    '    xmlns:ttp="http://www.w3.org/ns/ttml#parameter" xmlns:tts="http://www.w3.org/ns/ttml#styling"',
    `    ttp:profile="http://www.w3.org/ns/ttml/profile/imsc1/text" xml:lang="${escaped(language)}">`,
    '  <head>',
    `    <metadata><ttm:desc>${escaped(madeBy)}</ttm:desc></metadata>`,
    '    <layout>',
    '      <region xml:id="bottom" tts:origin="10% 80%" tts:extent="80% 15%" tts:displayAlign="after" tts:textAlign="center"/>',
    '    </layout>',
    '  </head>',
    '  <body region="bottom">',
    '    <div>',
    ...paragraphs,
    '    </div>',
    '  </body>',
    '</tt>',
    '',
  ].join('\n');
}

const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? '');
