import { link, rm, stat } from 'node:fs/promises';
import { WorkingFolder } from '../ffmpeg/working-folder.ts';

/** What nobody uses is kept for as long, and as long as all of it is not more. */
const KEPT_MS = 10 * 60_000;
const KEPT_BYTES_MAX = 20 * 1024 * 1024 * 1024;
const ENTRIES_MAX = 1000;

interface Entry {
  readonly ready: Promise<number>;
  readonly name: string;
  usedAtMs: number;
}

/** Inputs that this process has fetched: parts and outputs of one job that need the same file fetch it once. */
export class InputCache {
  readonly #scratchPath: string;
  readonly #entries = new Map<string, Entry>();
  #folder: Promise<WorkingFolder> | undefined;
  #count = 0;

  constructor(scratchPath: string) {
    this.#scratchPath = scratchPath;
  }

  /** Puts the file of `key` to `path`, fetched by `fetch` unless it is here. */
  async bring(key: string, path: string, fetch: (path: string) => Promise<void>): Promise<void> {
    this.#folder ??= WorkingFolder.create(this.#scratchPath);
    const folder = await this.#folder;
    await rm(path, { force: true });
    const known = this.#entries.get(key);
    if (known !== undefined && (await this.#linked(folder, known, path))) return;
    this.#count += 1;
    const name = String(this.#count);
    const ready = fetch(folder.resolve(name)).then(async () => (await stat(folder.resolve(name))).size);
    const entry: Entry = { ready, name, usedAtMs: Date.now() };
    this.#entries.set(key, entry);
    try {
      await ready;
    } catch (error) {
      if (this.#entries.get(key) === entry) this.#entries.delete(key);
      await rm(folder.resolve(name), { force: true });
      throw error;
    }
    await link(folder.resolve(name), path);
    await this.#tidy(folder);
  }

  async close(): Promise<void> {
    await (await this.#folder)?.close();
  }

  /** Whoever fetches it may be canceled: then one fetches it oneself. */
  async #linked(folder: WorkingFolder, entry: Entry, path: string): Promise<boolean> {
    try {
      await entry.ready;
      entry.usedAtMs = Date.now();
      await link(folder.resolve(entry.name), path);
      return true;
    } catch {
      return false;
    }
  }

  /** Files that are linked into working folders live on there. */
  async #tidy(folder: WorkingFolder): Promise<void> {
    const sized: { readonly key: string; readonly entry: Entry; readonly bytes: number }[] = [];
    for (const [key, entry] of this.#entries) {
      const bytes = await Promise.race([entry.ready, Promise.resolve(undefined)]).catch(() => undefined);
      if (bytes !== undefined) sized.push({ key, entry, bytes });
    }
    sized.sort((left, right) => right.entry.usedAtMs - left.entry.usedAtMs);
    let keptBytes = 0;
    for (const [index, { key, entry, bytes }] of sized.entries()) {
      keptBytes += bytes;
      const isOld = Date.now() - entry.usedAtMs > KEPT_MS;
      if (!isOld && keptBytes <= KEPT_BYTES_MAX && index < ENTRIES_MAX) continue;
      this.#entries.delete(key);
      await rm(folder.resolve(entry.name), { force: true });
    }
  }
}
