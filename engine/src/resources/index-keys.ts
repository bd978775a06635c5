import { createHash } from 'node:crypto';
import { namePart } from './row-keys.ts';

/** Rows from one key on and before another; both come after the prefix of their index. */
export interface KeyRange {
  readonly from: string;
  readonly before: string;
  /** Nothing but rows with the value is in it; else also rows whose values cannot be told from it by their keys. */
  readonly isExact: boolean;
  /** Whether anything can have this value. */
  readonly isPossible: boolean;
}

/**
 * How an index makes keys of values. Keys sort as the values do, or the other way round; so whatever lies between two
 * values is found from the one's range to the other's.
 */
export interface IndexCode {
  /** Behind the index's prefix; differs from that of every other resource. */
  rowPart(value: string, name: string): string;
  range(value: string): KeyRange;
}

/** Follows `!` in code-unit order: the first key after those of a value that ends in `!`. */
const AFTER_SEPARATOR = '"';
/** Sorts before everything that a name can go on with, and after everything. */
const LOWEST = ' ';
const HIGHEST = '\uffff';

/** The resources themselves: their keys end in their names. */
export const nameCode: IndexCode = {
  rowPart: (_value, name) => namePart(name),
  range: (value) => nameRange(value, (text) => text, ''),
};

/** Names backwards: storage reads forwards only. */
export const nameDownCode: IndexCode = {
  rowPart(value) {
    const key = inverted(value) + INVERTED_END;
    return key.length <= INVERTED_LENGTH_MAX ? key : key.slice(0, INVERTED_HEAD_LENGTH) + digestOf(value);
  },
  range: (value) => nameRange(value, inverted, INVERTED_END),
};

/** Values of one length, or of letters only, such as times and GUIDs. */
export const plainCode: IndexCode = {
  rowPart: (value, name) => `${value}!${namePart(name)}`,
  range: (value) => valueRange(value, true),
};

/** Digits of one length, backwards. */
export const digitsDownCode: IndexCode = {
  rowPart: (value, name) => `${invertedDigits(value)}!${namePart(name)}`,
  range: (value) => valueRange(invertedDigits(value), true),
};

/** So much of a text is in its key; longer ones that begin alike are told apart by reading them. */
const TEXT_UNITS_MAX = 40;

/** Any text. */
export const textCode: IndexCode = {
  rowPart: (value, name) => `${hexUnits(value)}!${namePart(name)}`,
  range: (value) => valueRange(hexUnits(value), value.length <= TEXT_UNITS_MAX),
};

function valueRange(key: string, isWhole: boolean): KeyRange {
  return isWhole
    ? { from: `${key}!`, before: key + AFTER_SEPARATOR, isExact: true, isPossible: true }
    : { from: key, before: key + HIGHEST, isExact: false, isPossible: true };
}

// What cannot be in a name can be asked for: then everything that begins like it is looked at.
const NOT_IN_NAMES = /[<>%&:\\?/*+.'#\p{Cc}\p{Cs}]/u;
const NAME_LENGTH_MAX = 260;
/** Names of many characters beyond ASCII that begin alike are in no order among themselves. */
const INVERTED_LENGTH_MAX = 360;
const DIGEST_LENGTH = 32;
const INVERTED_HEAD_LENGTH = INVERTED_LENGTH_MAX - DIGEST_LENGTH;

function nameRange(value: string, write: (text: string) => string, end: string): KeyRange {
  const unsafeAt = value.search(NOT_IN_NAMES);
  const head = value.slice(0, Math.min(unsafeAt < 0 ? value.length : unsafeAt, NAME_LENGTH_MAX));
  const isPossible = head.length === value.length && value.length > 0;
  const key = write(head);
  const isExact = head.length === value.length && key.length + end.length <= INVERTED_LENGTH_MAX;
  if (isExact) return { from: key + end, before: key + end + LOWEST, isExact, isPossible };
  const start = key.slice(0, INVERTED_HEAD_LENGTH);
  return { from: start, before: start + HIGHEST, isExact, isPossible };
}

const digestOf = (text: string): string =>
  createHash('sha256').update(text).digest('hex').slice(0, DIGEST_LENGTH);

const UNITS = { perHex: 4, radix: 16 } as const;

function hexUnits(text: string): string {
  let hex = '';
  for (let at = 0; at < Math.min(text.length, TEXT_UNITS_MAX); at += 1) {
    hex += text.charCodeAt(at).toString(UNITS.radix).padStart(UNITS.perHex, '0');
  }
  return hex;
}

const invertedDigits = (digits: string): string =>
  digits.replace(/\d/g, (digit) => String(9 - Number(digit)));

/** Characters that keys may hold, in ascending order, without our separators. */
const KEY_ALPHABET = [...Array(95).keys()]
  .map((offset) => String.fromCharCode(0x20 + offset))
  .filter((char) => !`!"#%'/?\\ `.includes(char));
/** What folded names are made of, beside characters beyond ASCII. */
const NAME_ALPHABET = [...Array(95).keys()]
  .map((offset) => String.fromCharCode(0x20 + offset))
  .filter((char) => !NOT_IN_NAMES.test(char) && !/[A-Z]/.test(char));
/** The first characters of those beyond ASCII, which come first backwards; then each of the name's own; then the end. */
const LEADS = 10;
/** The last of the alphabet: what a name goes on with comes before its end. */
const INVERTED_END = '~';

/** A text that sorts the other way round; a character beyond ASCII becomes three. */
function inverted(name: string): string {
  let text = '';
  for (let at = 0; at < name.length; at += 1) {
    const index = NAME_ALPHABET.indexOf(name.charAt(at));
    text += index < 0 ? invertedUnit(name.charCodeAt(at)) : digit(LEADS + NAME_ALPHABET.length - 1 - index);
  }
  return text;
}

function invertedUnit(unit: number): string {
  const radix = KEY_ALPHABET.length;
  const value = 0xff_ff - unit;
  return (
    digit(Math.floor(value / radix ** 2)) + digit(Math.floor(value / radix) % radix) + digit(value % radix)
  );
}

const digit = (value: number): string => KEY_ALPHABET[value] ?? INVERTED_END;
