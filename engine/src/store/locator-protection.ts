import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import type {
  EncryptedDelivery,
  ServedProtocols,
  TrackKey,
  TrackSelections,
} from '../delivery/delivery-directory.ts';
import type { ProtectionKey, ProtectionScheme } from '../model/protection.ts';
import { AssetRecord } from '../resources/asset.ts';
import { type KeyDeliveryTemplate, keyDeliveryAddresses } from '../resources/key-delivery-addresses.ts';
import {
  assetKey,
  contentKeyKey,
  ENGINE_PARTITION,
  registeredAccountKey,
  streamingPolicyKey,
} from '../resources/row-keys.ts';
import { protocolsOf, type StreamingLocatorRecord } from '../resources/streaming-locator.ts';
import {
  ENCRYPTIONS,
  type EnabledProtocols,
  type EncryptionScheme,
  findPredefinedPolicy,
  StreamingPolicyRecord,
  type StreamingPolicyRules,
} from '../resources/streaming-policy.ts';
import type { HeadendTable } from './headend-table.ts';
import { type KeyAddressing, protectionKeyOf } from './protection-key.ts';

/** Locators and their policies never change, so what was made of one is good for as long as it is there. */
const LOCATORS_MAX = 10_000;
/** What cannot be had is said once in a while, not with every look. */
const SAID_AGAIN_AFTER_MS = 60_000;
const KEY_BYTES = 16;

export interface LocatorProtectionDeps {
  /** Opens what was sealed for an account; undefined: this process has no master keys. */
  readonly openerOf: ((account: string) => SecretOpener) | undefined;
  readonly keysBase: KeyDeliveryTemplate;
  readonly own: { readonly account: string; readonly location: string };
  readonly log: { warn(event: string, fields?: object): void };
}

export interface SecretOpener {
  /** Throws when it cannot be opened. */
  open(envelope: string, identity: string): string;
}

interface AccountTable {
  readonly account: string;
  readonly table: HeadendTable;
}

const SealedRow = z.looseObject({ sealed: z.string() });
const LocatedRow = z.looseObject({ location: z.string() });

const SCHEMES: Readonly<Record<EncryptionScheme, ProtectionScheme>> = {
  EnvelopeEncryption: 'aes128',
  CommonEncryptionCenc: 'cenc',
  CommonEncryptionCbcs: 'cbcs',
};

/** Keys of a locator: from its own record and sealed rows, their addresses from its streaming policy. */
export class LocatorProtections {
  readonly #deps: LocatorProtectionDeps;
  readonly #made = new LRUCache<string, readonly EncryptedDelivery[]>({ max: LOCATORS_MAX });
  readonly #saidAtMs = new LRUCache<string, number>({ max: LOCATORS_MAX });

  constructor(deps: LocatorProtectionDeps) {
    this.#deps = deps;
  }

  /** The same objects again for the same locator, once its keys are there. */
  async of(rows: AccountTable, locator: StreamingLocatorRecord): Promise<readonly EncryptedDelivery[]> {
    if (protocolsOf(locator).encryptedProtocols === undefined) return [];
    const name = `${rows.account}!${locator.streamingLocatorId}!${locator.created}`;
    const known = this.#made.get(name);
    if (known !== undefined) return known;
    const [rules, ivIdentity, location] = await Promise.all([
      policyRulesOf(rows.table, locator.streamingPolicyName),
      ivIdentityOf(rows, locator),
      this.#locationOf(rows),
    ]);
    const { account } = rows;
    const addressing: KeyAddressing = {
      addresses: keyDeliveryAddresses({ template: this.#deps.keysBase, account, location }),
      alternativeMediaId: locator.alternativeMediaId ?? '',
    };
    const values = await this.#valuesOf(rows, locator);
    const made = encryptedPartsOf(rules).map(({ type, part }) => ({
      scheme: SCHEMES[type],
      protocols: servedProtocols(part.enabledProtocols),
      clearTracks: selectionsOf(part.clearTracks ?? []),
      keys: values && trackKeysOf(locator, type, (id) => protectionKeyOf(part, { id, values, addressing })),
      ivIdentity,
      version: versionOf([name, type, values === undefined ? 0 : 1]),
    }));
    if (values !== undefined) this.#made.set(name, made);
    return made;
  }

  /** By key id; undefined when one is missing, or cannot be opened here. */
  async #valuesOf(
    { account, table }: AccountTable,
    locator: StreamingLocatorRecord,
  ): Promise<ReadonlyMap<string, Uint8Array> | undefined> {
    const { openerOf } = this.#deps;
    if (openerOf === undefined) return this.#failed(account, locator, 'HEADEND_MASTER_KEY_FILE is not set');
    if (locator.contentKeys.length === 0) return this.#failed(account, locator, 'it has no content keys');
    const opener = openerOf(account);
    const ids = [...new Set(locator.contentKeys.map(({ id }) => id))];
    const rows = await Promise.all(ids.map((id) => table.find(contentKeyKey(id))));
    const values = new Map<string, Uint8Array>();
    for (const [index, id] of ids.entries()) {
      const row = rows[index];
      if (row === undefined) return this.#failed(account, locator, `there is no content key '${id}'`);
      const value = openValue(opener, SealedRow.parse(row.body).sealed, row.rowKey);
      if (typeof value === 'string') return this.#failed(account, locator, value);
      values.set(id, value);
    }
    return values;
  }

  #failed(account: string, { name }: StreamingLocatorRecord, reason: string): undefined {
    const saidAtMs = this.#saidAtMs.get(`${account}!${name}`);
    if (saidAtMs !== undefined && Date.now() - saidAtMs < SAID_AGAIN_AFTER_MS) return undefined;
    this.#saidAtMs.set(`${account}!${name}`, Date.now());
    this.#deps.log.warn('origin.contentKeysUnavailable', { account, streamingLocator: name, reason });
    return undefined;
  }

