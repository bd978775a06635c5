import { mkdir, open, readdir, readFile, rename, rm, unlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { z } from 'zod';

export interface DataFolder {
  readonly path: string;
  file(...names: readonly string[]): string;
  /** Deletes everything in it but the lock. */
  clear(): Promise<void>;
  /** Gives the folder free for the next start. */
  close(): Promise<void>;
}

export type OpenedDataFolder =
  | { readonly kind: 'open'; readonly folder: DataFolder }
  | { readonly kind: 'inUse'; readonly pid: number }
  | { readonly kind: 'foreign' };

const LOCK_NAME = 'lock.json';
const MARKER_NAME = 'headend-data.json';
const MARKER_TEXT = `${JSON.stringify({ format: 1, what: 'Data of Headend on a laptop; npm start -- --fresh empties this folder.' })}\n`;
const LOCK_ATTEMPTS_MAX = 3;
/** Clock steps and the granularity of os.uptime(). */
const BOOT_TOLERANCE_MS = 60_000;

const Lock = z.object({ pid: z.int().positive(), startedAtMs: z.number() });

/**
 * Opens the folder for this process alone, making it when there is none. A folder with something in it that is not
 * ours is `foreign`: nothing may be written there, let alone deleted.
 */
export async function openDataFolder(folderPath: string): Promise<OpenedDataFolder> {
  await mkdir(folderPath, { recursive: true, mode: 0o700 });
  const names = await readdir(folderPath);
  if (names.length > 0 && !names.includes(MARKER_NAME)) return { kind: 'foreign' };
  await writePrivately(path.join(folderPath, MARKER_NAME), MARKER_TEXT);
  const lockFile = path.join(folderPath, LOCK_NAME);
  const holder = await takeLock(lockFile);
  if (holder !== undefined) return { kind: 'inUse', pid: holder };
  return { kind: 'open', folder: dataFolder(folderPath, lockFile) };
}

/** Replaces the file as a whole; only its owner may read it. */
export async function writePrivately(file: string, text: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${process.pid}.tmp`;
  await writeFile(temporary, text, { mode: 0o600 });
  await rename(temporary, file);
}

function dataFolder(folderPath: string, lockFile: string): DataFolder {
  return {
    path: folderPath,
    file: (...names) => path.join(folderPath, ...names),
    async clear() {
      const names = (await readdir(folderPath)).filter((name) => name !== LOCK_NAME && name !== MARKER_NAME);
      for (const name of names) await rm(path.join(folderPath, name), { recursive: true, force: true });
    },
    close: () => unlink(lockFile).catch(() => undefined),
  };
}

/** Resolves to the process that holds the lock, or to undefined once it is ours. */
async function takeLock(lockFile: string): Promise<number | undefined> {
  for (let attempt = 0; attempt < LOCK_ATTEMPTS_MAX; attempt += 1) {
    try {
      const handle = await open(lockFile, 'wx', 0o600);
      await handle.writeFile(JSON.stringify({ pid: process.pid, startedAtMs: Date.now() }));
      await handle.close();
      return undefined;
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error;
    }
    const holder = await findHolder(lockFile);
    if (holder !== undefined) return holder;
    await unlink(lockFile).catch(() => undefined);
  }
  throw new Error(`${lockFile} could not be taken in ${LOCK_ATTEMPTS_MAX} attempts`);
}

/** A lock whose process is gone, or was there before this machine started, is nobody's. */
async function findHolder(lockFile: string): Promise<number | undefined> {
  const text = await readFile(lockFile, 'utf8').catch(() => '');
  const lock = Lock.safeParse(parseJson(text));
  if (!lock.success) return undefined;
  const bootedAtMs = Date.now() - os.uptime() * 1000;
  if (lock.data.startedAtMs < bootedAtMs - BOOT_TOLERANCE_MS) return undefined;
  return isAlive(lock.data.pid) && lock.data.pid !== process.pid ? lock.data.pid : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return hasCode(error, 'EPERM');
  }
}

/** Undefined for what is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function hasCode(error: unknown, code: string): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}
