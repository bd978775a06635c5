import type { OutputReading } from '../../domain/snapshot.ts';
import { type ArmOutcome, findOrNone, outcomeOf } from './arm-outcome.ts';
import type { MediaClient } from './media-client.ts';

const OUTPUTS_MAX = 100;

interface OutputSettings {
  readonly liveEvent: string;
  readonly name: string;
  readonly assetName: string;
  readonly manifestName: string;
  readonly keep: string;
  readonly rewind: string | null;
}

interface LocatorReading {
  readonly assetName: string;
  readonly locatorId: string;
  readonly streamingPolicy: string;
  readonly keyPolicy: string | null;
  readonly keyIds: readonly string[];
}

interface LocatorSettings extends Omit<LocatorReading, 'keyIds'> {
  readonly name: string;
  readonly contentKeys: readonly { readonly id: string; readonly label: string; readonly value: string }[];
  readonly mediaId: string;
}

/** Recordings of channels as live outputs. */
export function mediaOutputs(client: () => Promise<MediaClient>) {
  return {
    async list(liveEvent: string): Promise<readonly OutputReading[]> {
      const { sdk, resourceGroup, account } = await client();
      const found = await findOrNone(async () => {
        const outputs: OutputReading[] = [];
        for await (const output of sdk.liveOutputs.list(resourceGroup, account, liveEvent)) {
          outputs.push({
            name: output.name ?? '',
            assetName: output.assetName ?? '',
            manifestName: output.manifestName ?? '',
            deleting: output.resourceState === 'Deleting',
          });
          if (outputs.length >= OUTPUTS_MAX) break;
        }
        return outputs;
      });
      return found ?? [];
    },
    async create(settings: OutputSettings): Promise<ArmOutcome> {
      const { sdk, resourceGroup, account } = await client();
      return outcomeOf(() =>
        sdk.liveOutputs.beginCreate(resourceGroup, account, settings.liveEvent, settings.name, {
          assetName: settings.assetName,
          manifestName: settings.manifestName,
          archiveWindowLength: settings.keep,
          ...(settings.rewind === null ? {} : { rewindWindowLength: settings.rewind }),
        }),
      );
    },
    async remove(liveEvent: string, name: string): Promise<ArmOutcome> {
      const { sdk, resourceGroup, account } = await client();
      return outcomeOf(() => sdk.liveOutputs.beginDelete(resourceGroup, account, liveEvent, name), {
        goneIsDone: true,
      });
    },
  };
}

/** Where recordings lie; `alternateId` says to which program an asset belongs. */
export function mediaAssets(client: () => Promise<MediaClient>) {
  return {
    async findOwner(name: string): Promise<string | undefined> {
      const { sdk, resourceGroup, account } = await client();
      const found = await findOrNone(() => sdk.assets.get(resourceGroup, account, name));
      return found === undefined ? undefined : (found.alternateId ?? '');
    },
    async create(name: string, owner: string): Promise<ArmOutcome> {
      const { sdk, resourceGroup, account } = await client();
      return outcomeOf(() => sdk.assets.createOrUpdate(resourceGroup, account, name, { alternateId: owner }));
    },
    async remove(name: string): Promise<ArmOutcome> {
      const { sdk, resourceGroup, account } = await client();
      return outcomeOf(() => sdk.assets.delete(resourceGroup, account, name), { goneIsDone: true });
    },
  };
}

/** Publishing as streaming locators: create-only, so "exists" is read again before it counts as success. */
export function mediaLocators(client: () => Promise<MediaClient>) {
  return {
    async find(name: string): Promise<LocatorReading | undefined> {
      const { sdk, resourceGroup, account } = await client();
      const found = await findOrNone(() => sdk.streamingLocators.get(resourceGroup, account, name));
      if (found === undefined) return undefined;
      return {
        assetName: found.assetName ?? '',
        locatorId: found.streamingLocatorId ?? '',
        streamingPolicy: found.streamingPolicyName ?? '',
        keyPolicy: found.defaultContentKeyPolicyName ?? null,
        keyIds: (found.contentKeys ?? []).map(({ id }) => id),
      };
    },
    async create(locator: LocatorSettings): Promise<ArmOutcome> {
      const { sdk, resourceGroup, account } = await client();
      return outcomeOf(() =>
        sdk.streamingLocators.create(resourceGroup, account, locator.name, {
          assetName: locator.assetName,
          streamingPolicyName: locator.streamingPolicy,
          streamingLocatorId: locator.locatorId,
          ...(locator.keyPolicy === null ? {} : { defaultContentKeyPolicyName: locator.keyPolicy }),
          ...(locator.contentKeys.length === 0
            ? {}
            : {
                alternativeMediaId: locator.mediaId,
                contentKeys: locator.contentKeys.map(({ id, label, value }) => ({
                  id,
                  labelReferenceInStreamingPolicy: label,
                  value,
                })),
              }),
        }),
      );
    },
    async remove(name: string): Promise<ArmOutcome> {
      const { sdk, resourceGroup, account } = await client();
      return outcomeOf(() => sdk.streamingLocators.delete(resourceGroup, account, name), {
        goneIsDone: true,
      });
    },
  };
}
