import {
  type Comparison,
  type FilterExpression,
  type Literal,
  OPERATORS,
  type Operator,
} from './filter-expression.ts';
import { readTokens, type Token } from './filter-tokens.ts';
import { MalformedQuery } from './malformed-query.ts';

export const FILTER_LENGTH_MAX = 4096;
export const FILTER_DEPTH_MAX = 20;
export const FILTER_TERMS_MAX = 50;

/** `properties/created` */
const FIELD = /^[A-Za-z_][\w]*(?:\/[A-Za-z_][\w]*)*$/;

/**
 * Reads a `$filter`: comparisons of a field with a value, `and`, `or` (which binds less), brackets.
 * Throws `MalformedQuery`, which names position and reason.
 */
export function parseFilter(text: string): FilterExpression {
  if (text.length > FILTER_LENGTH_MAX) {
    throw new MalformedQuery('$filter', `${text.length} characters exceed ${FILTER_LENGTH_MAX}`);
  }
  const reader = new TokenReader(readTokens(text));
  const expression = readChain(reader, 'or', 0);
  const rest = reader.next();
  if (rest.kind !== 'end') throw unexpected(rest, "'and', 'or' or the end is expected");
  return expression;
}

class TokenReader {
  readonly #tokens: readonly Token[];
  #at = 0;
  #terms = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  peek(ahead = 0): Token {
    const token = this.#tokens[Math.min(this.#at + ahead, this.#tokens.length - 1)];
    if (token === undefined) throw new RangeError('a list of tokens has an end');
    return token;
  }

  next(): Token {
    const token = this.peek();
    this.#at += 1;
    return token;
  }

  countTerm(position: number): void {
    this.#terms += 1;
    if (this.#terms > FILTER_TERMS_MAX) {
      throw new MalformedQuery('$filter', `more than ${FILTER_TERMS_MAX} comparisons`, position);
    }
  }
}

function readChain(reader: TokenReader, kind: 'and' | 'or', depth: number): FilterExpression {
  const readOperand = () => (kind === 'or' ? readChain(reader, 'and', depth) : readTerm(reader, depth));
  const first = readOperand();
  const operands = [first];
  while (isWord(reader.peek(), kind)) {
    reader.next();
    operands.push(readOperand());
  }
  return operands.length === 1 ? first : { kind, operands };
}

function readTerm(reader: TokenReader, depth: number): FilterExpression {
  const token = reader.peek();
  if (token.kind !== 'open') return readComparison(reader);
  if (depth === FILTER_DEPTH_MAX) {
    throw new MalformedQuery('$filter', `brackets deeper than ${FILTER_DEPTH_MAX}`, token.position);
  }
  reader.next();
  const inner = readChain(reader, 'or', depth + 1);
  const close = reader.next();
  if (close.kind !== 'close') throw unexpected(close, "')' is expected");
  return inner;
}

function readComparison(reader: TokenReader): Comparison {
  const field = reader.next();
  if (isWord(field, 'not')) throw new MalformedQuery('$filter', "'not' is not supported", field.position);
  if (field.kind === 'word' && reader.peek().kind === 'open') {
    throw new MalformedQuery(
      '$filter',
      `functions such as '${shown(field)}' are not supported`,
      field.position,
    );
  }
  if (field.kind !== 'word' || !FIELD.test(field.text))
    throw unexpected(field, 'the name of a field is expected');
  reader.countTerm(field.position);
  const operator = readOperator(reader.next());
  const literal = readLiteral(reader.next());
  return { kind: 'comparison', field: field.text, operator, literal, position: field.position };
}

function readOperator(token: Token): Operator {
  const operator = OPERATORS.find((name) => isWord(token, name));
  if (operator === undefined) throw unexpected(token, `one of ${OPERATORS.join(', ')} is expected`);
  return operator;
}

function readLiteral({ kind, text, type, position }: Token): Literal {
  if (kind === 'string') return { kind, text };
  if (kind === 'typed') return { kind, type, text };
  if (kind === 'word') return { kind: 'bare', text };
  throw unexpected({ kind, text, type, position }, 'a value is expected');
}

const isWord = (token: Token, text: string): boolean => token.kind === 'word' && token.text === text;

const SHOWN_LENGTH_MAX = 40;
const shown = ({ text }: Token): string => text.slice(0, SHOWN_LENGTH_MAX);

function unexpected(token: Token, expected: string): MalformedQuery {
  const found = token.kind === 'end' ? 'nothing' : `'${shown(token)}'`;
  return new MalformedQuery('$filter', `${expected}, not ${found}`, token.position);
}
