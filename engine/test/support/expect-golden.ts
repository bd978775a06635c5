import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from '@jest/globals';

const FOLDER = fileURLToPath(new URL('../golden/', import.meta.url));

/**
 * Asserts that a whole document is the one in `engine/test/golden/{path}`. UPDATE_GOLDEN=1 writes it instead; the
 * change is then read in the diff of the commit.
 */
export function expectGolden(path: string, actual: string): void {
  const file = join(FOLDER, path);
  if (process.env['UPDATE_GOLDEN'] === '1') {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, actual);
  }
  expect(actual).toBe(readFileSync(file, 'utf8'));
}
