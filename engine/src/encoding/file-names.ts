import { notConfigurable } from './unplannable.ts';

/** What the macros of a pattern stand for; what is undefined vanishes. */
export interface NameValues {
  readonly basename: string;
  readonly extension: string;
  readonly label?: string | undefined;
  readonly index?: number | undefined;
  readonly audioStream?: number | undefined;
  readonly bitrateBps?: number | undefined;
  readonly codec?: string | undefined;
  readonly size?: { readonly width: number; readonly height: number } | undefined;
}

const BASENAME_LENGTH = { encoded: 32, copied: 64 } as const;
const INDEX_DIGITS = 6;
const KILOBITS = 1000;
const NAME_LENGTH_MAX = 255;
// https://learn.microsoft.com/windows/win32/fileio/naming-a-file: blob names have to be file names as well.
const FORBIDDEN = /[<>:"/\\|?*\p{Cc}\p{Cs}]/gu;
const RESERVED = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i;

export const kilobits = (bitrateBps: number): number => Math.max(1, Math.round(bitrateBps / KILOBITS));

/** The name of the input without its ending, as long as the original had it. */
export function basenameOf(sourceName: string, kind: keyof typeof BASENAME_LENGTH): string {
  const stem = sourceName.replace(/\.[^.]{1,10}$/, '');
  return clean([...stem].slice(0, BASENAME_LENGTH[kind]).join('')) || 'output';
}

/** The name of a file of the output. Never a path, never one that blobs or files cannot have. */
export function fileName(pattern: string, values: NameValues): string {
  const { index, audioStream, bitrateBps, size } = values;
  const macros: Readonly<Record<string, string | undefined>> = {
    basename: values.basename,
    extension: values.extension,
    label: values.label,
    index: index === undefined ? undefined : String(index).padStart(INDEX_DIGITS, '0'),
    audiostream: audioStream === undefined ? undefined : `Audio${audioStream}`,
    bitrate: bitrateBps === undefined ? undefined : String(kilobits(bitrateBps)),
    codec: values.codec,
    resolution: size === undefined ? undefined : `${size.width}x${size.height}`,
  };
  const name = pattern.replace(
    /\{([A-Za-z]{1,32})\}/g,
    (_, macro: string) => macros[macro.toLowerCase()] ?? '',
  );
  return clean(name) || `output${values.extension}`;
}

function clean(name: string): string {
  // Windows drops dots and blanks at the end of a name, so that two names would be one.
  const allowed = name
    .replace(FORBIDDEN, '_')
    .slice(-NAME_LENGTH_MAX)
    .trim()
    .replace(/[. ]+$/, '');
  return RESERVED.test(allowed) ? `_${allowed}` : allowed;
}

/** Blobs of the same name would replace each other. */
export function checkDistinct(names: readonly string[]): void {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name.toLowerCase())) {
      throw notConfigurable(
        `Two files of the output would be named '${name}': the pattern needs a macro that tells them apart.`,
      );
    }
    seen.add(name.toLowerCase());
  }
}

/** With a number where the name is taken already. */
export function distinctNames(names: readonly string[]): readonly string[] {
  const taken = new Set<string>();
  return names.map((name) => {
    let free = name;
    for (let count = 2; taken.has(free.toLowerCase()); count += 1)
      free = name.replace(/(\.[^.]*)?$/, `_${count}$1`);
    taken.add(free.toLowerCase());
    return free;
  });
}
