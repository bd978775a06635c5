import type { HttpResponseInit } from '@azure/functions';
import type { Services } from '../composition.ts';
import { profileName } from '../contracts/fields.ts';
import { ProtectionProfileBody } from '../contracts/protection-body.ts';
import type { KeyAccess, KeyProviderSettings, ProtectionProfile, TokenKey } from '../domain/protection.ts';
import { errorFields, log } from '../log.ts';
import { etagOf } from '../workflows/api-channels.ts';
import { deleteProfile, getProfile, pageProfiles, putProfile } from '../workflows/api-protection.ts';
import { type Call, json, parameter, readBody } from './handle.ts';
import { answerList } from './lists.ts';

const nameOf = (call: Call): string => parameter(call, 'profile', profileName);

export async function putProtectionProfileCall(call: Call, app: Services): Promise<HttpResponseInit> {
  const body = await readBody(call.request, ProtectionProfileBody);
  const { profile, created } = await putProfile(nameOf(call), body, { caller: call.caller, deps: app });
  await askForProfile(profile.name, app);
  return answer(created ? 201 : 200, profile);
}

export async function getProtectionProfileCall(call: Call, app: Services): Promise<HttpResponseInit> {
  return answer(200, await getProfile(nameOf(call), app));
}

export async function deleteProtectionProfileCall(call: Call, app: Services): Promise<HttpResponseInit> {
  const name = nameOf(call);
  await deleteProfile(name, { caller: call.caller, deps: app });
  await askForProfile(name, app);
  return { status: 204 };
}

export async function listProtectionProfilesCall(call: Call, app: Services): Promise<HttpResponseInit> {
  return answerList(call, (options) => pageProfiles(options, app), {
    view: profileView,
    keyOf: ({ name }) => name,
  });
}

/** What is wanted is stored and due already: a message that cannot be sent makes it later, not wrong. */
async function askForProfile(profile: string, app: Services): Promise<void> {
  try {
    await app.queue.sendProfile(profile);
  } catch (error) {
    log('warn', 'reconcile.notAsked', { profile, ...errorFields(error) });
  }
}

const answer = (status: number, profile: ProtectionProfile): HttpResponseInit =>
  json(status, profileView(profile), {
    etag: etagOf(profile),
    ...(status === 201 ? { location: hrefOf(profile) } : {}),
  });

const hrefOf = ({ name }: ProtectionProfile): string => `/api/v1/protection-profiles/${name}`;

function profileView(profile: ProtectionProfile) {
  const { name, description, builtIn, keys, keyProvider, delivery } = profile;
  return {
    name,
    description,
    builtIn,
    keys: keysView(keys),
    keyProvider: keyProviderView(keyProvider),
    delivery,
    issuesTokens: keys.access === 'token' && keys.primaryKey !== null && 'secret' in keys.primaryKey,
    createdAt: builtIn ? null : new Date(profile.createdAtMs).toISOString(),
    href: hrefOf(profile),
  };
}

function keyProviderView(settings: KeyProviderSettings) {
  if (settings.kind === 'own') return settings.kind;
  const { kind, url, contentIdPrefix, authorization, encryption } = settings;
  const shown = authorization === null ? null : { header: authorization.header, hint: authorization.hint };
  const recipient = encryption === undefined ? null : { hint: encryption.hint };
  return { type: kind, url, contentIdPrefix, authorization: shown, encryption: recipient };
}

function keysView(keys: KeyAccess) {
  if (keys.access === 'open') return keys;
  const { primaryKey, alternateKeys, ...rest } = keys;
  return {
    ...rest,
    primaryKey: primaryKey === null ? null : keyView(primaryKey),
    alternateKeys: alternateKeys.map(keyView),
  };
}

/** Nothing but what tells it from others: not even what is public of it. */
const keyView = ({ type, hint }: TokenKey) => ({ type, hint });
