import { armError } from '../error-catalogue.ts';

/** What is wrong with a request that has the form of the specification. */
export interface FieldProblem {
  /** Such as `properties.outputs[0].preset.codecs`. */
  readonly field: string;
  readonly reason: string;
}

export type FieldProblems = Generator<FieldProblem, void, undefined>;

/** Throws `InvalidField` for the first problem; the others are not looked for. */
export function refuse(problems: Iterable<FieldProblem>): void {
  for (const problem of problems) throw armError('InvalidField', problem);
}

/** A number (if there is one) within its limits. */
export function* outsideOf(
  field: string,
  value: number | null | undefined,
  { min, max }: { readonly min: number; readonly max: number },
): FieldProblems {
  if (value == null || (value >= min && value <= max)) return;
  yield { field, reason: `${value} is out of range, ${min} to ${max} is allowed` };
}
