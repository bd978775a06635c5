import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  HttpRequest,
  type HttpRequestInit,
  type HttpResponseInit,
  InvocationContext,
} from '@azure/functions';
import type { Services } from '../../src/lib/composition.ts';
import { openapiDocument } from '../../src/lib/contracts/openapi.ts';
import type { Route } from '../../src/lib/contracts/route.ts';
import { ROUTES, type RouteName } from '../../src/lib/contracts/routes.ts';
import * as autoscale from '../../src/lib/http/autoscale.ts';
import * as channels from '../../src/lib/http/channels.ts';
import { type Call, handle, json } from '../../src/lib/http/handle.ts';
import { liveness, readiness } from '../../src/lib/http/health.ts';
import * as imports from '../../src/lib/http/imports.ts';
import { getOperation } from '../../src/lib/http/operations.ts';
import * as playback from '../../src/lib/http/playback.ts';
import * as programs from '../../src/lib/http/programs.ts';
import * as protection from '../../src/lib/http/protection.ts';
import * as scaling from '../../src/lib/http/scaling.ts';
import * as endpoints from '../../src/lib/http/streaming-endpoints.ts';
import * as videos from '../../src/lib/http/videos.ts';

type Work = (call: Call, app: Services) => Promise<HttpResponseInit>;

const WORK: Readonly<Record<RouteName, Work>> = {
  putChannel: channels.putChannelCall,
  getChannel: channels.getChannelCall,
  patchChannel: channels.patchChannelCall,
  deleteChannel: (call, app) => channels.runChannelCall('delete', call, app),
  listChannels: channels.listChannelsCall,
  startChannel: (call, app) => channels.runChannelCall('start', call, app),
  standbyChannel: (call, app) => channels.runChannelCall('standby', call, app),
  stopChannel: (call, app) => channels.runChannelCall('stop', call, app),
  resetChannel: (call, app) => channels.runChannelCall('reset', call, app),
  getStreamKey: channels.getStreamKeyCall,
  rotateStreamKey: channels.rotateStreamKeyCall,
  listTimeline: channels.listTimelineCall,
  putProgram: programs.putProgramCall,
  getProgram: programs.getProgramCall,
  patchProgram: programs.patchProgramCall,
  deleteProgram: programs.deleteProgramCall,
  listPrograms: programs.listProgramsCall,
  startProgram: (call, app) => programs.runProgramCall('start', call, app),
  finishProgram: (call, app) => programs.runProgramCall('finish', call, app),
  publishProgram: (call, app) => programs.runProgramCall('publish', call, app),
  unpublishProgram: (call, app) => programs.runProgramCall('unpublish', call, app),
  getOperation,
  listStreamingEndpoints: endpoints.listStreamingEndpointsCall,
  getStreamingEndpoint: endpoints.getStreamingEndpointCall,
  startStreamingEndpoint: (call, app) => endpoints.runStreamingEndpointCall('start', call, app),
  stopStreamingEndpoint: (call, app) => endpoints.runStreamingEndpointCall('stop', call, app),
  scaleStreamingEndpoint: scaling.scaleStreamingEndpointCall,
  putStreamingEndpointAutoscale: autoscale.putStreamingEndpointAutoscaleCall,
  getStreamingEndpointAutoscale: autoscale.getStreamingEndpointAutoscaleCall,
  deleteStreamingEndpointAutoscale: autoscale.deleteStreamingEndpointAutoscaleCall,
  putEncodingCapacityAutoscale: autoscale.putEncodingCapacityAutoscaleCall,
  getEncodingCapacityAutoscale: autoscale.getEncodingCapacityAutoscaleCall,
  deleteEncodingCapacityAutoscale: autoscale.deleteEncodingCapacityAutoscaleCall,
  putProtectionProfile: protection.putProtectionProfileCall,
  getProtectionProfile: protection.getProtectionProfileCall,
  deleteProtectionProfile: protection.deleteProtectionProfileCall,
  listProtectionProfiles: protection.listProtectionProfilesCall,
  getEncodingCapacity: scaling.getEncodingCapacityCall,
  scaleEncodingCapacity: scaling.scaleEncodingCapacityCall,
  createPlaybackToken: playback.createPlaybackTokenCall,
  getNativeHls: playback.getNativeHlsCall,
  getVideoNativeHls: playback.getVideoNativeHlsCall,
  putVideo: videos.putVideoCall,
  getVideo: videos.getVideoCall,
  patchVideo: videos.patchVideoCall,
  deleteVideo: (call, app) => videos.runVideoCall('delete', call, app),
  listVideos: videos.listVideosCall,
  createUploadUrl: videos.createUploadUrlCall,
  encodeVideo: (call, app) => videos.runVideoCall('encode', call, app),
  publishVideo: (call, app) => videos.runVideoCall('publish', call, app),
  unpublishVideo: (call, app) => videos.runVideoCall('unpublish', call, app),
  listVideoTimeline: videos.listVideoTimelineCall,
  getVideoTranscript: videos.getVideoTranscriptCall,
  getVideoInsights: videos.getVideoInsightsCall,
  createImport: imports.createImportCall,
  getImport: imports.getImportCall,
  listImports: imports.listImportsCall,
  cancelImport: imports.cancelImportCall,
  deleteImport: imports.deleteImportCall,
  getLiveness: liveness,
  getReadiness: (_call, app) => readiness(() => app),
  getOpenapi: async () => json(200, openapiDocument()),
};

