import { setTimeout as sleep } from 'node:timers/promises';
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { writeCmafHeader } from '../../src/formats/isobmff/cmaf-header-writer.ts';
import type {
  LiveFragment,
  OutputRecorder,
  RecorderListener,
  RecordingStore,
} from '../../src/live/live-fragment.ts';
import type { FragmentEntry } from '../../src/model/presentation.ts';
import type { Track } from '../../src/model/track.ts';
import { cutToWindow } from '../../src/packager/fragment-window.ts';
import { writeIsm, writeIsmc } from '../../src/packager/smooth-packager.ts';
import { readRecording, readTrackIndexes } from '../../src/store/recording-index.ts';
import { createOwnershipStore, type OwnershipLimits } from '../../src/store/recording-ownership.ts';
import { createOwnershipReader, createRecordingReader } from '../../src/store/recording-reader.ts';
import { createRecordingStore, type RecordingLimits } from '../../src/store/recording-store.ts';
import { StorageAccounts } from '../../src/store/storage-accounts.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import { type Fate, openBlobRelay } from '../support/blob-relay.ts';
import { high180, main180, SECOND, START_TICKS, stereo48, track } from '../support/presentations.ts';

const video = track('video', { ordinal: 1, bitrateBps: 1_000_000, formats: [high180] });
const audio = track('audio', { ordinal: 2, bitrateBps: 128_000, formats: [stereo48] });
const FOREVER = 90_000 * SECOND;
const clock = { now: () => Date.now() };
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

let azurite: Azurite;
let service: BlobServiceClient;
beforeAll(async () => {
  azurite = await startAzurite();
  service = BlobServiceClient.fromConnectionString(azurite.connectionString);
}, 60_000);
afterAll(() => azurite.close());

let containers = 0;
async function newContainer(): Promise<ContainerClient> {
  containers += 1;
  const container = service.getContainerClient(`asset-${containers}`);
  await container.create();
  return container;
}

function store(
  options: { limits?: Partial<RecordingLimits>; connectionString?: string; clock?: typeof clock } = {},
) {
  return createRecordingStore({
    accounts: StorageAccounts.ofSystem(options.connectionString ?? azurite.connectionString),
    clock: options.clock ?? clock,
    log: silent,
    writeCmafHeader,
    writeIsm,
    writeIsmc,
    cutToWindow,
    limits: { upkeepMs: 50, ...options.limits },
  });
}

function placeIn(container: ContainerClient, archiveWindowTicks = FOREVER) {
  return { container: container.containerName, manifestName: 'show', archiveWindowTicks };
}

function fragment(of: Track, at: number, extra: Partial<LiveFragment> & { sizeBytes?: number } = {}) {
  const { sizeBytes = 1000, ...rest } = extra;
  return {
    track: of,
    decodeTimeTicks: START_TICKS + at * 2 * SECOND,
    durationTicks: 2 * SECOND,
    sampleCount: of.type === 'video' ? 50 : 94,
    discontinuity: 0,
    formatIndex: 0,
    bytes: Buffer.alloc(sizeBytes, `${of.folder}/${at};`),
    ...rest,
  } satisfies LiveFragment;
}

interface Heard extends RecorderListener {
  readonly tracks: Track[];
  readonly entries: Map<string, FragmentEntry[]>;
  fencedCount: number;
}

function listen(onCommitted: (entry: FragmentEntry) => void = () => undefined): Heard {
  const heard: Heard = {
    tracks: [],
    entries: new Map(),
    fencedCount: 0,
    trackCommitted: (committed) => void heard.tracks.push(committed),
    fragmentCommitted: (of, entry) => {
      heard.entries.set(of.folder, [...(heard.entries.get(of.folder) ?? []), entry]);
      onCommitted(entry);
    },
    fenced: () => {
      heard.fencedCount += 1;
    },
  };
  return heard;
}

async function blobNames(container: ContainerClient): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of container.listBlobsFlat()) names.push(name);
  return names;
}

async function text(container: ContainerClient, name: string): Promise<string> {
  return (await container.getBlobClient(name).downloadToBuffer()).toString('utf8');
}

