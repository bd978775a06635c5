import { parseXml, type XmlElement } from './xml-document.ts';

/** One stream of a Smooth client manifest (`.ismc`): what its fragments' times are. */
export interface ListedStream {
  /** Lower case; of a stream without a name its type. */
  readonly name: string;
  /** Ticks a second. */
  readonly timescale: number;
  /** By start, in the stream's timescale: counted from 1970 they are more than a double holds. */
  readonly durations: ReadonlyMap<bigint, number>;
}

const TIMESCALE_DEFAULT = 10_000_000;
const CHUNKS_MAX = 400_000;

/** Reads the times of an `.ismc`, [MS-SSTR] §2.2.2.6. Throws `MalformedXml`. */
export function parseClientManifest(text: string): readonly ListedStream[] {
  const media = parseXml(text);
  const budget = { chunks: CHUNKS_MAX };
  const scale = whole(media.attributes['TimeScale']) ?? TIMESCALE_DEFAULT;
  return media.children
    .filter(({ name }) => name === 'StreamIndex')
    .map(({ attributes, children }) => ({
      name: (attributes['Name'] || attributes['Type'] || '').toLowerCase(),
      timescale: whole(attributes['TimeScale']) ?? scale,
      durations: readChunks(children, budget),
    }));
}

function readChunks(children: readonly XmlElement[], budget: { chunks: number }): Map<bigint, number> {
  const durations = new Map<bigint, number>();
  let time = 0n;
  for (const { name, attributes } of children) {
    if (name !== 'c') continue;
    const start = attributes['t'];
    if (start !== undefined && /^\d{1,20}$/.test(start)) time = BigInt(start);
    const duration = whole(attributes['d']);
    // Without one the next chunk says where this one ends.
    if (duration === undefined) continue;
    for (let left = whole(attributes['r']) ?? 1; left > 0 && budget.chunks > 0; left -= 1) {
      durations.set(time, duration);
      time += BigInt(duration);
      budget.chunks -= 1;
    }
  }
  return durations;
}

function whole(text: string | undefined): number | undefined {
  return text !== undefined && /^[1-9]\d{0,14}$/.test(text) ? Number(text) : undefined;
}
