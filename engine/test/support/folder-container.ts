import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { LibraryContainer } from '../../src/library/library-container.ts';

/** A folder of the disk as an asset container. */
export function folderContainer(root: string): LibraryContainer {
  return {
    async list(folder) {
      const entries = await readdir(join(root, folder), { withFileTypes: true }).catch(() => []);
      const files = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
      return Promise.all(
        files.sort().map(async (file) => {
          const name = folder === '' ? file : `${folder}/${file}`;
          return { name, sizeBytes: (await stat(join(root, name))).size };
        }),
      );
    },
    async read(name, range) {
      const file = await open(join(root, name)).catch(() => undefined);
      if (file === undefined) return undefined;
      try {
        const { size } = await file.stat();
        const offset = Math.min(range?.offset ?? 0, size);
        const bytes = Buffer.alloc(Math.min(range?.sizeBytes ?? size, size - offset));
        await file.read(bytes, 0, bytes.length, offset);
        return bytes;
      } finally {
        await file.close();
      }
    },
  };
}