async function sequences(container: ContainerClient, folder = video.folder): Promise<number[]> {
  const recording = await readRecording(container, 'show');
  const found = recording?.tracks.find((index) => index.track.folder === folder);
  return (found?.fragments ?? []).map(({ sequence }) => sequence);
}

const upTo = (count: number) => Array.from({ length: count }, (_, at) => at);

async function until(what: string, holds: () => boolean | Promise<boolean>, timeoutMs = 30_000) {
  const deadlineMs = Date.now() + timeoutMs;
  while (!(await holds())) {
    if (Date.now() > deadlineMs) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await sleep(20);
  }
}

describe('a recording', () => {
  it('reads back what was recorded, and is on-demand once finished', async () => {
    const container = await newContainer();
    const heard = listen();
    const recorder = await store().openRecorder(placeIn(container), 1, heard);
    expect(recorder.soFar).toEqual({ tracks: [], discontinuity: undefined, endTicks: undefined });
    recorder.addTrack(video);
    recorder.addTrack(audio);
    for (const at of upTo(100)) for (const each of [video, audio]) recorder.addFragment(fragment(each, at));
    expect(recorder.pendingBytes).toBe(200_000);
    await recorder.drained(0);
    expect(recorder.pendingBytes).toBe(0);
    await until('live manifest', async () => (await blobNames(container)).includes('show.ismc'));
    expect(await text(container, 'show.ism')).toContain('live-fmp4');

    const read = createRecordingReader(StorageAccounts.ofSystem(azurite.connectionString));
    const live = await read.readRecording(container.containerName, 'show');
    expect(live).toEqual({
      state: 'live',
      tracks: [video, audio].map((of) => ({ track: of, fragments: heard.entries.get(of.folder) })),
    });
    expect(heard.entries.get(audio.folder)?.[99]).toEqual({
      sequence: 99,
      decodeTimeTicks: START_TICKS + 198 * SECOND,
      durationTicks: 2 * SECOND,
      sizeBytes: 1000,
      sampleCount: 94,
      firstSample: 99 * 94,
      discontinuity: 0,
      formatIndex: 0,
      committedAtMs: expect.any(Number),
    });
    // Each track's log is written by itself: which is committed first is open.
    expect(heard.tracks).toHaveLength(2);
    expect(heard.tracks).toEqual(expect.arrayContaining([video, audio]));
    expect(await read.header(container.containerName, video.folder, 0)).toEqual(
      Buffer.from(writeCmafHeader(video, 0)),
    );
    const seventh = fragment(video, 7);
    expect(await read.fragment(container.containerName, video.folder, seventh.decodeTimeTicks)).toEqual(
      seventh.bytes,
    );

    await container.getBlockBlobClient(`${video.folder}/17`).upload('orphan', 6);
    await recorder.finish();
    expect(await read.readRecording(container.containerName, 'show')).toMatchObject({ state: 'ended' });
    expect(await text(container, 'show.ism')).toContain('vod-fmp4');
    expect((await text(container, 'show.ismc')).match(/<c /g)).toHaveLength(200);
    expect(await blobNames(container)).not.toContain(`${video.folder}/17`);
    expect(await blobNames(container)).toHaveLength(200 + 2 + 2 + 2);
    await expect(store().openRecorder(placeIn(container), 2, listen())).rejects.toMatchObject({
      code: 'RecordingFinished',
    });
    await store().finishRecording(placeIn(container), 2);
    expect(await readRecording(container, 'show')).toMatchObject({ ended: true });
  }, 60_000);

  it('stays empty when nothing was recorded', async () => {
    const container = await newContainer();
    await store().finishRecording(placeIn(container), 1);
    const recorder = await store().openRecorder(placeIn(container), 1, listen());
    await recorder.finish();
    expect(await blobNames(container)).toEqual([]);
  });

  it('stores a header for each format and numbers formats for itself', async () => {
    const container = await newContainer();
    const heard = listen();
    const recorder = await store().openRecorder(placeIn(container), 1, heard);
    recorder.addTrack(video);
    recorder.addFragment(fragment(video, 0));
    const grown = { ...video, formats: [high180, main180] };
    recorder.addTrack(grown);
    recorder.addFragment(fragment(grown, 1, { formatIndex: 1 }));
    await recorder.drained(0);
    await recorder.close();

    const swapped = { ...video, formats: [main180, high180] };
    const again = await store().openRecorder(placeIn(container), 2, heard);
    expect(again.soFar).toEqual({ tracks: [grown], discontinuity: 0, endTicks: START_TICKS + 4 * SECOND });
    again.addFragment(fragment(swapped, 2, { formatIndex: 0, discontinuity: 1 }));
    await again.finish();
    const recording = await readRecording(container, 'show');
    expect(recording?.tracks[0]?.track).toEqual(grown);
    expect(recording?.tracks[0]?.fragments.map(({ formatIndex }) => formatIndex)).toEqual([0, 1, 1]);
    expect(await blobNames(container)).toEqual(
      expect.arrayContaining([`${video.folder}/header`, `${video.folder}/header-1`]),
    );
  });

  it('refuses what would make the index unreadable and goes on', async () => {
    const container = await newContainer();
    const recorder = await store().openRecorder(placeIn(container), 1, listen());
    for (const at of [0, 1, 1, 0, 2]) recorder.addFragment(fragment(video, at));
    recorder.addTrack({ ...video, ordinal: 9 });
    await recorder.finish();
    expect(recorder.pendingBytes).toBe(0);
    expect(await sequences(container)).toEqual(upTo(3));
  });

  it('goes on in the next roll by age and by blocks, and after a roll line nobody followed', async () => {
    const container = await newContainer();
    const limits = { rollBlocks: 3 };
    const recorder = await store({ limits }).openRecorder(placeIn(container), 1, listen());
    for (const at of upTo(10)) {
      recorder.addFragment(fragment(video, at));
      await recorder.drained(0);
    }
    await recorder.close();
    const [stored] = await readTrackIndexes(container, 'show');
    expect(stored?.rolls.map(({ roll }) => roll)).toEqual([0, 1, 2, 3]);
    expect(stored?.epoch).toBe(1);
    const name = `show.headend/${video.folder}/000003`;
    await container.getAppendBlobClient(name).appendBlock('{"t":"roll"}\n', 13);

    let nowMs = Date.now();
    const later = { now: () => nowMs };
    const next = await store({ clock: later }).openRecorder(placeIn(container), 2, listen());
    next.addFragment(fragment(video, 10));
    await next.drained(0);
    nowMs += 3_600_000;
    next.addFragment(fragment(video, 11));
    await next.finish();
    const [finished] = await readTrackIndexes(container, 'show');
    expect(finished?.rolls.map(({ roll }) => roll)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(await sequences(container)).toEqual(upTo(12));
    const first = await text(container, `show.headend/${video.folder}/000005`);
    expect(first.split('\n').map((line) => line && JSON.parse(line).t)).toEqual([
      'track',
      'epoch',
      'f',
      'end',
      '',
    ]);
  });

  it('deletes what leaves the archive window: fragments, then index rolls', async () => {
    const container = await newContainer();
    const limits = { rollBlocks: 4, graceTicks: 4 * SECOND };
    const place = placeIn(container, 10 * SECOND);
    const recorder = await store({ limits }).openRecorder(place, 1, listen());
    for (const at of upTo(30)) {
      recorder.addFragment(fragment(video, at));
      await recorder.drained(0);
    }
    const kept = upTo(7).map((at) => `${video.folder}/${START_TICKS + (23 + at) * 2 * SECOND}`);
    await until(
      'trimmed',
      async () => (await blobNames(container)).filter((name) => /\/\d{16}$/.test(name)).length <= 7,
    );
    const names = await blobNames(container);
    expect(names.filter((name) => /\/\d{16}$/.test(name))).toEqual(kept);
    // Three fragments in the first roll, whose first block is the track's, then four in each.
    const lines = upTo(30).slice(23);
    await until('rolls deleted', async () => (await sequences(container)).length === lines.length);
    await recorder.finish();
    expect(await sequences(container)).toEqual(lines);
    expect((await text(container, 'show.ismc')).match(/<c /g)).toHaveLength(5);
  }, 60_000);
});

describe('a take-over', () => {
  it('fences the writer before it, which commits nothing more', async () => {
    const container = await newContainer();
    const [stale, current] = [listen(), listen()];
    const first = await store().openRecorder(placeIn(container), 1, stale);
    first.addFragment(fragment(video, 0));
    await first.drained(0);
    const second = await store().openRecorder(placeIn(container), 2, current);
    expect(second.soFar).toEqual({ tracks: [video], discontinuity: 0, endTicks: START_TICKS + 2 * SECOND });
    first.addFragment(fragment(video, 1, { bytes: Buffer.alloc(10, 'stale') }));
    await first.drained(0);
    expect(stale.fencedCount).toBe(1);
    second.addFragment(fragment(video, 1, { discontinuity: 1 }));
    first.addFragment(fragment(video, 2));
    await second.drained(0);
    expect(stale.entries.get(video.folder)).toHaveLength(1);
    // The stale writer's blob had the same name; the index never spoke of it.
    const read = createRecordingReader(StorageAccounts.ofSystem(azurite.connectionString));
    const { decodeTimeTicks, bytes } = fragment(video, 1);
    expect(await read.fragment(container.containerName, video.folder, decodeTimeTicks)).toEqual(bytes);
    await second.finish();
    await expect(first.finish()).rejects.toMatchObject({ code: 'RecorderFenced' });
    expect((await readRecording(container, 'show'))?.tracks[0]?.fragments).toEqual(
      current.entries.get(video.folder)?.toSpliced(0, 0, ...(stale.entries.get(video.folder) ?? [])),
    );
  });

  it('does not let a fenced writer change what its successor has stored', async () => {
    const container = await newContainer();
    const stale = listen();
    const first = await store().openRecorder(placeIn(container), 1, stale);
    first.addFragment(fragment(video, 0));
    await first.drained(0);
    const second = await store().openRecorder(placeIn(container), 2, listen());
    second.addFragment(fragment(video, 1));
    await second.drained(0);
    first.addFragment(fragment(video, 1, { bytes: Buffer.alloc(1000, 'stale') }));
    await until('fenced', () => stale.fencedCount === 1);
    const { bytes, decodeTimeTicks } = fragment(video, 1);
    const stored = await container.getBlobClient(`${video.folder}/${decodeTimeTicks}`).downloadToBuffer();
    expect(stored.equals(bytes)).toBe(true);
    await second.close();
  });

  it('is refused to an earlier epoch', async () => {
    const container = await newContainer();
    const recorder = await store().openRecorder(placeIn(container), 5, listen());
    recorder.addFragment(fragment(video, 0));
    await recorder.drained(0);
    await expect(store().openRecorder(placeIn(container), 4, listen())).rejects.toMatchObject({
      code: 'RecorderFenced',
    });
    recorder.addFragment(fragment(video, 1));
    await recorder.finish();
    expect(await sequences(container)).toEqual([0, 1]);
  });

  it('keeps the index contiguous and every reported fragment, whatever is lost on the way', async () => {
    const step = fc.record({ fragments: fc.integer({ min: 0, max: 12 }), drain: fc.boolean() });
    const fates = fc.infiniteStream(
      fc.oneof(
        { weight: 8, arbitrary: fc.constant<Fate>('pass') },
        fc.constantFrom<Fate>('lostRequest', 'lostAnswer'),
      ),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 4 }), fates, async (steps, fate) => {
        const container = await newContainer();
        const relay = await openBlobRelay(azurite.connectionString, () => fate.next().value ?? 'pass');
        const lossy = store({ connectionString: relay.connectionString });
        const { reported, zombies } = await recordInSteps(lossy, container, steps);
        const last = await lossy.openRecorder(placeIn(container), 99, listen());
        await last.finish();
        await Promise.all(zombies.map((zombie) => zombie.close()));
        await relay.close();
        const recording = await readRecording(container, 'show');
        const stored = recording?.tracks[0]?.fragments ?? [];
        expect(stored.map(({ sequence }) => sequence)).toEqual(upTo(stored.length));
        expect(stored).toEqual(expect.arrayContaining(reported));
        for (const { decodeTimeTicks } of stored) {
          expect(await container.getBlobClient(`${video.folder}/${decodeTimeTicks}`).exists()).toBe(true);
        }
      }),
      { numRuns: 12 },
    );
  }, 180_000);
});