const TRACE = '0af7651916cd43dd8448eb211c80319c';

// biome-ignore lint/suspicious/noExplicitAny: a JSON document
export type Json = any;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Json;
}

/** The app's HTTP calls with the programming model's own request and context, without a host. */
export function openHttpApp(app: Services) {
  async function answer(method: string, url: string, init: HttpRequestInit): Promise<HttpResponseInit> {
    const { pathname, searchParams } = new URL(url);
    for (const [name, route] of Object.entries<Route>(ROUTES)) {
      const pattern = `^/api/v1${route.path.replace(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`;
      const match = new RegExp(pattern).exec(pathname);
      if (route.method !== method || match === null) continue;
      const params = Object.fromEntries(
        Object.entries(match.groups ?? {}).map(([key, value]) => [key, decodeURIComponent(value)]),
      );
      const query = Object.fromEntries(searchParams);
      const request = new HttpRequest({ ...init, method, url, params, query });
      const context = new InvocationContext({
        functionName: name,
        invocationId: 'i',
        traceContext: { traceParent: `00-${TRACE}-b7ad6b7169203331-01` },
      });
      return handle((call) => WORK[name as RouteName](call, app))(request, context);
    }
    return { status: 404, body: '{}' };
  }

  async function call(
    method: string,
    path: string,
    { body, headers = {} }: { body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<Answer> {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const init = text === undefined ? { headers } : { headers, body: { string: text } };
    const url = path.startsWith('http') ? path : `http://headend.example/api/v1${path}`;
    const got = await answer(method, url, init);
    const isJson =
      new Headers(Object.entries(got.headers ?? {})).get('content-type')?.includes('json') === true;
    const parsed = typeof got.body !== 'string' ? undefined : isJson ? JSON.parse(got.body) : got.body;
    return {
      status: got.status ?? 200,
      headers: new Headers(Object.entries(got.headers ?? {})),
      body: parsed,
    };
  }

  async function serve(request: IncomingMessage, response: ServerResponse, base: string): Promise<void> {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([key, value]) => [key, String(value)]),
    );
    const init = text === '' ? { headers } : { headers, body: { string: text } };
    const got = await answer(request.method ?? 'GET', `${base}${request.url}`, init);
    response.writeHead(got.status ?? 200, Object.fromEntries(Object.entries(got.headers ?? {})));
    response.end(got.body);
  }

  /** Serves them on a free loopback port. */
  async function listen(): Promise<{ base: string; close(): Promise<void> }> {
    let base = '';
    const server = createServer((request, response) => {
      serve(request, response, base).catch((error: unknown) => response.destroy(error as Error));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    base = `http://127.0.0.1:${address.port}`;
    return {
      base,
      close: () =>
        new Promise((resolve) => {
          server.close(() => resolve());
          server.closeAllConnections();
        }),
    };
  }

  return { call, listen };
}
