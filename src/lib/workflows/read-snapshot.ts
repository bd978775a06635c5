import type { Channel } from '../domain/channel.ts';
import { observeChannel } from '../domain/observe-channel.ts';
import { assetOwnerOf, type Program } from '../domain/program.ts';
import type { ProgramReading, Snapshot } from '../domain/snapshot.ts';
import { locatorNameOf } from './carry-out.ts';
import type { LocatorReading, MediaService, PreviewReading } from './media-service.ts';
import type { ProfileStore } from './protection-ports.ts';
import { isCurrent, type ProfileReading, protectionOf, readProfiles } from './read-protection.ts';
import type { SecretStore } from './secret-store.ts';

export interface SnapshotReading {
  readonly snapshot: Snapshot;
  readonly fingerprint: string | null;
  readonly profiles: ReadonlyMap<string, ProfileReading>;
}

interface Dependencies {
  readonly media: MediaService;
  readonly profiles: ProfileStore;
  readonly secrets: SecretStore;
}

/** Reads all that belongs to a channel from the media service, in one round trip where the preview's address is known. */
export async function readSnapshot(
  { channel, programs, nowMs }: { channel: Channel; programs: readonly Program[]; nowMs: number },
  { withFingerprint, deps }: { withFingerprint: boolean; deps: Dependencies },
): Promise<SnapshotReading> {
  const { media } = deps;
  const open = programs.filter((program) => !isSettled(program));
  const knownUrl = channel.actual?.previewUrl ?? null;
  const probe = (url: string | null): Promise<PreviewReading> =>
    url === null
      ? Promise.resolve({ sending: false, fingerprint: null, tracks: [] })
      : media.preview.probe(url, { withFingerprint });
  const [liveEvent, outputs, found, profiles, earlyInput] = await Promise.all([
    media.liveEvents.find(channel.name),
    media.outputs.list(channel.name),
    Promise.all(programs.map((program) => readProgram(program, media))),
    readProfiles(
      open.map(({ settings }) => settings.protection),
      deps,
    ),
    probe(knownUrl),
  ]);
  const isOurs = liveEvent?.previewLocator === channel.previewLocator;
  const url = liveEvent?.state === 'running' && isOurs ? liveEvent.previewUrl : null;
  const input = url === knownUrl ? earlyInput : await probe(url);
  const previewAnswers = url !== null && input.sending;
  const read = {
    channel,
    programs: found.map((one) => withProtection(one, profiles)),
    liveEvent,
    outputs,
    previewAnswers,
    inputTracks: input.tracks,
    nowMs,
  };
  const { encoderSending } = observeChannel({ ...read, encoderSending: false }, input.fingerprint);
  return { snapshot: { ...read, encoderSending }, fingerprint: input.fingerprint, profiles };
}

/** A finished program whose end state was read is not read again until something else is wanted. */
const isSettled = (program: Program): boolean => program.settledGeneration === program.generation;

interface Found {
  readonly program: Program;
  readonly asset: ProgramReading['asset'];
  readonly locator: LocatorReading | undefined;
}

async function readProgram(program: Program, media: MediaService): Promise<Found> {
  if (isSettled(program)) return { program, asset: 'ours', locator: undefined };
  const [owner, locator] = await Promise.all([
    media.assets.findOwner(program.assetName),
    media.locators.find(locatorNameOf(program)),
  ]);
  return { program, asset: owned(owner, assetOwnerOf(program.channel, program.name)), locator };
}

function withProtection(
  { program, asset, locator }: Found,
  profiles: ReadonlyMap<string, ProfileReading>,
): ProgramReading {
  if (isSettled(program))
    return { program, asset, locator: program.published ? 'ours' : 'absent', protection: 'settled' };
  const reading = profiles.get(program.settings.protection);
  const owner = owned(locator?.locatorId, program.locatorId);
  const isOutdated =
    owner === 'ours' &&
    locator !== undefined &&
    reading !== undefined &&
    !isCurrent(locator, { media: program, reading });
  return {
    program,
    asset,
    locator: isOutdated ? 'outdated' : owner,
    protection: reading === undefined ? undefined : protectionOf(program, reading),
  };
}

function owned(found: string | undefined, wanted: string): 'absent' | 'ours' | 'foreign' {
  if (found === undefined) return 'absent';
  return found.toLowerCase() === wanted.toLowerCase() ? 'ours' : 'foreign';
}
