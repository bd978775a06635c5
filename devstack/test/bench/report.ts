/** One line of the bench's table. */
export interface Figure {
  readonly what: string;
  readonly measured: string;
  readonly target: string;
  /** Undefined where there is no target to miss. */
  readonly met: boolean | undefined;
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export function spread(values: readonly number[], digits = 0): string {
  const at = (share: number) => quantile(values, share).toFixed(digits);
  return `p50 ${at(0.5)} · p95 ${at(0.95)} · p99 ${at(0.99)} (n=${values.length})`;
}

export function writeTable(figures: readonly Figure[]): string {
  const verdict = (met: boolean | undefined) => (met === undefined ? '—' : met ? 'met' : 'MISSED');
  return [
    '| measured | figure | target | |',
    '|---|---|---|---|',
    ...figures.map(
      ({ what, measured, target, met }) => `| ${what} | ${measured} | ${target} | ${verdict(met)} |`,
    ),
  ].join('\n');
}
