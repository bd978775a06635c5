import type { Channel } from '../domain/channel.ts';
import type { Step } from '../domain/decide-channel.ts';
import { formatDuration } from '../domain/duration.ts';
import { assetOwnerOf, type Program } from '../domain/program.ts';
import type { LiveEventSettings, MediaService, Outcome } from './media-service.ts';
import type { ProtectionSteps } from './protect-media.ts';
import type { ProgramStore, Stored } from './stores.ts';

/** The archive window is a ring: what is beyond it is deleted for good, so `all` is the longest there is. */
const KEEP_ALL = { passthrough: 'PT25H', passthroughBasic: 'PT8H' } as const;

export const locatorNameOf = (program: Program): string => program.locatorId;

/** Carries out one step; every step may have been carried out before. */
export async function carryOut(
  step: Step,
  {
    channel,
    programs,
    media,
    protection,
    saveProgram,
    nowMs,
  }: {
    channel: Channel;
    programs: readonly Stored<Program>[];
    media: MediaService;
    protection: ProtectionSteps;
    saveProgram: ProgramStore['save'];
    nowMs: number;
  },
): Promise<Outcome> {
  switch (step.kind) {
    case 'createLiveEvent':
      return media.liveEvents.create(liveEventSettings(channel));
    case 'updateLiveEvent':
      return media.liveEvents.update(liveEventSettings(channel), {
        withToken: step.withToken,
        tokenOverlap: formatDuration(overlapMs(channel, nowMs)),
      });
    case 'allocateLiveEvent':
      return media.liveEvents.run(channel.name, 'allocate');
    case 'startLiveEvent':
      return media.liveEvents.run(channel.name, 'start');
    case 'stopLiveEvent':
      return media.liveEvents.run(channel.name, 'stop');
    case 'resetLiveEvent':
      return media.liveEvents.run(channel.name, 'reset');
    case 'deleteLiveEvent':
      return media.liveEvents.remove(channel.name);
    default:
      break;
  }
  const stored = programs.find(({ value }) => value.name === step.program);
  if (stored === undefined) return { kind: 'done' };
  const program = stored.value;
  switch (step.kind) {
    case 'createAsset':
      return media.assets.create(program.assetName, assetOwnerOf(channel.name, program.name));
    case 'deleteAsset':
      return media.assets.remove(program.assetName);
    case 'createOutput':
      return media.outputs.create({
        liveEvent: channel.name,
        name: program.name,
        assetName: program.assetName,
        manifestName: program.manifestName,
        keep: program.settings.keep === 'all' ? KEEP_ALL[channel.settings.encoding] : program.settings.keep,
        rewind: program.settings.rewind,
      });
    case 'deleteOutput':
      return media.outputs.remove(channel.name, program.name);
    case 'createKeys':
      return protection.createKeys(program, (contentKeys) =>
        saveProgram({ ...program, contentKeys }, stored.etag),
      );
    case 'applyKeyPolicy':
      return protection.applyKeyPolicy(program);
    case 'applyDeliveryPolicy':
      return protection.applyDeliveryPolicy(program);
    case 'publish': {
      const locator = await protection.locatorOf(
        { ...program, mediaId: program.assetName },
        locatorNameOf(program),
      );
      return 'kind' in locator ? locator : media.locators.create(locator);
    }
    default:
      return media.locators.remove(locatorNameOf(program));
  }
}

/** What is left of the time for which the key before the last rotation is good. */
const overlapMs = ({ previousKey }: Channel, nowMs: number): number =>
  Math.max(0, (previousKey?.validUntilMs ?? nowMs) - nowMs);

const liveEventSettings = (channel: Channel): LiveEventSettings => ({
  name: channel.name,
  accessToken: channel.accessToken,
  previewLocator: channel.previewLocator,
  allowFrom: channel.settings.allowFrom,
  description: channel.settings.description,
  keyFrameInterval: channel.settings.keyFrameInterval,
  encoding: channel.settings.encoding,
  ingest: channel.settings.ingest,
});