/** One take-over per step. Those before are never told that they are replaced: they go on until storage tells them. */
async function recordInSteps(
  lossy: RecordingStore,
  container: ContainerClient,
  steps: readonly { readonly fragments: number; readonly drain: boolean }[],
): Promise<{ reported: FragmentEntry[]; zombies: OutputRecorder[] }> {
  const reported: FragmentEntry[] = [];
  const zombies: OutputRecorder[] = [];
  for (const [index, { fragments, drain }] of steps.entries()) {
    const heard = listen((entry) => void reported.push(entry));
    const recorder = await lossy.openRecorder(placeIn(container), index + 1, heard);
    const endTicks = recorder.soFar.endTicks ?? START_TICKS;
    const at = (endTicks - START_TICKS) / (2 * SECOND);
    for (const next of upTo(fragments)) {
      recorder.addFragment(fragment(video, at + next, { discontinuity: index }));
    }
    if (drain) await recorder.drained(0);
    zombies.push(recorder);
  }
  return { reported, zombies };
}

describe('storage that does not answer for 10 s', () => {
  it('loses nothing and keeps the order', async () => {
    const container = await newContainer();
    const heard = listen();
    const recorder = await store().openRecorder(placeIn(container), 1, heard);
    for (const at of upTo(5)) recorder.addFragment(fragment(video, at));
    await recorder.drained(0);
    azurite.pause();
    try {
      for (const at of upTo(20)) recorder.addFragment(fragment(video, 5 + at));
      await sleep(10_000);
      expect(recorder.pendingBytes).toBe(20_000);
    } finally {
      azurite.resume();
    }
    for (const at of upTo(5)) recorder.addFragment(fragment(video, 25 + at));
    await recorder.drained(0);
    expect(heard.fencedCount).toBe(0);
    expect(await sequences(container)).toEqual(upTo(30));
    await recorder.finish();
  }, 90_000);
});

