import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ArmStack, startArmStack } from '../../support/arm-stack.ts';

/** A control plane that knows a second storage account, in which another media services account can be made. */
export async function startContractStack(): Promise<ArmStack> {
  const folder = await mkdtemp(join(tmpdir(), 'headend-contract-'));
  const stack = await startArmStack(async ({ accounts }) => {
    const path = join(folder, 'storage.json');
    await writeFile(path, JSON.stringify({ storageAccounts: Object.values(accounts) }));
    return { HEADEND_STORAGE_ACCOUNTS: path };
  });
  return {
    ...stack,
    async close() {
      await stack.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