  async #locationOf({ account, table }: AccountTable): Promise<string> {
    const { own, keysBase } = this.#deps;
    if (account === own.account.toLowerCase() || !keysBase.includes('{location}')) return own.location;
    const row = await table.inPartition(ENGINE_PARTITION).find(registeredAccountKey(account));
    return row === undefined ? own.location : LocatedRow.parse(row.body).location;
  }
}

/** Parts that encrypt, without keys: of a preview, which has none. */
export function keylessParts(rules: StreamingPolicyRules): readonly EncryptedDelivery[] {
  return encryptedPartsOf(rules).map(({ type, part }) => ({
    scheme: SCHEMES[type],
    protocols: servedProtocols(part.enabledProtocols),
    clearTracks: selectionsOf(part.clearTracks ?? []),
    keys: undefined,
    ivIdentity: '',
    version: '',
  }));
}

export async function policyRulesOf(table: HeadendTable, name: string): Promise<StreamingPolicyRules> {
  const predefined = findPredefinedPolicy(name);
  if (predefined !== undefined) return predefined.rules;
  const row = await table.find(streamingPolicyKey(name));
  return row === undefined ? {} : StreamingPolicyRecord.parse(row.body).rules;
}

export function servedProtocols(enabled: EnabledProtocols | null | undefined): ServedProtocols {
  return {
    hls: enabled?.hls ?? false,
    dash: enabled?.dash ?? false,
    smooth: enabled?.smoothStreaming ?? false,
    download: enabled?.download ?? false,
  };
}

function encryptedPartsOf(rules: StreamingPolicyRules) {
  return ENCRYPTIONS.flatMap(({ field, type }) => {
    const part = rules[field];
    return part == null ? [] : [{ type, part }];
  });
}

/** An asset that is made anew is another recording, even in a container of the same name. */
async function ivIdentityOf({ account, table }: AccountTable, { assetName }: StreamingLocatorRecord) {
  const row = await table.find(assetKey(assetName));
  return row === undefined ? `${account}!${assetName}` : AssetRecord.parse(row.body).assetId;
}

function openValue(opener: SecretOpener, sealed: string, rowKey: string): Uint8Array | string {
  try {
    const value = Buffer.from(opener.open(sealed, rowKey), 'base64');
    return value.length === KEY_BYTES ? value : `'${rowKey}' is no key of ${KEY_BYTES} bytes`;
  } catch (error) {
    // What it says of an envelope names the row and the master key, never a value.
    return error instanceof Error ? error.message : 'it cannot be opened';
  }
}

function trackKeysOf(
  { contentKeys }: StreamingLocatorRecord,
  scheme: EncryptionScheme,
  keyOf: (id: string) => ProtectionKey,
): readonly TrackKey[] {
  return contentKeys
    .filter(({ type }) => type === scheme)
    .map(({ id, tracks }) => ({ key: keyOf(id), tracks: selectionsOf(tracks) }));
}

const Selection = z.looseObject({
  trackSelections: z.array(z.looseObject({ value: z.string().nullish() })).nullish(),
});

/** All conditions that there are say that a FourCC is equal to a value. */
function selectionsOf(tracks: readonly object[]): TrackSelections {
  return tracks.map((track) =>
    (Selection.parse(track).trackSelections ?? []).map(({ value }) => value ?? ''),
  );
}

function versionOf(facts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(facts)).digest('base64url').slice(0, 22);
}
