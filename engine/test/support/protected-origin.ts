import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AssetLocatorView, DeliveryRules, TrackKey } from '../../src/delivery/delivery-directory.ts';
import { type OriginDeps, startOrigin } from '../../src/delivery/origin.ts';
import type { Recording } from '../../src/delivery/origin-ports.ts';
import { parseFragment } from '../../src/formats/isobmff/fragment-reader.ts';
import type { FragmentEntry, TrackIndex } from '../../src/model/presentation.ts';
import { clearProtocolsOf, type StreamingPolicyRules } from '../../src/resources/streaming-policy.ts';
import { keylessParts, servedProtocols } from '../../src/store/locator-protection.ts';
import { makeStoredMedia, type StoredMedia } from './stored-media.ts';

const SMALL_PICTURE: readonly string[] = ['-i', 'testsrc2=size=320x180:rate=25'];

/** Three seconds of picture and sound, made by FFmpeg: a fragment a second. */
export interface SmallShow {
  readonly tracks: readonly TrackIndex[];
  readonly media: readonly StoredMedia[];
  bytesOf(folder: string, decodeTimeTicks: number): Uint8Array | undefined;
}

export async function makeSmallShow(picture = SMALL_PICTURE): Promise<SmallShow> {
  const folder = await mkdtemp(join(tmpdir(), 'headend-show-'));
  const sound = ['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000', '-t', '3', '-c:a', 'aac'];
  const media = [
    await makeStoredMedia(
      join(folder, 'v.mp4'),
      [
        '-f',
        'lavfi',
        '-t',
        '3',
        ...picture,
        '-c:v',
        'libx264',
        '-g',
        '25',
        '-pix_fmt',
        'yuv420p',
        '-bf',
        '2',
        '-sc_threshold',
        '0',
      ],
      { ordinal: 1, samplesPerFragment: 25 },
    ),
    await makeStoredMedia(join(folder, 'a.mp4'), sound, { ordinal: 2, samplesPerFragment: 47 }),
  ];
  await rm(folder, { recursive: true });
  const blobs = new Map<string, Uint8Array>();
  const tracks = media.map(({ track, fragments }) => ({
    track,
    fragments: fragments.map(({ bytes, entry }, sequence): FragmentEntry => {
      const { decodeTimeTicks, samples } = parseFragment(bytes);
      blobs.set(`${track.folder}/${decodeTimeTicks}`, bytes);
      const durationTicks = samples.reduce((sum, sample) => sum + sample.durationTicks, 0);
      const sizeBytes = bytes.length;
      return {
        ...entry,
        sequence,
        decodeTimeTicks,
        durationTicks,
        sizeBytes,
        discontinuity: 0,
        committedAtMs: 0,
      };
    }),
  }));
  return { tracks, media, bytesOf: (name, ticks) => blobs.get(`${name}/${ticks}`) };
}

/** What the origin sees of a locator with such a policy and these keys, by scheme. */
export function rulesOf(
  policy: StreamingPolicyRules,
  keysOf: (scheme: string) => readonly TrackKey[] | undefined,
): DeliveryRules {
  return {
    clear: servedProtocols(clearProtocolsOf(policy)),
    encrypted: keylessParts(policy).map((part) => ({
      ...part,
      keys: keysOf(part.scheme),
      ivIdentity: 'asset',
      version: `${part.scheme}-${randomUUID()}`,
    })),
  };
}

/** An origin in this process whose only locator is `world.rules`'s, of a recording of `show`. */
export async function startShowOrigin(
  show: SmallShow,
  deps: Partial<OriginDeps> & { readonly writeMpd: OriginDeps['writeMpd'] },
) {
  const locatorId = randomUUID();
  const recording: Recording = {
    state: 'ended',
    archiveWindowTicks: undefined,
    endedAtMs: undefined,
    tracks: show.tracks,
  };
  const world = {
    rules: { clear: servedProtocols(undefined), encrypted: [] } as DeliveryRules,
    isPublished: true,
    recording,
  };
  const locator = (): AssetLocatorView => ({
    kind: 'asset',
    account: 'media',
    assetName: 'a',
    container: 'asset-a',
    startTimeMs: undefined,
    endTimeMs: undefined,
    rules: world.rules,
    filters: [],
    addedTracks: [],
    liveOutputs: [],
  });
  const endpoint = {
    name: 'default',
    state: 'Running',
    hostLabel: 'default-media',
    customHostNames: [],
    viewerAllow: [],
    signatureKeys: undefined,
    maxAgeSeconds: undefined,
    crossSite: { clientAccessPolicy: undefined, crossDomainPolicy: undefined },
  };
  const origin = await startOrigin({
    listen: { host: '127.0.0.1', port: 0 },
    endpointName: 'default',
    clock: { nowMs: () => Date.now() },
    log: { info: () => {}, warn: () => {}, error: () => {} },
    directory: {
      findLocator: async (id) => (id === locatorId && world.isPublished ? locator() : undefined),
      streamingEndpoints: async () => [endpoint],
      mediaFilters: async () => [],
      streamingEndpointUnits: async () => 0,
    },
    ownership: { find: async () => undefined },
    files: { find: async () => undefined, read: async () => undefined },
    recordings: {
      readRecording: async () => world.recording,
      header: async (_container, folder) => show.media.find(({ track }) => track.folder === folder)?.header,
      fragment: async (_container, folder, ticks) => show.bytesOf(folder, ticks),
      files: () => ({ list: async () => [], read: async () => undefined }),
    },
    ...deps,
  });
  return {
    origin,
    world,
    locatorId,
    base: `http://127.0.0.1:${origin.port}`,
    path: `/${locatorId}/show.ism`,
  };
}
