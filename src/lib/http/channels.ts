import type { HttpResponseInit } from '@azure/functions';
import type { Services } from '../composition.ts';
import { ChannelBody, RotateBody, StopBody } from '../contracts/channel-body.ts';
import { channelName } from '../contracts/fields.ts';
import type { Channel } from '../domain/channel.ts';
import { parseDurationMs } from '../domain/duration.ts';
import { mergePatch } from '../domain/merge-patch.ts';
import {
  type ChannelVerb,
  changeChannel,
  etagOf,
  getChannel,
  putChannel,
  rotateStreamKey,
  runChannel,
  withSettings,
} from '../workflows/api-channels.ts';
import { type Call, json, parameter, parseValue, readBody, readJson } from './handle.ts';
import { answerList } from './lists.ts';
import { answerOperation, askForReconcile, tryReconcile } from './operations.ts';
import { channelHref, channelView, streamKeyView, timelineView } from './views.ts';

const nameOf = (call: Call): string => parameter(call, 'channel', channelName);
const answer = (status: number, channel: Channel): HttpResponseInit =>
  json(status, channelView(channel), {
    etag: etagOf(channel),
    ...(status === 201 ? { location: channelHref(channel.name) } : {}),
  });

export async function putChannelCall(call: Call, app: Services): Promise<HttpResponseInit> {
  const settings = await readBody(call.request, ChannelBody);
  const { channel, created } = await putChannel(nameOf(call), settings, { caller: call.caller, deps: app });
  await askForReconcile(channel.name, app);
  return answer(created ? 201 : 200, channel);
}

export async function getChannelCall(call: Call, app: Services): Promise<HttpResponseInit> {
  return answer(200, (await getChannel(nameOf(call), app)).value);
}

export async function patchChannelCall(call: Call, app: Services): Promise<HttpResponseInit> {
  const patch = await readJson(call.request);
  const change = (channel: Channel) =>
    withSettings(channel, parseValue(mergePatch(channel.settings, patch), ChannelBody));
  const channel = await changeChannel(nameOf(call), change, { caller: call.caller, deps: app });
  await askForReconcile(channel.name, app);
  return answer(200, channel);
}

export function listChannelsCall(call: Call, app: Services): Promise<HttpResponseInit> {
  return answerList(call, (options) => app.channels.page(options), {
    view: channelView,
    keyOf: ({ name }) => name,
  });
}

/** start, standby, stop, reset and DELETE. */
export async function runChannelCall(
  verb: ChannelVerb,
  call: Call,
  app: Services,
): Promise<HttpResponseInit> {
  const { finishPrograms } = await readBody(call.request, StopBody);
  const operation = await runChannel(
    nameOf(call),
    { verb, finishPrograms },
    { caller: call.caller, deps: app },
  );
  return answerOperation(call, operation, app);
}

export async function getStreamKeyCall(call: Call, app: Services): Promise<HttpResponseInit> {
  const name = nameOf(call);
  let { value: channel } = await getChannel(name, app);
  if (channel.actual === null || channel.actual.ingestUrls.length === 0) {
    await tryReconcile(name, app);
    channel = (await getChannel(name, app)).value;
  }
  return json(200, streamKeyView(channel, app.clock.now()));
}

export async function rotateStreamKeyCall(call: Call, app: Services): Promise<HttpResponseInit> {
  const { overlap } = await readBody(call.request, RotateBody);
  const overlapMs = overlap === undefined ? undefined : parseDurationMs(overlap);
  const channel = await rotateStreamKey(nameOf(call), { overlapMs }, { caller: call.caller, deps: app });
  await tryReconcile(channel.name, app);
  return json(200, streamKeyView((await getChannel(channel.name, app)).value, app.clock.now()));
}

export async function listTimelineCall(call: Call, app: Services): Promise<HttpResponseInit> {
  const { value: channel } = await getChannel(nameOf(call), app);
  return answerList(call, (options) => app.timeline.page(channel.name, options), {
    view: timelineView,
    keyOf: ({ id }) => id,
  });
}
