import { type FieldRule, literalValue } from './fields.ts';
import type { Comparison, FilterExpression, Operator } from './filter-expression.ts';
import { MalformedQuery } from './malformed-query.ts';

/** Rules by the field's name as clients write it, such as `properties/created`. */
export type FieldRules = Readonly<Record<string, FieldRule>>;

/** A filter whose fields, operators and values are known to fit its collection. */
export type Predicate =
  | {
      readonly kind: 'comparison';
      /** As the rules spell it. */
      readonly field: string;
      readonly operator: Operator;
      /** As `comparable` gives it. */
      readonly value: string;
    }
  | { readonly kind: 'and' | 'or'; readonly operands: readonly Predicate[] };

/** Throws `MalformedQuery` for what the collection cannot be asked. */
export function bindFilter(expression: FilterExpression, rules: FieldRules): Predicate {
  if (expression.kind === 'comparison') return bindComparison(expression, rules);
  const operands = expression.operands.map((operand) => bindFilter(operand, rules));
  return { kind: expression.kind, operands };
}

function bindComparison({ field, operator, literal, position }: Comparison, rules: FieldRules): Predicate {
  const name = findField(field, rules);
  const rule = name === undefined ? undefined : rules[name];
  if (name === undefined || rule === undefined || rule.operators.length === 0) {
    throw new MalformedQuery('$filter', `the field '${field.slice(0, 80)}' is not supported here`, position);
  }
  if (!rule.operators.includes(operator)) {
    const reason = `'${name}' supports ${rule.operators.join(', ')}, not '${operator}'`;
    throw new MalformedQuery('$filter', reason, position);
  }
  const result = literalValue(rule, literal);
  if ('reason' in result) throw new MalformedQuery('$filter', `'${name}': ${result.reason}`, position);
  return { kind: 'comparison', field: name, operator, value: result.value };
}

/** Letter case is free: recorded requests say `properties/lastmodified`. */
export function findField(field: string, rules: FieldRules): string | undefined {
  const wanted = field.toLowerCase();
  return Object.keys(rules).find((name) => name.toLowerCase() === wanted);
}

/** Whether an entity matches; `read` gives a field's value as `comparable` does, undefined when it has none. */
export function matches(predicate: Predicate, read: (field: string) => string | undefined): boolean {
  switch (predicate.kind) {
    case 'and':
      return predicate.operands.every((operand) => matches(operand, read));
    case 'or':
      return predicate.operands.some((operand) => matches(operand, read));
    case 'comparison':
      return holds(predicate.operator, read(predicate.field), predicate.value);
  }
}

/** OData 4.01 part 2 §5.1.1.1: without a value only `ne` holds. */
function holds(operator: Operator, left: string | undefined, right: string): boolean {
  if (left === undefined) return operator === 'ne';
  switch (operator) {
    case 'eq':
      return left === right;
    case 'ne':
      return left !== right;
    case 'gt':
      return left > right;
    case 'ge':
      return left >= right;
    case 'lt':
      return left < right;
    case 'le':
      return left <= right;
  }
}
