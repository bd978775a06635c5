import type { z } from 'zod';
import {
  ChannelAnswer,
  EncodingCapacityAnswer,
  HealthAnswer,
  OperationAnswer,
  ProgramAnswer,
  StreamingEndpointAnswer,
  StreamKeyAnswer,
  TimelineAnswer,
} from './answers.ts';
import { AutoscaleAnswer, EncodingAutoscaleBody, StreamingAutoscaleBody } from './autoscale.ts';
import { ChannelBody, ChannelPatch, RotateBody, StopBody } from './channel-body.ts';
import { PlaybackTokenAnswer, PlaybackTokenBody } from './playback-token.ts';
import { ProgramBody, ProgramPatch } from './program-body.ts';
import { ProtectionProfileAnswer, ProtectionProfileBody } from './protection-body.ts';
import { EncodingScaleBody, StreamingScaleBody } from './scale.ts';

export interface Route {
  readonly method: 'GET' | 'PUT' | 'PATCH' | 'POST' | 'DELETE';
  readonly path: string;
  readonly summary: string;
  readonly body?: z.ZodType;
  readonly answer?: z.ZodType;
  readonly status: number;
  readonly kind: 'resource' | 'list' | 'operation' | 'plain';
  readonly query?: readonly ('limit' | 'after' | 'state' | 'label' | 'recording' | 'token' | 'playlist')[];
  readonly anonymous?: true;
}

const channel = '/channels/{channel}';
const program = `${channel}/programs/{program}`;
const endpoint = '/streaming-endpoints/{endpoint}';
const profile = '/protection-profiles/{profile}';
const filters = ['limit', 'after', 'state', 'label'] as const;
const operation = { status: 202, kind: 'operation', answer: OperationAnswer } as const;
const post = { method: 'POST', ...operation } as const;
const anonymous = { method: 'GET', status: 200, kind: 'plain', anonymous: true } as const;

