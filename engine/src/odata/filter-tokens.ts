import { MalformedQuery } from './malformed-query.ts';

export interface Token {
  readonly kind: 'open' | 'close' | 'comma' | 'string' | 'typed' | 'word' | 'end';
  /** Of a string: without quotes and escapes. */
  readonly text: string;
  /** Of a typed literal: what stands before the quote. */
  readonly type: string;
  /** 1-based. */
  readonly position: number;
}

const SPACE = /\s*/y;
const MARK = /[(),]/y;
const QUOTED = /([\p{L}_][\p{L}\p{N}_.]*)?'((?:[^']|'')*)'(?![\p{L}\p{N}_'])/uy;
const WORD = /[^\s()',]+/y;
const MARK_KINDS = { '(': 'open', ')': 'close', ',': 'comma' } as const;

/** Cuts a `$filter`; the number of tokens is bounded by the length of the text, which the caller has checked. */
export function readTokens(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = matchAt(SPACE, text, 0)?.[0].length ?? 0;
  while (at < text.length) {
    const [token, length] = readToken(text, at);
    tokens.push(token);
    at += length;
    at += matchAt(SPACE, text, at)?.[0].length ?? 0;
  }
  tokens.push({ kind: 'end', text: '', type: '', position: text.length + 1 });
  return tokens;
}

function readToken(text: string, at: number): readonly [Token, number] {
  const position = at + 1;
  const [mark] = matchAt(MARK, text, at) ?? [];
  if (mark === '(' || mark === ')' || mark === ',') {
    return [{ kind: MARK_KINDS[mark], text: mark, type: '', position }, 1];
  }
  const [quoted, type, inner] = matchAt(QUOTED, text, at) ?? [];
  if (quoted !== undefined && inner !== undefined) {
    const value = inner.replaceAll("''", "'");
    const kind = type === undefined ? 'string' : 'typed';
    return [{ kind, text: value, type: type ?? '', position }, quoted.length];
  }
  const [word] = matchAt(WORD, text, at) ?? [];
  const next = text[at + (word?.length ?? 0)];
  if (word === undefined || next === "'") {
    const reason = next === "'" ? 'a quoted value does not end' : `'${text[at]}' is not expected`;
    throw new MalformedQuery('$filter', reason, position);
  }
  return [{ kind: 'word', text: word, type: '', position }, word.length];
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}
