import type { Channel } from '../domain/channel.ts';
import { observeChannel } from '../domain/observe-channel.ts';
import { assetOwnerOf, type Program } from '../domain/program.ts';
import type { ProgramReading, Snapshot } from '../domain/snapshot.ts';
import { locatorNameOf } from './carry-out.ts';
import type { MediaService, PreviewReading } from './media-service.ts';

export interface SnapshotReading {
  readonly snapshot: Snapshot;
  readonly fingerprint: string | null;
}

/** Reads all that belongs to a channel from the media service, in one round trip where the preview's address is known. */
export async function readSnapshot(
  { channel, programs, nowMs }: { channel: Channel; programs: readonly Program[]; nowMs: number },
  { media, withFingerprint }: { media: MediaService; withFingerprint: boolean },
): Promise<SnapshotReading> {
  const knownUrl = channel.actual?.previewUrl ?? null;
  const probe = (url: string | null): Promise<PreviewReading> =>
    url === null
      ? Promise.resolve({ sending: false, fingerprint: null, tracks: [] })
      : media.preview.probe(url, { withFingerprint });
  const [liveEvent, outputs, readings, earlyInput] = await Promise.all([
    media.liveEvents.find(channel.name),
    media.outputs.list(channel.name),
    Promise.all(programs.map((program) => readProgram(program, media))),
    probe(knownUrl),
  ]);
  const isOurs = liveEvent?.previewLocator === channel.previewLocator;
  const url = liveEvent?.state === 'running' && isOurs ? liveEvent.previewUrl : null;
  const input = url === knownUrl ? earlyInput : await probe(url);
  const previewAnswers = url !== null && input.sending;
  const read = {
    channel,
    programs: readings,
    liveEvent,
    outputs,
    previewAnswers,
    inputTracks: input.tracks,
    nowMs,
  };
  const { encoderSending } = observeChannel({ ...read, encoderSending: false }, input.fingerprint);
  return { snapshot: { ...read, encoderSending }, fingerprint: input.fingerprint };
}

async function readProgram(program: Program, media: MediaService): Promise<ProgramReading> {
  // A finished program whose end state was read is not read again until something else is wanted.
  if (program.settledGeneration === program.generation) {
    return { program, asset: 'ours', locator: program.published ? 'ours' : 'absent' };
  }
  const [owner, locatorId] = await Promise.all([
    media.assets.findOwner(program.assetName),
    media.locators.findId(locatorNameOf(program)),
  ]);
  return {
    program,
    asset: owned(owner, assetOwnerOf(program.channel, program.name)),
    locator: owned(locatorId, program.locatorId),
  };
}

function owned(found: string | undefined, wanted: string): 'absent' | 'ours' | 'foreign' {
  if (found === undefined) return 'absent';
  return found.toLowerCase() === wanted.toLowerCase() ? 'ours' : 'foreign';
}
