import type { StreamingLocator, StreamingLocatorContentKey } from '@azure/arm-mediaservices';
import type { LibraryContainer, Unreadable } from '../library/library-container.ts';
import { openLibraryRecording } from '../library/library-recording.ts';
import type { AssignedKey, Assignment } from './assignments.ts';
import type { MediaAccount } from './media-account.ts';

export interface ImportedManifest {
  readonly name: string;
  /** How many tracks can be served. */
  readonly tracks: number;
  readonly unreadable: readonly Unreadable[];
}

export interface ImportedLocator {
  readonly name: string;
  readonly outcome: 'created' | 'already' | 'planned' | 'failed';
  /** Why it failed. */
  readonly reason?: string;
}

/** What became of one container; a line of the report. */
export interface ImportedContainer {
  readonly container: string;
  readonly assetName: string;
  /** `skipped`: there is no server manifest in it. `failed`: the asset could not be made; `reason` says why. */
  readonly asset: 'created' | 'already' | 'planned' | 'skipped' | 'failed';
  readonly reason?: string;
  readonly manifests: readonly ImportedManifest[];
  readonly locators: readonly ImportedLocator[];
}

export interface ContainerToImport {
  readonly name: string;
  readonly storageAccountName: string;
  readonly blobs: LibraryContainer;
  readonly assignments: readonly Assignment[];
}

const STREAMING_POLICY_DEFAULT = 'Predefined_ClearStreamingOnly';
const MANIFESTS_PER_CONTAINER_MAX = 100;

/**
 * Makes the asset of a container where it lies, and the locators that are assigned to it. Twice does no harm: what is
 * there already is left as it is.
 */
export async function importContainer(
  container: ContainerToImport,
  account: MediaAccount,
  isDryRun: boolean,
): Promise<ImportedContainer> {
  const { name, assignments } = container;
  const assetName = assignments.find((one) => one.assetName !== undefined)?.assetName ?? name;
  const manifests = await readManifests(container.blobs);
  const found = { container: name, assetName, manifests };
  if (manifests.length === 0) return { ...found, asset: 'skipped', locators: [] };
  const asset = await ensureAsset(container, assetName, { account, isDryRun });
  if (asset.outcome === 'failed') {
    return { ...found, asset: 'failed', reason: asset.reason ?? 'unknown', locators: [] };
  }
  const locators: ImportedLocator[] = [];
  for (const assignment of assignments) {
    if (!isLocator(assignment)) continue;
    locators.push(await ensureLocator(assignment, assetName, { account, isDryRun }));
  }
  return { ...found, asset: asset.outcome, locators };
}

/** Whether anything of it went wrong, so that the next run tries again. */
export const isComplete = ({ asset, locators }: ImportedContainer): boolean =>
  asset !== 'failed' && asset !== 'planned' && locators.every(({ outcome }) => outcome !== 'failed');

async function readManifests(blobs: LibraryContainer): Promise<readonly ImportedManifest[]> {
  const names = (await blobs.list(''))
    .flatMap(({ name }) => /^(.+)\.ism$/i.exec(name)?.[1] ?? [])
    .slice(0, MANIFESTS_PER_CONTAINER_MAX);
  const manifests: ImportedManifest[] = [];
  for (const name of names) {
    const recording = await openLibraryRecording(blobs, name);
    manifests.push(
      recording === undefined
        ? { name, tracks: 0, unreadable: [{ source: `${name}.ism`, reason: 'not a server manifest' }] }
        : { name, tracks: recording.tracks.length, unreadable: recording.unreadable },
    );
  }
  return manifests;
}

interface Doing {
  readonly account: MediaAccount;
  readonly isDryRun: boolean;
}

interface Made {
  readonly outcome: 'created' | 'already' | 'planned' | 'failed';
  readonly reason?: string;
}

async function ensureAsset(
  { name: container, storageAccountName }: ContainerToImport,
  assetName: string,
  { account, isDryRun }: Doing,
): Promise<Made> {
  return orFailed(async () => {
    const known = await account.findAsset(assetName);
    if (known !== undefined) {
      return known.container?.toLowerCase() === container.toLowerCase()
        ? { outcome: 'already' }
        : { outcome: 'failed', reason: `the asset '${assetName}' has another container` };
    }
    if (isDryRun) return { outcome: 'planned' };
    await account.createAsset(assetName, { container, storageAccountName });
    return { outcome: 'created' };
  });
}

const isLocator = ({ streamingLocatorId, streamingLocatorName, streamingPolicyName }: Assignment): boolean =>
  (streamingLocatorId ?? streamingLocatorName ?? streamingPolicyName) !== undefined;

async function ensureLocator(
  assignment: Assignment,
  assetName: string,
  { account, isDryRun }: Doing,
): Promise<ImportedLocator> {
  const { streamingLocatorId } = assignment;
  const name = assignment.streamingLocatorName ?? streamingLocatorId ?? `${assetName}-locator`;
  const made = await orFailed(async () => {
    const known = await account.findLocator(name);
    if (known !== undefined) {
      const isSame =
        known.assetName?.toLowerCase() === assetName.toLowerCase() &&
        (streamingLocatorId === undefined || known.streamingLocatorId?.toLowerCase() === streamingLocatorId);
      return isSame
        ? { outcome: 'already' }
        : { outcome: 'failed', reason: `the streaming locator '${name}' is another one` };
    }
    if (isDryRun) return { outcome: 'planned' };
    await account.createLocator(name, locatorOf(assignment, assetName));
    return { outcome: 'created' };
  });
  return { name, ...made };
}

function locatorOf(assignment: Assignment, assetName: string): StreamingLocator {
  const { streamingLocatorId, defaultContentKeyPolicyName, alternativeMediaId, contentKeys } = assignment;
  const { startTime, endTime, streamingPolicyName = STREAMING_POLICY_DEFAULT } = assignment;
  return {
    assetName,
    streamingPolicyName,
    ...(streamingLocatorId === undefined ? {} : { streamingLocatorId }),
    ...(defaultContentKeyPolicyName === undefined ? {} : { defaultContentKeyPolicyName }),
    ...(alternativeMediaId === undefined ? {} : { alternativeMediaId }),
    ...(startTime === undefined ? {} : { startTime: new Date(startTime) }),
    ...(endTime === undefined ? {} : { endTime: new Date(endTime) }),
    ...(contentKeys === undefined ? {} : { contentKeys: contentKeys.map(keyOf) }),
  };
}

function keyOf({ id, labelReferenceInStreamingPolicy, value }: AssignedKey): StreamingLocatorContentKey {
  return {
    id,
    ...(labelReferenceInStreamingPolicy === undefined ? {} : { labelReferenceInStreamingPolicy }),
    ...(value === undefined ? {} : { value }),
  };
}

/** What the service refuses is a line of the report; that it cannot be reached ends the import, to be taken up again. */
async function orFailed(make: () => Promise<Made>): Promise<Made> {
  try {
    return await make();
  } catch (error) {
    const status: unknown = Reflect.get(Object(error), 'statusCode');
    if (typeof status !== 'number' || status >= 500 || status === 429) throw error;
    const code: unknown = Reflect.get(Object(error), 'code');
    const message: unknown = Reflect.get(Object(error), 'message');
    return { outcome: 'failed', reason: `${String(code)}: ${String(message)}` };
  }
}
