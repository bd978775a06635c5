import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import type { AzureMediaServices } from '@azure/arm-mediaservices';
import { ACCOUNT, GROUP } from './arm-client.ts';
import { run, until } from './programs.ts';

export interface Show {
  readonly name: string;
  /** `http://host:port/{token}/ingest.isml/Streams(name)`, or `rtmp[s]://host:port/live/{token}/name`. */
  ingestUrl(streamName: string, endpoint?: number): string;
  readonly accessToken: string;
  readonly container: string;
  /** Of the recording, with its format. */
  playbackUrl(format: string): string;
  readonly previewUrl: string;
  /** Ends the recording; what is at the URL is on-demand from then on. */
  finish(): Promise<void>;
}

/** A running live event that anybody on this machine may publish to, with a recording that is published. */
export async function startShow(
  client: AzureMediaServices,
  name: string,
  streamingProtocol: 'FragmentedMP4' | 'RTMP' = 'FragmentedMP4',
): Promise<Show> {
  const { liveEvents, liveOutputs, assets, streamingLocators, streamingEndpoints } = client;
  const accessControl = { ip: { allow: [{ address: '127.0.0.0', subnetPrefixLength: 8 }] } };
  const input = { streamingProtocol, accessControl };
  const event = { location: 'local', input };
  await liveEvents.beginCreateAndWait(GROUP, ACCOUNT, name, event, { autoStart: true });
  const running = await liveEvents.get(GROUP, ACCOUNT, name);
  const asset = `${name}-asset`;
  const { assetId } = await assets.createOrUpdate(GROUP, ACCOUNT, asset, {});
  const streamingLocatorId = randomUUID();
  await streamingLocators.create(GROUP, ACCOUNT, `${name}-locator`, {
    assetName: asset,
    streamingPolicyName: 'Predefined_ClearStreamingOnly',
    streamingLocatorId,
  });
  const output = { assetName: asset, archiveWindowLength: 'PT1H', manifestName: 'main' };
  await liveOutputs.beginCreateAndWait(GROUP, ACCOUNT, name, 'rec', output);
  const { hostName } = await streamingEndpoints.get(GROUP, ACCOUNT, 'default');
  return {
    name,
    ingestUrl: (streamName, endpoint = 0) => {
      const last = streamingProtocol === 'RTMP' ? streamName : `Streams(${streamName})`;
      return `${running.input?.endpoints?.[endpoint]?.url}/${last}`;
    },
    accessToken: running.input?.accessToken ?? '',
    container: `asset-${assetId}`,
    playbackUrl: (format) => `http://${hostName}/${streamingLocatorId}/main.ism/manifest(format=${format})`,
    previewUrl: running.preview?.endpoints?.[0]?.url ?? '',
    finish: () => liveOutputs.beginDeleteAndWait(GROUP, ACCOUNT, name, 'rec').then(() => undefined),
  };
}

const ISML = ['-movflags', 'isml+frag_keyframe', '-f', 'ismv'];

/** FFmpeg that pushes a file as it is, in real time (or as fast as it can). */
export function pushSmooth(source: string, url: string, ...extra: string[]): ChildProcess {
  const args = ['-hide_banner', '-nostdin', '-loglevel', 'error', ...extra];
  return spawn('ffmpeg', [...args, '-i', source, '-map', '0', '-c', 'copy', ...ISML, url], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

/** Our segments have no extension, as the original's; newer FFmpegs want to be told. */
export function inputOf(address: string): string[] {
  const anyName = [
    '-allowed_extensions',
    'ALL',
    '-allowed_segment_extensions',
    'ALL',
    '-extension_picky',
    '0',
  ];
  return [...(address.startsWith('http') ? anyName : []), '-i', address];
}

/** A hash of every decoded picture, in order, as FFmpeg decodes what is at an address. */
export async function pictureHashes(input: string): Promise<string[]> {
  const { stdout, stderr } = await run(
    'ffmpeg',
    ...['-hide_banner', '-nostdin', '-loglevel', 'error', ...inputOf(input)],
    ...['-map', '0:v:0', '-fps_mode', 'passthrough', '-f', 'framehash', '-hash', 'md5', '-'],
  );
  const hashes = stdout.split('\n').filter((line) => /^\d/.test(line));
  if (hashes.length === 0) throw new Error(`no picture in ${input}: ${stderr}`);
  return hashes.map((line) => hashOf(line));
}

/** A hash of every frame of one of the sound streams as it is sent, in order. */
export async function soundHashes(input: string, stream = 0): Promise<string[]> {
  const { stdout } = await run(
    'ffmpeg',
    ...['-hide_banner', '-nostdin', '-loglevel', 'error', ...inputOf(input)],
    ...['-map', `0:a:${stream}`, '-c', 'copy', '-f', 'framehash', '-hash', 'md5', '-'],
  );
  const hashes = stdout.split('\n').filter((line) => /^\d/.test(line));
  return hashes.map((line) => hashOf(line));
}

/** stream, dts, pts, duration, size, hash, and then what hangs on a packet. */
function hashOf(line: string): string {
  return line.split(',')[5]?.trim() ?? '';
}

/** Resolves when the multivariant playlist at an address is there. */
export function shown(url: string): Promise<void> {
  return until(async () => (await fetch(url)).status === 200, `${new URL(url).pathname} answers 200`);
}
