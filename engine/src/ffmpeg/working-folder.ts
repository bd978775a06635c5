import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { dirname, join, normalize, sep } from 'node:path';

/** Begins the names of all that a process makes in the scratch folder; then comes its process id. */
const PREFIX = 'headend-run-';
const LEFT_OVER = /^headend-run-(\d{1,10})-/;
const ENTRIES_LOOKED_AT_MAX = 10_000;

/** An empty folder of its own for what belongs together; nobody else of this machine can look into it. */
export class WorkingFolder {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async create(scratchPath: string): Promise<WorkingFolder> {
    await mkdir(scratchPath, { recursive: true, mode: 0o700 });
    // `mkdtemp` makes it with mode 0700.
    return new WorkingFolder(await mkdtemp(join(scratchPath, `${PREFIX}${process.pid}-`)));
  }

  /** The absolute path of what plans call `relativePath`; throws `RangeError` for what is not below this folder. */
  resolve(relativePath: string): string {
    const path = normalize(join(this.path, relativePath));
    if (!path.startsWith(this.path + sep)) throw new RangeError('a path leads out of the working folder');
    return path;
  }

  /** The same, with the folder that it is in made. */
  async place(relativePath: string): Promise<string> {
    const path = this.resolve(relativePath);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    return path;
  }

  async close(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

/** Removes what processes that are no more have left in the scratch folder. */
export async function sweepScratch(scratchPath: string): Promise<void> {
  const names = await readdir(scratchPath).catch(() => []);
  for (const name of names.slice(0, ENTRIES_LOOKED_AT_MAX)) {
    const pid = LEFT_OVER.exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    await rm(join(scratchPath, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return Reflect.get(Object(error), 'code') === 'EPERM';
  }
}
