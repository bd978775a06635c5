import type { Address } from './address.ts';
import type { Api } from './api.ts';

/** One look at everything that the page shows of a channel; undefined is what does not exist. */
export interface Snapshot {
  readonly channel: unknown;
  readonly program: unknown;
  readonly timeline: unknown;
  readonly streamingEndpoint: unknown;
  /** All programs of the channel. */
  readonly programs: unknown;
}

const TIMELINE_ENTRIES = 30;
const PROGRAMS_MAX = 100;
const STREAMING_ENDPOINT = '/streaming-endpoints/default';

export function channelPath(channel: string): string {
  return `/channels/${encodeURIComponent(channel)}`;
}

export function programPath({ channel, program }: Address): string {
  return `${channelPath(channel)}/programs/${encodeURIComponent(program)}`;
}

export const scalePath = `${STREAMING_ENDPOINT}/scale`;

/** Asks for the channel, its program, its timeline and the streaming endpoint. */
export async function fetchSnapshot(api: Api, address: Address): Promise<Snapshot> {
  const [channel, program, timeline, streamingEndpoint, programs] = await Promise.all([
    api.get(channelPath(address.channel)),
    address.program === '' ? undefined : api.find(programPath(address)),
    api.get(`${channelPath(address.channel)}/timeline?limit=${TIMELINE_ENTRIES}`),
    api.find(STREAMING_ENDPOINT),
    api.get(`${channelPath(address.channel)}/programs?limit=${PROGRAMS_MAX}`),
  ]);
  return { channel, program, timeline, streamingEndpoint, programs };
}