describe('ownership of a live event', () => {
  const ownerships = (limits: Partial<OwnershipLimits> = {}) =>
    createOwnershipStore({
      accounts: StorageAccounts.ofSystem(azurite.connectionString),
      clock,
      log: silent,
      limits: { renewMs: 100, ...limits },
    });

  it('passes to whoever takes it over, with a higher epoch', async () => {
    const reader = createOwnershipReader(StorageAccounts.ofSystem(azurite.connectionString));
    expect(await reader.find('Arena')).toBeUndefined();
    const first = await ownerships().acquire('Arena', 'http://127.0.0.1:1');
    expect(await reader.find('arena')).toEqual({ epoch: 1, address: 'http://127.0.0.1:1' });
    const second = await ownerships().acquire('arena', 'http://127.0.0.1:2');
    expect([first.epoch, second.epoch]).toEqual([1, 2]);
    await until('the first hears of it', () => first.lost.aborted);
    await first.release();
    expect(second.lost.aborted).toBe(false);
    expect(await reader.find('Arena')).toEqual({ epoch: 2, address: 'http://127.0.0.1:2' });
    await second.release();
    expect(await reader.find('Arena')).toBeUndefined();
    const third = await ownerships().acquire('arena', 'http://127.0.0.1:3');
    expect(third.epoch).toBe(3);
    await third.release();
  });

  it('has exactly one owner, of the highest epoch, after a race', async () => {
    const racers = await Promise.all(
      upTo(4).map((at) => ownerships().acquire('race', `http://127.0.0.1:${at + 1}`)),
    );
    const epochs = racers.map(({ epoch }) => epoch);
    expect(new Set(epochs).size).toBe(racers.length);
    await until('one is left', () => racers.filter(({ lost }) => !lost.aborted).length === 1);
    await sleep(500);
    const left = racers.filter(({ lost }) => !lost.aborted);
    expect(left.map(({ epoch }) => epoch)).toEqual([Math.max(...epochs)]);
    for (const racer of racers) await racer.release();
  });

  it('is kept through a silence of storage, and lost when it lasts too long', async () => {
    const patient = await ownerships().acquire('patient', 'http://127.0.0.1:1');
    const hasty = await ownerships({ silenceMs: 3000 }).acquire('hasty', 'http://127.0.0.1:1');
    azurite.pause();
    try {
      await until('given up', () => hasty.lost.aborted);
    } finally {
      azurite.resume();
    }
    await sleep(1000);
    expect(patient.lost.aborted).toBe(false);
    await patient.release();
  }, 60_000);
});
