import type { HttpResponseInit } from '@azure/functions';
import type { Services } from '../composition.ts';
import { channelName, programName } from '../contracts/fields.ts';
import { PlaybackTokenBody } from '../contracts/playback-token.ts';
import { parseDurationMs } from '../domain/duration.ts';
import { Problem } from '../domain/errors.ts';
import { keyAddresses } from '../domain/key-addresses.ts';
import { playbackAddresses } from '../domain/playback-forms.ts';
import type { Program } from '../domain/program.ts';
import type { ProtectionProfile } from '../domain/protection.ts';
import { log } from '../log.ts';
import { getProgram } from '../workflows/api-programs.ts';
import { findProfile, getProfile } from '../workflows/api-protection.ts';
import { isForNativePlayers, nativePlaylist, presentationUrl } from '../workflows/native-playlist.ts';
import { type IssuedToken, issueToken } from '../workflows/playback-tokens.ts';
import { type Call, json, parameter, readBody } from './handle.ts';
import { programHref } from './views.ts';

const TOKEN_CHARS_MAX = 8 * 1024;

export async function createPlaybackTokenCall(call: Call, app: Services): Promise<HttpResponseInit> {
  const body = await readBody(call.request, PlaybackTokenBody);
  const { value: program } = await getProgram(body.program, app);
  const profile = await getProfile(program.settings.protection, app);
  const wish = {
    lifetimeMs: body.lifetime === null ? null : (parseDurationMs(body.lifetime) ?? null),
    uses: body.uses,
    claims: body.claims,
  };
  const issued = await issueToken({ profile, program }, wish, { caller: call.caller, deps: app });
  if (issued !== undefined) {
    const { channel, name } = program;
    const { id, expiresAtMs } = issued;
    const fields = { channel, program: name, id, expiresAtMs, by: call.caller.by, traceId: call.traceId };
    log('info', 'playbackToken.issued', fields);
  }
  return json(200, tokenView({ program, profile, issued }, new URL(call.request.url).origin, app));
}

function tokenView(
  {
    program,
    profile,
    issued,
  }: { program: Program; profile: ProtectionProfile; issued: IssuedToken | undefined },
  apiOrigin: string,
  app: Services,
) {
  const { channel, name } = program;
  const href = programHref(channel, name);
  const token = issued?.token;
  const addresses = playbackAddresses(
    `${presentationUrl(program, app.streamingBaseUrl)}manifest`,
    profile.delivery,
  );
  const native =
    token === undefined
      ? addresses.hls
      : `${apiOrigin}${nativePath(program)}?${new URLSearchParams({ token })}`;
  const isNative = token === undefined ? profile.delivery.hls !== 'off' : isForNativePlayers(profile);
  const page = new URLSearchParams({ channel, program: name, ...(token === undefined ? {} : { token }) });
  return {
    program: href,
    protection: profile.name,
    token: token ?? null,
    id: issued?.id ?? null,
    expiresAt: issued === undefined ? null : new Date(issued.expiresAtMs).toISOString(),
    playback: { ...addresses, nativeHls: isNative ? native : null },
    keys: program.contentKeys.map(({ id, scheme }) => ({
      id,
      scheme,
      ...keyAddresses({ id, scheme }, profile.delivery, app.keyDeliveryBaseUrl),
    })),
    testPage: app.livePageUrl === null ? null : `${app.livePageUrl}#${page}`,
  };
}

const nativePath = ({ channel, name }: Program): string =>
  `/api/v1/playback/channels/${channel}/programs/${name}/hls`;

/** Without a function key: the token is what it asks for. */
export async function getNativeHlsCall(call: Call, app: Services): Promise<HttpResponseInit> {
  const { query, url } = call.request;
  const token = query.get('token') ?? '';
  const program = await findProgram(call, app);
  const profile = program && (await findProfile(program.settings.protection, app));
  // Nobody without a token learns what programs there are.
  if (program === undefined || profile === undefined || token === '' || token.length > TOKEN_CHARS_MAX)
    throw new Problem('playbackTokenInvalid', { detail: 'The token is not good for this.' });
  const { origin } = new URL(url);
  const { text, maxAgeSeconds } = await nativePlaylist(
    { program, profile },
    {
      token,
      child: query.get('playlist') ?? undefined,
      query: new Map([...query.entries()].slice(0, 10)),
      selfUrl: `${origin}${nativePath(program)}`,
    },
    app,
  );
  return {
    status: 200,
    headers: {
      'content-type': 'application/vnd.apple.mpegurl',
      'cache-control': `private, max-age=${maxAgeSeconds}`,
      'referrer-policy': 'no-referrer',
    },
    body: text,
  };
}

async function findProgram(call: Call, app: Services): Promise<Program | undefined> {
  const channel = parameter(call, 'channel', channelName);
  const stored = await app.programs.find(channel, parameter(call, 'program', programName));
  return stored?.value.deleted === false ? stored.value : undefined;
}
