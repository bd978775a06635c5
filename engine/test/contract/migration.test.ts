import { AzureMediaServices } from '@azure/arm-mediaservices';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type AccountContents, type AccountSide, copyAccount, readAccount } from '../support/account-copy.ts';
import { type Population, populate } from '../support/account-population.ts';
import { fetchToken, GROUP, SUBSCRIPTION } from '../support/arm-client.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import { buildEngine, type EngineProgram } from '../support/engine-program.ts';

/** HEADEND_MIGRATION_LONG=1: an account with a few thousand resources, within what one may have. */
const LONG = process.env['HEADEND_MIGRATION_LONG'] === '1';
const SHORT_SIZE: Population = {
  accountFilters: 6,
  assets: 40,
  assetFilters: 8,
  tracks: 2,
  contentKeyPolicies: 9,
  streamingPolicies: 6,
  streamingLocators: 16,
  transforms: 4,
  jobs: 12,
  liveEvents: 4,
};
const LONG_SIZE: Population = {
  accountFilters: 100,
  assets: 1000,
  assetFilters: 300,
  tracks: 30,
  contentKeyPolicies: 200,
  streamingPolicies: 60,
  streamingLocators: 800,
  transforms: 60,
  jobs: 500,
  liveEvents: 30,
};
const SIZE = LONG ? LONG_SIZE : SHORT_SIZE;

const TOKEN_MS = 600_000;

let storage: Azurite[];
let program: EngineProgram;
let from: AccountSide;
let to: AccountSide;

/** The second account is in another place: another engine, with storage of its own. */
beforeAll(async () => {
  [storage, program] = await Promise.all([Promise.all([startAzurite(), startAzurite()]), buildEngine()]);
  from = await startAccount('before', storage[0]);
  to = await startAccount('after', storage[1]);
}, 120_000);

afterAll(async () => {
  await program?.close();
  await Promise.all((storage ?? []).map((azurite) => azurite.close()));
}, 60_000);

async function startAccount(account: string, azurite: Azurite | undefined): Promise<AccountSide> {
  const engine = await program.start('control', {
    HEADEND_STORAGE: azurite?.connectionString ?? '',
    HEADEND_ACCOUNT_ID: `/subscriptions/${SUBSCRIPTION}/resourceGroups/${GROUP}/providers/Microsoft.Media/mediaservices/${account}`,
    HEADEND_ARM_PORT: '0',
    HEADEND_IDENTITY_PORT: '0',
  });
  // Each engine has an identity endpoint of its own, and `process.env` names but one.
  const credential = {
    getToken: async () => ({
      token: await fetchToken(engine, program.identitySecret),
      expiresOnTimestamp: Date.now() + TOKEN_MS,
    }),
  };
  const client = new AzureMediaServices(credential, SUBSCRIPTION, {
    endpoint: `https://127.0.0.1:${engine.ports['arm']}`,
    tlsOptions: { ca: program.caPem },
  });
  return { client, group: GROUP, account };
}

/** How many there are of each kind. */
function counts(contents: AccountContents): Record<string, number> {
  const found: Record<string, number> = {};
  for (const key of Object.keys(contents)) {
    const kind = key.slice(0, key.indexOf('/'));
    found[kind] = (found[kind] ?? 0) + 1;
  }
  return found;
}

describe('an account that moves', () => {
  it(
    'is the same on the other side, keys and tokens included, recreated by nothing but the client',
    async () => {
      const begun = Date.now();
      await populate(from, SIZE);
      const populated = Date.now();
      await copyAccount(from, to);
      const copied = Date.now();
      const [before, after] = [await readAccount(from), await readAccount(to)];
      const { liveEvents, ...others } = SIZE;
      expect(counts(before)).toEqual({
        ...others,
        blobs: 2 * SIZE.tracks,
        liveEvents,
        liveOutputs: liveEvents,
        streamingEndpoints: 2,
      });
      expect(after).toEqual(before);
      if (LONG) {
        const seconds = (ms: number): string => (ms / 1000).toFixed(1);
        process.stderr.write(
          `${Object.keys(before).length} resources: made in ${seconds(populated - begun)} s, ` +
            `copied in ${seconds(copied - populated)} s, read twice in ${seconds(Date.now() - copied)} s\n`,
        );
      }
    },
    LONG ? 1_800_000 : 120_000,
  );
});
