import { mkdir, open, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface DeadLetterFile {
  /** Resolves once it is on disk. */
  append(letter: object): Promise<void>;
}

// One older file is kept beside it.
const FILE_BYTES_MAX = 16 * 1024 * 1024;

/** Events that were given up and have no blob container to go to, one JSON object a line. */
export async function openDeadLetterFile(file: string): Promise<DeadLetterFile> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  let last: Promise<void> = Promise.resolve();
  const write = async (letter: object) => {
    const { size } = await stat(file).catch(() => ({ size: 0 }));
    if (size > FILE_BYTES_MAX) await rename(file, `${file}.1`);
    const handle = await open(file, 'a', 0o600);
    try {
      await handle.appendFile(`${JSON.stringify(letter)}\n`);
      await handle.datasync();
    } finally {
      await handle.close();
    }
  };
  return {
    append(letter) {
      last = last.catch(() => undefined).then(() => write(letter));
      return last;
    },
  };
}
