import type { z } from 'zod';
import type * as contract from '../../contract/encoding.ts';
import type { Codec } from './codec-rules.ts';
import type { FieldProblems } from './field-problem.ts';
import { typeNameOf } from './preset-defaults.ts';

type Format = z.output<typeof contract.Format>;
type MediaFormat = Extract<Format, { readonly outputFiles?: unknown }>;

/** What each format is filled with. */
const IMAGE_FORMATS: Readonly<Record<string, string>> = { JpgImage: 'JpgFormat', PngImage: 'PngFormat' };
const MEDIA_FORMATS: readonly string[] = ['Mp4Format', 'TransportStreamFormat'];

// https://learn.microsoft.com/windows/win32/fileio/naming-a-file: blob names have to be file names as well.
const NOT_IN_FILE_NAMES = /[<>:"/\\|?*\p{Cc}]/u;
const PATTERN_LENGTH_MAX = 255;

/** What the service refuses in the formats of a preset, given its codecs. */
export function* formatProblems(
  formats: readonly Format[],
  codecs: readonly Codec[],
  at: string,
): FieldProblems {
  const labels = mediaLabels(codecs);
  for (const [index, format] of formats.entries()) {
    const field = `${at}.formats[${index}]`;
    const name = typeNameOf(format);
    if (!MEDIA_FORMATS.includes(name) && !Object.values(IMAGE_FORMATS).includes(name)) {
      yield {
        field: `${field}.@odata.type`,
        reason: `${name} is what several formats have in common, not a format`,
      };
    }
    yield* patternProblems(format, field);
    if (isMedia(format)) yield* outputFileProblems(format, codecs, labels, field);
  }
  yield* pairingProblems(formats, codecs, at);
}

/** Every codec has a format that takes what it makes, every format a codec. */
function* pairingProblems(formats: readonly Format[], codecs: readonly Codec[], at: string): FieldProblems {
  const offered = formats.map(typeNameOf);
  const isTaken = (codec: Codec): boolean => {
    const imageFormat = IMAGE_FORMATS[typeNameOf(codec)];
    return imageFormat === undefined
      ? offered.some((name) => MEDIA_FORMATS.includes(name))
      : offered.includes(imageFormat);
  };
  for (const [index, codec] of codecs.entries()) {
    if (isTaken(codec)) continue;
    const wanted = IMAGE_FORMATS[typeNameOf(codec)] ?? MEDIA_FORMATS.join(' or ');
    yield { field: `${at}.codecs[${index}]`, reason: `there is no ${wanted} for it in 'formats'` };
  }
  const made = codecs.map((codec) => IMAGE_FORMATS[typeNameOf(codec)] ?? 'media');
  for (const [index, name] of offered.entries()) {
    if (made.includes(MEDIA_FORMATS.includes(name) ? 'media' : name)) continue;
    yield { field: `${at}.formats[${index}]`, reason: `there is no codec for it in 'codecs'` };
  }
}

function* patternProblems(format: Format, at: string): FieldProblems {
  const { filenamePattern } = format;
  const field = `${at}.filenamePattern`;
  if (filenamePattern.trim() === '') yield { field, reason: 'it is empty' };
  if (filenamePattern.length > PATTERN_LENGTH_MAX) {
    yield {
      field,
      reason: `it has ${filenamePattern.length} characters, at most ${PATTERN_LENGTH_MAX} are allowed`,
    };
  }
  if (NOT_IN_FILE_NAMES.test(filenamePattern)) {
    yield { field, reason: 'none of < > : " / \\ | ? * and no control characters are allowed' };
  }
  if (!isMedia(format) && !hasMacro(filenamePattern, 'Index')) {
    yield { field, reason: 'the names of images need the macro {Index}' };
  }
}

function* outputFileProblems(
  format: MediaFormat,
  codecs: readonly Codec[],
  labels: readonly string[],
  at: string,
): FieldProblems {
  const outputFiles = format.outputFiles ?? [];
  for (const [index, { labels: wanted }] of outputFiles.entries()) {
    const field = `${at}.outputFiles[${index}].labels`;
    if (wanted.length === 0) yield { field, reason: 'it is empty' };
    for (const label of wanted) {
      const count = labels.filter((other) => other === label).length;
      if (count === 1) continue;
      const reason = count === 0 ? 'no codec and no layer has' : `${count} codecs or layers have`;
      yield { field, reason: `${reason} the label '${label}'` };
    }
  }
  const files = outputFiles.length > 0 ? outputFiles.length : videoLayerCount(codecs);
  const tellsApart = ['Label', 'Bitrate', 'Resolution', 'Codec', 'AudioStream'].some((macro) =>
    hasMacro(format.filenamePattern, macro),
  );
  if (files > 1 && !tellsApart) {
    yield {
      field: `${at}.filenamePattern`,
      reason: `it gives ${files} files the same name: {Label}, {Bitrate} or {Resolution} is needed`,
    };
  }
}

const isMedia = (format: Format): format is MediaFormat => MEDIA_FORMATS.includes(typeNameOf(format));

/** Those that video and audio can be named by in `outputFiles`. */
function mediaLabels(codecs: readonly Codec[]): readonly string[] {
  return codecs
    .filter((codec) => IMAGE_FORMATS[typeNameOf(codec)] === undefined)
    .flatMap((codec) => [codec, ...('layers' in codec ? (codec.layers ?? []) : [])])
    .flatMap(({ label }) => label ?? []);
}

function videoLayerCount(codecs: readonly Codec[]): number {
  return codecs
    .filter((codec) => typeNameOf(codec).endsWith('Video'))
    .reduce((count, codec) => count + Math.max(1, 'layers' in codec ? (codec.layers?.length ?? 0) : 0), 0);
}

const hasMacro = (pattern: string, macro: string): boolean =>
  pattern.toLowerCase().includes(`{${macro.toLowerCase()}}`);
