import type { Track } from '../model/track.ts';
import { FeedLog } from './feed-log.ts';
import type { LiveOutputView } from './live-directory.ts';
import type { LiveFragment, OutputRecorder, RecordingStore } from './live-fragment.ts';

/** Fragments whose commit is awaited; beyond it their latency is not measured. */
const TIMED_FRAGMENTS_MAX = 1024;

/** One live output while its event has an owner: the recorder and the feed of what it has committed. */
export class LiveOutput {
  readonly view: LiveOutputView;
  readonly feed: FeedLog;
  readonly recorder: OutputRecorder;
  readonly #timer: CommitTimer;

  private constructor(view: LiveOutputView, feed: FeedLog, recorder: OutputRecorder, timer: CommitTimer) {
    this.view = view;
    this.feed = feed;
    this.recorder = recorder;
    this.#timer = timer;
  }

  static async open(options: {
    readonly view: LiveOutputView;
    readonly epoch: number;
    readonly recordings: RecordingStore;
    readonly clock: { now(): number };
    readonly onFenced: () => void;
  }): Promise<LiveOutput> {
    const { view, epoch, recordings, clock, onFenced } = options;
    const feed = new FeedLog(epoch);
    const timer = new CommitTimer(clock);
    const recorder = await recordings.openRecorder(view, epoch, {
      trackCommitted: (track) => feed.appendTrack(track),
      fragmentCommitted: (track, entry) => {
        feed.appendFragment(track, entry);
        timer.committed(track, entry.decodeTimeTicks);
      },
      fenced: onFenced,
    });
    return new LiveOutput(view, feed, recorder, timer);
  }

  /** From handing a fragment over to its committed line, of the newest one. */
  get latencyMs(): number | undefined {
    return this.#timer.latencyMs;
  }

  addTrack(track: Track): void {
    this.recorder.addTrack(track);
  }

  addFragment(fragment: LiveFragment): void {
    if (fragment.decodeTimeTicks < (this.view.startTicks ?? 0)) return;
    this.#timer.handed(fragment.track, fragment.decodeTimeTicks);
    this.recorder.addFragment(fragment);
  }

  /** The rest of what is open belongs to it; then the recording is on-demand. */
  async finish(openFragments: readonly LiveFragment[]): Promise<void> {
    for (const fragment of openFragments) this.addFragment(fragment);
    await this.recorder.finish();
    this.feed.end();
  }

  async close(): Promise<void> {
    await this.recorder.close();
    this.feed.end();
  }
}

class CommitTimer {
  readonly #clock: { now(): number };
  readonly #handedAtMs = new Map<string, number>();
  latencyMs: number | undefined;

  constructor(clock: { now(): number }) {
    this.#clock = clock;
  }

  handed(track: Track, decodeTimeTicks: number): void {
    if (this.#handedAtMs.size >= TIMED_FRAGMENTS_MAX) return;
    this.#handedAtMs.set(`${track.folder}/${decodeTimeTicks}`, this.#clock.now());
  }

  committed(track: Track, decodeTimeTicks: number): void {
    const key = `${track.folder}/${decodeTimeTicks}`;
    const handedAtMs = this.#handedAtMs.get(key);
    if (handedAtMs === undefined) return;
    this.#handedAtMs.delete(key);
    this.latencyMs = this.#clock.now() - handedAtMs;
  }
}
