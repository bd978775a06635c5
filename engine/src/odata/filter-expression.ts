export const OPERATORS = ['eq', 'ne', 'gt', 'ge', 'lt', 'le'] as const;
export type Operator = (typeof OPERATORS)[number];

/** A value as it was written: what it means is decided by the field that it is compared with. */
export type Literal =
  /** `'O''Brien'` */
  | { readonly kind: 'string'; readonly text: string }
  /** `Microsoft.Media.JobState'Processing'` */
  | { readonly kind: 'typed'; readonly type: string; readonly text: string }
  /** `2018-05-11T17:39:08.387Z`, a guid, a number: whatever needs no quotes. */
  | { readonly kind: 'bare'; readonly text: string };

export interface Comparison {
  readonly kind: 'comparison';
  readonly field: string;
  readonly operator: Operator;
  readonly literal: Literal;
  /** Where the field's name begins, 1-based. */
  readonly position: number;
}

export type FilterExpression =
  | Comparison
  /** At least two operands. */
  | { readonly kind: 'and' | 'or'; readonly operands: readonly FilterExpression[] };

/** The text of a `$filter`; what `parseFilter` reads back as the same expression. */
export function writeFilter(expression: FilterExpression): string {
  if (expression.kind === 'comparison') {
    return `${expression.field} ${expression.operator} ${writeLiteral(expression.literal)}`;
  }
  return expression.operands
    .map((operand) => (operand.kind === 'comparison' ? writeFilter(operand) : `(${writeFilter(operand)})`))
    .join(` ${expression.kind} `);
}

function writeLiteral(literal: Literal): string {
  if (literal.kind === 'bare') return literal.text;
  const quoted = `'${literal.text.replaceAll("'", "''")}'`;
  return literal.kind === 'typed' ? literal.type + quoted : quoted;
}
