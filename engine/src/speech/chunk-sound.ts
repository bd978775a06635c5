import { open } from 'node:fs/promises';
import type { Interval } from '../analysis/audio-chunks.ts';
import { SPEECH_BYTES_PER_MS, SPEECH_SAMPLING_RATE } from '../analysis/listening.ts';

const WAV_HEADER_BYTES = 44;
const SAMPLE_BYTES = 2;

/** The samples of a chunk, shorter when the file is. Whole milliseconds are whole samples. */
export async function readSound(path: string, { startMs, endMs }: Interval): Promise<Buffer> {
  const bytes = Buffer.alloc((endMs - startMs) * SPEECH_BYTES_PER_MS);
  const file = await open(path, 'r');
  try {
    let filled = 0;
    while (filled < bytes.length) {
      const position = startMs * SPEECH_BYTES_PER_MS + filled;
      const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, position);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return bytes.subarray(0, filled - (filled % SAMPLE_BYTES));
  } finally {
    await file.close();
  }
}

/** A RIFF WAVE file of 16-bit PCM. */
export function waveFile(samples: Buffer): Buffer {
  const header = Buffer.alloc(WAV_HEADER_BYTES);
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(WAV_HEADER_BYTES - 8 + samples.length, 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(SPEECH_SAMPLING_RATE, 24);
  header.writeUInt32LE(SPEECH_SAMPLING_RATE * SAMPLE_BYTES, 28);
  header.writeUInt16LE(SAMPLE_BYTES, 32);
  header.writeUInt16LE(8 * SAMPLE_BYTES, 34);
  header.write('data', 36, 'latin1');
  header.writeUInt32LE(samples.length, 40);
  return Buffer.concat([header, samples]);
}
