import type { ControlEvent, ControlEvents } from '../control-plane/control-store.ts';
import { createEventGridSender } from '../events/event-grid-sender.ts';
import type { EventRecorder, NewEvent } from '../events/event-recorder.ts';
import { Outbox, outboxRow } from '../events/outbox.ts';
import type { MetricRecorder } from '../metrics/metric-recorder.ts';
import { parseLiveEventId } from '../resources/live-event-id.ts';
import type { HeadendTable } from '../store/headend-table.ts';
import type { EventTopics, Topic } from './event-topics.ts';
import type { Log } from './log.ts';
import { measuringEvents, openMetricRecorder } from './metrics.ts';

/** The events and the metrics of one account. */
export interface AccountChannel {
  readonly events: ControlEvents;
  readonly recorder: EventRecorder;
  readonly metrics: MetricRecorder;
  /** False: nobody takes its events, and none are stored. */
  hasTopic(): boolean;
}

export interface AccountEventsDeps {
  readonly ownAccount: string;
  readonly own: { readonly outbox: Outbox; readonly metrics: MetricRecorder };
  readonly table: HeadendTable;
  readonly topics: EventTopics;
  readonly log: Log;
}

interface OpenChannel extends AccountChannel {
  close(): Promise<void>;
}

/**
 * Outboxes and metrics by account, opened at first use. An account without a topic has its events dropped where they are
 * made, so that nothing waits for a receiver that will never come; what is told of no known live event is the engine's own
 * account's.
 */
export class AccountEvents {
  readonly #deps: AccountEventsDeps;
  readonly #channels = new Map<string, OpenChannel>();

  constructor(deps: AccountEventsDeps) {
    this.#deps = deps;
  }

  of(account: string): AccountChannel {
    const key = account.toLowerCase();
    const known = this.#channels.get(key);
    if (known !== undefined) return known;
    const opened = key === this.#deps.ownAccount.toLowerCase() ? this.#own() : this.#open(key);
    this.#channels.set(key, opened);
    return opened;
  }

  /** For the live runtime, which names the live event that its events are of. */
  get ofLiveEvents() {
    const recorderOf = (liveEventId: string | undefined): EventRecorder =>
      this.of(parseLiveEventId(liveEventId ?? '').account || this.#deps.ownAccount).recorder;
    return {
      record: (newEvents: readonly NewEvent[], liveEventId?: string) =>
        recorderOf(liveEventId).record(newEvents),
      emitTransient: (newEvent: NewEvent, liveEventId?: string) =>
        recorderOf(liveEventId).emitTransient(newEvent),
    };
  }

  /** The account is gone. */
  async forget(account: string): Promise<void> {
    const key = account.toLowerCase();
    const channel = this.#channels.get(key);
    this.#channels.delete(key);
    await channel?.close();
  }

  /** All but the engine's own, which whoever opened it closes. */
  async close(): Promise<void> {
    await Promise.all([...this.#channels.values()].map((channel) => channel.close()));
  }

  #own(): OpenChannel {
    const { outbox, metrics } = this.#deps.own;
    return {
      events: controlEvents(() => outbox.wake()),
      recorder: measuringEvents(outbox, metrics),
      metrics,
      hasTopic: () => true,
      close: async () => undefined,
    };
  }

  #open(account: string): OpenChannel {
    const { topics, log } = this.#deps;
    const table = this.#deps.table.inPartition(account);
    const metrics = openMetricRecorder({ table, log });
    const sending = new TopicOutbox(table, () => topics.of(account), log);
    return {
      events: controlEvents(() => sending.outbox()?.wake()),
      recorder: measuringEvents(
        {
          record: async (newEvents) => sending.outbox()?.record(newEvents),
          emitTransient: (newEvent) => sending.outbox()?.emitTransient(newEvent),
        },
        metrics,
      ),
      metrics,
      hasTopic: () => topics.of(account) !== undefined,
      close: async () => void (await Promise.all([sending.close(), metrics.close()])),
    };
  }
}

const controlEvents = (wake: () => void): ControlEvents => ({
  change: (newEvent: ControlEvent) => ({ kind: 'create', ...outboxRow(newEvent, Date.now()) }) as const,
  wake,
});

/** The outbox of the topic that the settings have now: another topic or key is another sender. */
class TopicOutbox {
  readonly #table: HeadendTable;
  readonly #topic: () => Topic | undefined;
  readonly #log: Log;
  #open: { readonly topic: Topic; readonly outbox: Outbox } | undefined;

  constructor(table: HeadendTable, topic: () => Topic | undefined, log: Log) {
    this.#table = table;
    this.#topic = topic;
    this.#log = log;
  }

  outbox(): Outbox | undefined {
    const topic = this.#topic();
    if (this.#open?.topic === topic) return this.#open?.outbox;
    this.close().catch((error: unknown) => this.#log.warn('outbox.notClosed', { error }));
    if (topic === undefined) return undefined;
    const send = createEventGridSender(topic.endpoint, topic.key.reveal());
    const outbox = new Outbox({ store: this.#table, send, log: this.#log });
    outbox.start();
    this.#open = { topic, outbox };
    return outbox;
  }

  async close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await open?.outbox.close();
  }
}
