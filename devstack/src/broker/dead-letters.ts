import { mkdir, open, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { GridEvent } from './event-schema.ts';

export interface DeadLetter extends GridEvent {
  readonly deadLetterReason: string;
  readonly deliveryAttempts: number;
  readonly lastDeliveryOutcome: string;
  readonly publishTime: string;
  readonly lastDeliveryAttemptTime: string;
  readonly subscription: string;
}

export interface DeadLetters {
  /** Resolves once it is on disk. */
  append(letter: DeadLetter): Promise<void>;
}

// One older file is kept beside it.
const FILE_BYTES_MAX = 16 * 1024 * 1024;

/** Events that were given up, one JSON object a line, in the shape of Azure's dead-letter blobs. */
export async function openDeadLetters(file: string): Promise<DeadLetters> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  let last: Promise<void> = Promise.resolve();
  const write = async (letter: DeadLetter) => {
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
