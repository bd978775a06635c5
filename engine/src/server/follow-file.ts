import { stat } from 'node:fs/promises';
import type { Log } from './log.ts';

/** Settings in files change while the engine runs: keys are rotated, accounts get topics. */
const LOOK_EVERY_MS = 5_000;

/** Calls `refresh` when the file has changed. What was known goes on being used while it cannot be read. */
export function followFile(path: string, refresh: () => Promise<void>, log: Log): void {
  let seen = '';
  const look = async (): Promise<void> => {
    const { mtimeMs, size, ino } = await stat(path);
    const now = `${mtimeMs}!${size}!${ino}`;
    if (now === seen) return;
    const isFirst = seen === '';
    seen = now;
    await refresh();
    if (!isFirst) log.info('settings.fileRead', { path });
  };
  setInterval(() => {
    look().catch((error: unknown) => log.warn('settings.fileNotRead', { path, error }));
  }, LOOK_EVERY_MS).unref();
}
