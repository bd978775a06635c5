import type { HttpResponseInit } from '@azure/functions';
import { z } from 'zod';
import type { Services } from '../composition.ts';
import { channelName, programName } from '../contracts/fields.ts';
import { ProgramBody } from '../contracts/program-body.ts';
import type { Channel } from '../domain/channel.ts';
import { mergePatch } from '../domain/merge-patch.ts';
import type { Program, ProgramSettings } from '../domain/program.ts';
import { etagOf, getChannel } from '../workflows/api-channels.ts';
import {
  changeProgram,
  getProgram,
  type ProgramVerb,
  putProgram,
  runProgram,
  withProgramSettings,
} from '../workflows/api-programs.ts';
import { findProfile } from '../workflows/api-protection.ts';
import { type Call, json, parameter, parseValue, queryParameter, readJson } from './handle.ts';
import { answerList } from './lists.ts';
import { answerOperation, askForReconcile } from './operations.ts';
import { programHref, programView } from './views.ts';

const keyOf = (call: Call) => ({
  channel: parameter(call, 'channel', channelName),
  program: parameter(call, 'program', programName),
});

const parseSettings = (value: unknown): ProgramSettings => parseValue(value, ProgramBody);

async function answer(
  status: number,
  program: Program,
  { channel, app }: { channel: Channel; app: Services },
): Promise<HttpResponseInit> {
  const profile = await findProfile(program.settings.protection, app);
  const { streamingBaseUrl, keyDeliveryBaseUrl } = app;
  const nowMs = app.clock.now();
  const view = programView(program, { channel, profile, streamingBaseUrl, keyDeliveryBaseUrl, nowMs });
  const location = status === 201 ? { location: programHref(program.channel, program.name) } : {};
  return json(status, view, { etag: etagOf(program), ...location });
}

export async function putProgramCall(call: Call, app: Services): Promise<HttpResponseInit> {
  const settings = parseSettings(await readJson(call.request));
  const { program, created, channel } = await putProgram(keyOf(call), settings, {
    caller: call.caller,
    deps: app,
  });
  await askForReconcile(channel.name, app);
  return answer(created ? 201 : 200, program, { channel, app });
}

export async function getProgramCall(call: Call, app: Services): Promise<HttpResponseInit> {
  const key = keyOf(call);
  const [channel, program] = await Promise.all([getChannel(key.channel, app), getProgram(key, app)]);
  return answer(200, program.value, { channel: channel.value, app });
}

export async function patchProgramCall(call: Call, app: Services): Promise<HttpResponseInit> {
  const key = keyOf(call);
  const patch = await readJson(call.request);
  const { value: channel } = await getChannel(key.channel, app);
  const change = (program: Program) =>
    withProgramSettings(program, parseSettings(mergePatch(program.settings, patch)));
  const program = await changeProgram(key, change, { caller: call.caller, deps: app });
  await askForReconcile(key.channel, app);
  return answer(200, program, { channel, app });
}

export async function listProgramsCall(call: Call, app: Services): Promise<HttpResponseInit> {
  const { value: channel } = await getChannel(parameter(call, 'channel', channelName), app);
  const all = (await app.programs.ofChannel(channel.name)).map(({ value }) => value);
  const read = async ({ after, sizeMax }: { after: string | undefined; sizeMax: number }) => {
    const rest = all.filter(({ name }) => after === undefined || name > after);
    const items = rest.slice(0, sizeMax);
    return { items, after: rest.length > sizeMax ? items.at(-1)?.name : undefined };
  };
  const names = [...new Set(all.map(({ settings }) => settings.protection))];
  const found = await Promise.all(names.map((name) => findProfile(name, app)));
  const { streamingBaseUrl, keyDeliveryBaseUrl } = app;
  const view = (program: Program) => {
    const profile = found[names.indexOf(program.settings.protection)];
    const nowMs = app.clock.now();
    return programView(program, { channel, profile, streamingBaseUrl, keyDeliveryBaseUrl, nowMs });
  };
  return answerList(call, read, { view, keyOf: ({ name }) => name });
}

/** start, finish, publish and unpublish. */
export async function runProgramCall(
  verb: ProgramVerb,
  call: Call,
  app: Services,
): Promise<HttpResponseInit> {
  const operation = await runProgram(keyOf(call), verb, { caller: call.caller, deps: app });
  return answerOperation(call, operation, app);
}

export async function deleteProgramCall(call: Call, app: Services): Promise<HttpResponseInit> {
  const recording = queryParameter(call, 'recording', z.enum(['keep', 'delete']).default('keep'));
  return runProgramCall(recording === 'delete' ? 'deleteRecording' : 'delete', call, app);
}
