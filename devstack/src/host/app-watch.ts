import { createHash } from 'node:crypto';
import { type FSWatcher, watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';

export interface AppWatch {
  close(): void;
}

/** A build may touch its output more than once. */
const SETTLED_AFTER_MS = 40;
const PackageJson = z.object({ main: z.string().min(1) });

/** Calls `onChange` when the bytes of the app's entry file have changed. */
export async function watchApp(appDir: string, onChange: () => void): Promise<AppWatch> {
  const { main } = PackageJson.parse(JSON.parse(await readFile(join(appDir, 'package.json'), 'utf8')));
  const file = join(appDir, main);
  let last = await digest(file);
  let timer: NodeJS.Timeout | undefined;
  const check = async () => {
    const now = await digest(file);
    if (now === undefined || now === last) return;
    last = now;
    onChange();
  };
  // The folder, because builds replace the file: a watch on it would follow the old one.
  const watcher: FSWatcher = watch(dirname(file), (_event, name) => {
    if (name !== null && name !== basename(file)) return;
    clearTimeout(timer);
    timer = setTimeout(() => void check(), SETTLED_AFTER_MS);
  });
  return {
    close() {
      clearTimeout(timer);
      watcher.close();
    },
  };
}

async function digest(file: string): Promise<string | undefined> {
  const bytes = await readFile(file).catch(() => undefined);
  return bytes === undefined ? undefined : createHash('sha256').update(bytes).digest('hex');
}
