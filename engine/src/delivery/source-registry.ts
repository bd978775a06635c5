import { ByteCache } from './byte-cache.ts';
import type { LocatorView } from './delivery-directory.ts';
import type { FeedDeps } from './feed-subscription.ts';
import type { Clock } from './lookup-cache.ts';
import type { RecordingReader } from './origin-ports.ts';
import type { PeekableSource } from './peekable-source.ts';
import { PreviewSource } from './preview-source.ts';
import { RecordingSource } from './recording-source.ts';
import { TrackedSource } from './tracked-source.ts';

const SOURCES_MAX = 500;
/** Index lines of all open sources together; one takes about 150 bytes. */
const FRAGMENTS_MAX = 2_000_000;
const IDLE_MS = 60_000;
const SWEEP_EVERY_MS = 5_000;
const PREVIEW_MANIFEST_NAME = 'preview';

export interface SourceRegistryDeps extends FeedDeps {
  readonly recordings: RecordingReader;
  readonly clock: Clock;
  readonly cacheBytesMax?: number | undefined;
}

type Source = RecordingSource | PreviewSource;

interface OpenSource {
  readonly source: Source;
  /** The same with the tracks that were added to its asset. */
  tracked: TrackedSource | undefined;
  usedAtMs: number;
}

/** The presentations somebody watches: opened at the first request, shared by all, closed after a minute without one. */
export class SourceRegistry {
  readonly #deps: SourceRegistryDeps;
  readonly #bytes: ByteCache;
  /** In order of last use, oldest first. */
  readonly #open = new Map<string, OpenSource>();
  readonly #sweep: NodeJS.Timeout;

  constructor(deps: SourceRegistryDeps) {
    this.#deps = deps;
    this.#bytes = new ByteCache(deps.cacheBytesMax);
    this.#sweep = setInterval(() => this.#closeIdle(), SWEEP_EVERY_MS);
    this.#sweep.unref();
  }

  /** Undefined when the locator can have no presentation of that name. */
  find(locator: LocatorView, manifestName: string): PeekableSource | undefined {
    if (locator.kind === 'preview') {
      if (manifestName.toLowerCase() !== PREVIEW_MANIFEST_NAME) return undefined;
      const { liveEventId } = locator;
      return this.#use(
        `preview!${liveEventId}`,
        () => new PreviewSource(liveEventId, { ...this.#deps, bytes: this.#bytes }),
      ).source;
    }
    const { container, addedTracks } = locator;
    const open = this.#use(
      `recording!${container}!${manifestName}`,
      () => new RecordingSource(container, manifestName, { ...this.#deps, bytes: this.#bytes }),
    );
    const { source } = open;
    if (source instanceof RecordingSource) {
      source.follow(locator.liveOutputs.find((output) => output.manifestName === manifestName));
    }
    if (addedTracks.length > 0) open.tracked ??= this.#tracked(source, container);
    open.tracked?.follow(addedTracks);
    return open.tracked ?? source;
  }

  #tracked(source: Source, container: string): TrackedSource {
    const { recordings, clock, log } = this.#deps;
    const files = recordings.files(container);
    return new TrackedSource(source, { container, files, bytes: this.#bytes, clock, log });
  }

  close(): void {
    clearInterval(this.#sweep);
    for (const { source } of this.#open.values()) source.close();
    this.#open.clear();
  }

  #use(key: string, open: () => Source): OpenSource {
    const nowMs = this.#deps.clock.nowMs();
    const known = this.#open.get(key);
    const entry = known ?? { source: open(), tracked: undefined, usedAtMs: nowMs };
    entry.usedAtMs = nowMs;
    this.#open.delete(key);
    this.#open.set(key, entry);
    if (known === undefined && this.#open.size > SOURCES_MAX) this.#closeIdle();
    return entry;
  }

  #closeIdle(): void {
    const idleSinceMs = this.#deps.clock.nowMs() - IDLE_MS;
    let fragments = 0;
    for (const { source } of this.#open.values()) fragments += source.fragmentCount;
    for (const [key, { source, usedAtMs }] of this.#open) {
      const isOver = this.#open.size > SOURCES_MAX || fragments > FRAGMENTS_MAX;
      if (!isOver && usedAtMs > idleSinceMs) return;
      fragments -= source.fragmentCount;
      this.#open.delete(key);
      source.close();
    }
  }
}
