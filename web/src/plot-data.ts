import type { TrackReading } from './ingest-tracks.ts';

/** One ascending time axis for all tracks, with holes where a track has no fragment that begins then. */
export function alignedSeries(readings: readonly TrackReading[]): [number[], ...(number | null)[][]] {
  const times = [...new Set(readings.flatMap(({ points }) => points.map(({ at }) => at)))].sort(
    (a, b) => a - b,
  );
  const series = readings.map(({ points }) => {
    const byTime = new Map(points.map(({ at, bitsPerSecond }) => [at, bitsPerSecond]));
    return times.map((at) => byTime.get(at) ?? null);
  });
  return [times, ...series];
}

/** `6.2 Mbit/s`, `128 kbit/s`. */
export function bitrateText(bitsPerSecond: number): string {
  if (bitsPerSecond >= 1_000_000) return `${Number((bitsPerSecond / 1_000_000).toFixed(1))} Mbit/s`;
  return `${Math.round(bitsPerSecond / 1000)} kbit/s`;
}