/** Every call of the HTTP API: what registers the functions and what the OpenAPI document is made from. */
export const ROUTES = {
  putChannel: {
    method: 'PUT',
    path: channel,
    summary: 'Say what a channel should be; the same body twice is one channel',
    body: ChannelBody,
    answer: ChannelAnswer,
    status: 200,
    kind: 'resource',
  },
  getChannel: {
    method: 'GET',
    path: channel,
    summary: 'A channel: what is wanted and what is so',
    answer: ChannelAnswer,
    status: 200,
    kind: 'resource',
  },
  patchChannel: {
    method: 'PATCH',
    path: channel,
    summary: 'Change some of it (merge patch)',
    body: ChannelPatch,
    answer: ChannelAnswer,
    status: 200,
    kind: 'resource',
  },
  deleteChannel: {
    method: 'DELETE',
    path: channel,
    summary: 'Delete a stopped channel without programs',
    ...operation,
  },
  listChannels: {
    method: 'GET',
    path: '/channels',
    summary: 'Channels by name',
    answer: ChannelAnswer,
    status: 200,
    kind: 'list',
    query: filters,
  },
  startChannel: { ...post, path: `${channel}/start`, summary: 'Open the channel for its encoder' },
  standbyChannel: {
    ...post,
    path: `${channel}/standby`,
    summary: 'Make it ready to start in an instant; 409 while it records unless finishPrograms',
    body: StopBody,
  },
  stopChannel: {
    ...post,
    path: `${channel}/stop`,
    summary: 'Close the channel; 409 while it records unless finishPrograms',
    body: StopBody,
  },
  resetChannel: {
    ...post,
    path: `${channel}/reset`,
    summary: 'Drop the encoder and begin anew; 409 while it records unless finishPrograms',
    body: StopBody,
  },
  getStreamKey: {
    method: 'GET',
    path: `${channel}/stream-key`,
    summary: 'What to type into the encoder (a secret)',
    answer: StreamKeyAnswer,
    status: 200,
    kind: 'plain',
  },
  rotateStreamKey: {
    method: 'POST',
    path: `${channel}/stream-key/rotate`,
    summary: 'A new stream key; the old one works for a while longer when the channel runs',
    body: RotateBody,
    answer: StreamKeyAnswer,
    status: 200,
    kind: 'plain',
  },
  listTimeline: {
    method: 'GET',
    path: `${channel}/timeline`,
    summary: 'What happened, newest first',
    answer: TimelineAnswer,
    status: 200,
    kind: 'list',
    query: ['limit', 'after'],
  },
  putProgram: {
    method: 'PUT',
    path: program,
    summary: 'Say what a program should be; its playback addresses are in the answer',
    body: ProgramBody,
    answer: ProgramAnswer,
    status: 200,
    kind: 'resource',
  },
  getProgram: {
    method: 'GET',
    path: program,
    summary: 'A program: what is wanted and what is so',
    answer: ProgramAnswer,
    status: 200,
    kind: 'resource',
  },
  patchProgram: {
    method: 'PATCH',
    path: program,
    summary: 'Change some of it (merge patch)',
    body: ProgramPatch,
    answer: ProgramAnswer,
    status: 200,
    kind: 'resource',
  },
  deleteProgram: {
    method: 'DELETE',
    path: program,
    summary: 'Delete a program; the recording stays unless recording=delete',
    ...operation,
    query: ['recording'],
  },
  listPrograms: {
    method: 'GET',
    path: `${channel}/programs`,
    summary: 'The programs of a channel by name',
    answer: ProgramAnswer,
    status: 200,
    kind: 'list',
    query: filters,
  },
  startProgram: { ...post, path: `${program}/start`, summary: 'Recording begins' },
  finishProgram: {
    ...post,
    path: `${program}/finish`,
    summary: 'Recording ends; the same addresses are on-demand',
  },
  publishProgram: { ...post, path: `${program}/publish`, summary: 'Let viewers in' },
  unpublishProgram: {
    ...post,
    path: `${program}/unpublish`,
    summary: 'Close it to viewers; the addresses stay reserved',
  },
  getOperation: {
    method: 'GET',
    path: '/operations/{operation}',
    summary: 'How far an operation is',
    answer: OperationAnswer,
    status: 200,
    kind: 'plain',
  },
  listStreamingEndpoints: {
    method: 'GET',
    path: '/streaming-endpoints',
    summary: 'The streaming endpoints',
    answer: StreamingEndpointAnswer,
    status: 200,
    kind: 'list',
  },
  getStreamingEndpoint: {
    method: 'GET',
    path: endpoint,
    summary: 'A streaming endpoint',
    answer: StreamingEndpointAnswer,
    status: 200,
    kind: 'plain',
  },
  startStreamingEndpoint: { ...post, path: `${endpoint}/start`, summary: 'Start serving viewers' },
  stopStreamingEndpoint: { ...post, path: `${endpoint}/stop`, summary: 'Stop serving viewers' },
  scaleStreamingEndpoint: {
    ...post,
    path: `${endpoint}/scale`,
    summary: 'Ask for streaming units; a later request takes the place of an earlier one',
    body: StreamingScaleBody,
  },
  putStreamingEndpointAutoscale: {
    method: 'PUT',
    path: `${endpoint}/autoscale`,
    summary: 'Scale a streaming endpoint by its load, within limits; the same body twice is one policy',
    body: StreamingAutoscaleBody,
    answer: AutoscaleAnswer,
    status: 200,
    kind: 'resource',
  },
  getStreamingEndpointAutoscale: {
    method: 'GET',
    path: `${endpoint}/autoscale`,
    summary: 'The policy by which a streaming endpoint is scaled, and what was decided last',
    answer: AutoscaleAnswer,
    status: 200,
    kind: 'resource',
  },
  deleteStreamingEndpointAutoscale: {
    method: 'DELETE',
    path: `${endpoint}/autoscale`,
    summary: 'Scale a streaming endpoint by hand again; its units stay as they are',
    status: 204,
    kind: 'plain',
  },
  getEncodingCapacity: {
    method: 'GET',
    path: '/encoding-capacity',
    summary: 'How much can be encoded at the same time',
    answer: EncodingCapacityAnswer,
    status: 200,
    kind: 'plain',
  },
  scaleEncodingCapacity: {
    ...post,
    path: '/encoding-capacity/scale',
    summary: 'Ask for encoding units; a later request takes the place of an earlier one',
    body: EncodingScaleBody,
  },
  putEncodingCapacityAutoscale: {
    method: 'PUT',
    path: '/encoding-capacity/autoscale',
    summary: 'Scale the encoding capacity by its load, within limits; the same body twice is one policy',
    body: EncodingAutoscaleBody,
    answer: AutoscaleAnswer,
    status: 200,
    kind: 'resource',
  },
  getEncodingCapacityAutoscale: {
    method: 'GET',
    path: '/encoding-capacity/autoscale',
    summary: 'The policy by which the encoding capacity is scaled, and what was decided last',
    answer: AutoscaleAnswer,
    status: 200,
    kind: 'resource',
  },
  deleteEncodingCapacityAutoscale: {
    method: 'DELETE',
    path: '/encoding-capacity/autoscale',
    summary: 'Scale the encoding capacity by hand again; its units stay as they are',
    status: 204,
    kind: 'plain',
  },
  putProtectionProfile: {
    method: 'PUT',
    path: profile,
    summary: 'Say who gets keys and how each protocol is delivered; the same body twice is one profile',
    body: ProtectionProfileBody,
    answer: ProtectionProfileAnswer,
    status: 200,
    kind: 'resource',
  },
  getProtectionProfile: {
    method: 'GET',
    path: profile,
    summary: 'A protection profile, without its secrets',
    answer: ProtectionProfileAnswer,
    status: 200,
    kind: 'resource',
  },
  deleteProtectionProfile: {
    method: 'DELETE',
    path: profile,
    summary: 'Delete a protection profile that nothing uses',
    status: 204,
    kind: 'plain',
  },
  listProtectionProfiles: {
    method: 'GET',
    path: '/protection-profiles',
    summary: 'Protection profiles by name, built-in ones among them',
    answer: ProtectionProfileAnswer,
    status: 200,
    kind: 'list',
    query: ['limit', 'after'],
  },
  createPlaybackToken: {
    method: 'POST',
    path: '/playback-tokens',
    summary: 'A token with which players get the keys of one program (a secret; stored nowhere)',
    body: PlaybackTokenBody,
    answer: PlaybackTokenAnswer,
    status: 200,
    kind: 'plain',
  },
  getNativeHls: {
    ...anonymous,
    path: `/playback${program}/hls`,
    summary: 'HLS playlists with the token in their key addresses, for players that cannot send a header',
    query: ['token', 'playlist'],
  },
  getLiveness: { ...anonymous, path: '/health/live', summary: 'The process answers', answer: HealthAnswer },
  getReadiness: {
    ...anonymous,
    path: '/health/ready',
    summary: 'Storage and settings are usable',
    answer: HealthAnswer,
  },
  getOpenapi: { ...anonymous, path: '/openapi.json', summary: 'This document' },
} as const satisfies Record<string, Route>;

export type RouteName = keyof typeof ROUTES;
