import { Problem } from '../domain/errors.ts';
import { opensProgram, planToken, type TokenWish } from '../domain/playback-token.ts';
import type { ContentKey } from '../domain/program.ts';
import type { KeyAccess, ProtectionProfile, TokenAccess } from '../domain/protection.ts';
import type { Caller } from './api-channels.ts';
import { type VerificationKey, verificationKeysOf } from './protection-policies.ts';
import type { SecretStore } from './secret-store.ts';
import type { Clock, Timeline } from './stores.ts';
import { timelineId } from './timeline-entries.ts';

const NOTED_EVERY_MS = 60_000;

/** Signs and checks JSON Web Tokens; `secret` is base64. */
export interface TokenSigner {
  /** HS256. */
  sign(claims: Readonly<Record<string, unknown>>, secret: string): Promise<string>;
  /** The claims of a token that one of the keys signed (HS256, RS256), for this issuer and audience and now; else undefined. */
  verify(
    token: string,
    rules: {
      readonly keys: readonly VerificationKey[];
      readonly issuer: string;
      readonly audience: string;
      readonly nowMs: number;
    },
  ): Promise<Readonly<Record<string, unknown>> | undefined>;
}

interface Dependencies {
  readonly secrets: SecretStore;
  readonly signer: TokenSigner;
  readonly timeline: Timeline;
  readonly clock: Clock;
  readonly random: { guid(): string };
}

/** A program or a video that tokens are for. */
export interface TokenMedia {
  readonly id: string;
  readonly deleted: boolean | string;
  readonly contentKeys: readonly ContentKey[];
  /** Whose timeline tells of them. */
  readonly timeline: { readonly channel: string; readonly program: string | null };
}

interface Subject {
  readonly profile: ProtectionProfile;
  readonly media: TokenMedia;
}

export interface IssuedToken {
  readonly token: string;
  /** `jti`: names the token where it must not be shown itself. */
  readonly id: string;
  readonly expiresAtMs: number;
}

/** A signed token for one program or video, stored nowhere; undefined when players need none. */
export async function issueToken(
  { profile, media }: Subject,
  wish: TokenWish,
  { caller, deps }: { caller: Caller; deps: Dependencies },
): Promise<IssuedToken | undefined> {
  if (media.deleted !== false)
    throw new Problem(media.timeline.program === null ? 'videoDeleting' : 'programDeleting', {
      detail: 'It is being deleted.',
    });
  const id = deps.random.guid();
  const plan = planToken({ profile, program: media }, wish, { nowMs: deps.clock.now(), tokenId: id });
  switch (plan.kind) {
    case 'notNeeded':
      return undefined;
    case 'external':
      throw new Problem('playbackTokenExternal', {
        detail: `Tokens for ${profile.name} are issued by ${plan.issuer}: ${plan.why}.`,
        current: { protection: profile.name, issuer: plan.issuer },
      });
    case 'keysNotReady':
      throw new Problem('contentKeysNotReady', { detail: 'Its content keys are not made yet.' });
    case 'refused':
      throw new Problem('invalidBody', {
        detail: 'The protection profile does not allow such a token.',
        errors: [{ pointer: plan.pointer, message: plan.message }],
      });
    default:
      break;
  }
  const secret = await deps.secrets.get(plan.secret);
  if (secret === undefined)
    throw new Problem('contentKeysNotReady', {
      detail: 'The key that tokens are signed with is not made yet.',
    });
  const token = await deps.signer.sign(plan.claims, secret);
  await noteIssuing({ media, by: caller.by, profile: profile.name }, deps);
  return { token, id, expiresAtMs: plan.expiresAtMs };
}

/** Once a minute for each caller: one entry for each viewer would push out everything else. */
async function noteIssuing(
  { media, by, profile }: { media: TokenMedia; by: string; profile: string },
  { timeline, clock }: Dependencies,
): Promise<void> {
  const nowMs = clock.now();
  const atMs = nowMs - (nowMs % NOTED_EVERY_MS);
  await timeline.add({
    id: timelineId(atMs, `token-${media.id}-${by}`),
    ...media.timeline,
    atMs: nowMs,
    type: 'playbackToken.issued',
    source: 'api',
    by,
    effect: `Who has a token of ${by} gets keys (${profile}).`,
    milliseconds: null,
  });
}

/** Whether a token that somebody brings would get him a key of it. Does not count as a use of it. */
export async function isTokenGood(
  token: string,
  { profile, media }: { profile: ProtectionProfile; media: Pick<TokenMedia, 'contentKeys'> },
  deps: Pick<Dependencies, 'secrets' | 'signer' | 'clock'>,
): Promise<boolean> {
  const { keys } = profile;
  if (keys.access === 'open') return true;
  const claims = await verify(token, keys, deps);
  return claims !== undefined && opensProgram(claims, { keys, program: media });
}

async function verify(
  token: string,
  keys: TokenAccess,
  { secrets, signer, clock }: Pick<Dependencies, 'secrets' | 'signer' | 'clock'>,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  const known = await verificationKeysOf(keys, secrets);
  const { issuer, audience } = keys;
  return signer.verify(token, { keys: known, issuer, audience, nowMs: clock.now() });
}

/** Whether `isTokenGood` can tell: tokens of an OpenID provider alone, and simple web tokens, it cannot. */
export const canCheckTokens = (keys: KeyAccess): boolean =>
  keys.access === 'open' ||
  (keys.tokenType === 'jwt' && (keys.primaryKey !== null || keys.alternateKeys.length > 0));
