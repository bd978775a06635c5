import type { HttpResponseInit } from '@azure/functions';
import type { Services } from '../composition.ts';
import { channelName, programName } from '../contracts/fields.ts';
import { PlaybackTokenBody } from '../contracts/playback-token.ts';
import { videoName } from '../contracts/video-body.ts';
import { parseDurationMs } from '../domain/duration.ts';
import { Problem } from '../domain/errors.ts';
import { keyAddresses } from '../domain/key-addresses.ts';
import { playbackAddresses } from '../domain/playback-forms.ts';
import type { Program } from '../domain/program.ts';
import type { ProtectionProfile } from '../domain/protection.ts';
import type { Video } from '../domain/video.ts';
import { log } from '../log.ts';
import { getProgram } from '../workflows/api-programs.ts';
import { findProfile, getProfile } from '../workflows/api-protection.ts';
import { getVideo } from '../workflows/api-videos.ts';
import { isForNativePlayers, nativePlaylist, presentationUrl } from '../workflows/native-playlist.ts';
import { type IssuedToken, issueToken, type TokenMedia } from '../workflows/playback-tokens.ts';
import { videoTimeline } from '../workflows/reconcile-video.ts';
import { type Call, json, parameter, readBody } from './handle.ts';
import { programHref, videoHref } from './views.ts';

const TOKEN_CHARS_MAX = 8 * 1024;

/** A program or a video, as viewers play it. */
interface Playable {
  readonly media: TokenMedia & Pick<Program, 'locatorId' | 'manifestName'>;
  readonly protection: string;
  readonly program: string | null;
  readonly video: string | null;
  readonly nativePath: string;
  /** What the live page and the log know it by. */
  readonly names: Readonly<Record<string, string>>;
}

const playableProgram = (program: Program): Playable => ({
  media: { ...program, timeline: { channel: program.channel, program: program.name } },
  protection: program.settings.protection,
  program: programHref(program.channel, program.name),
  video: null,
  nativePath: `/api/v1/playback/channels/${program.channel}/programs/${program.name}/hls`,
  names: { channel: program.channel, program: program.name },
});

const playableVideo = (video: Video): Playable => ({
  media: { ...video, timeline: videoTimeline(video.name) },
  protection: video.settings.protection,
  program: null,
  video: videoHref(video.name),
  nativePath: `/api/v1/playback/videos/${video.name}/hls`,
  names: { video: video.name },
});

export async function createPlaybackTokenCall(call: Call, app: Services): Promise<HttpResponseInit> {
  const body = await readBody(call.request, PlaybackTokenBody);
  const playable =
    body.program === undefined
      ? playableVideo((await getVideo(body.video ?? '', app)).value)
      : playableProgram((await getProgram(body.program, app)).value);
  const { media, names } = playable;
  const profile = await getProfile(playable.protection, app);
  const wish = {
    lifetimeMs: body.lifetime === null ? null : (parseDurationMs(body.lifetime) ?? null),
    uses: body.uses,
    claims: body.claims,
  };
  const issued = await issueToken({ profile, media }, wish, { caller: call.caller, deps: app });
  if (issued !== undefined) {
    const { id, expiresAtMs } = issued;
    log('info', 'playbackToken.issued', {
      ...names,
      ...{ id, expiresAtMs, by: call.caller.by, traceId: call.traceId },
    });
  }
  return json(200, tokenView({ playable, profile, issued }, new URL(call.request.url).origin, app));
}

function tokenView(
  {
    playable,
    profile,
    issued,
  }: { playable: Playable; profile: ProtectionProfile; issued: IssuedToken | undefined },
  apiOrigin: string,
  app: Services,
) {
  const { media, program, video, names } = playable;
  const token = issued?.token;
  const addresses = playbackAddresses(
    `${presentationUrl(media, app.streamingBaseUrl)}manifest`,
    profile.delivery,
  );
  const native =
    token === undefined
      ? addresses.hls
      : `${apiOrigin}${playable.nativePath}?${new URLSearchParams({ token })}`;
  const isNative = token === undefined ? profile.delivery.hls !== 'off' : isForNativePlayers(profile);
  const page = new URLSearchParams({ ...names, ...(token === undefined ? {} : { token }) });
  return {
    program,
    video,
    protection: profile.name,
    token: token ?? null,
    id: issued?.id ?? null,
    expiresAt: issued === undefined ? null : new Date(issued.expiresAtMs).toISOString(),
    playback: { ...addresses, nativeHls: isNative ? native : null },
    keys: media.contentKeys.map(({ id, scheme }) => ({
      id,
      scheme,
      ...keyAddresses({ id, scheme }, profile.delivery, app.keyDeliveryBaseUrl),
    })),
    testPage: app.livePageUrl === null ? null : `${app.livePageUrl}#${page}`,
  };
}

/** Without a function key: the token is what it asks for. */
export async function getNativeHlsCall(call: Call, app: Services): Promise<HttpResponseInit> {
  const channel = parameter(call, 'channel', channelName);
  const stored = await app.programs.find(channel, parameter(call, 'program', programName));
  return nativeHls(call, stored === undefined ? undefined : playableProgram(stored.value), app);
}

/** The same for a video. */
export async function getVideoNativeHlsCall(call: Call, app: Services): Promise<HttpResponseInit> {
  const stored = await app.videos.find(parameter(call, 'video', videoName));
  return nativeHls(call, stored === undefined ? undefined : playableVideo(stored.value), app);
}

async function nativeHls(
  call: Call,
  playable: Playable | undefined,
  app: Services,
): Promise<HttpResponseInit> {
  const { query, url } = call.request;
  const token = query.get('token') ?? '';
  const found = playable?.media.deleted === false ? playable : undefined;
  const profile = found && (await findProfile(found.protection, app));
  // Nobody without a token learns what there is.
  if (found === undefined || profile === undefined || token === '' || token.length > TOKEN_CHARS_MAX)
    throw new Problem('playbackTokenInvalid', { detail: 'The token is not good for this.' });
  const { origin } = new URL(url);
  const { text, maxAgeSeconds } = await nativePlaylist(
    { media: found.media, profile },
    {
      token,
      child: query.get('playlist') ?? undefined,
      query: new Map([...query.entries()].slice(0, 10)),
      selfUrl: `${origin}${found.nativePath}`,
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
