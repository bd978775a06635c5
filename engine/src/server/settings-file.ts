import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import { InvalidConfig } from './config.ts';

const FILE_CHARS_MAX = 1024 * 1024;

/** A JSON file that a setting names. Throws `InvalidConfig`, which never says what stands there: it may be a key. */
export async function readSettingsFile<T extends z.ZodType>(
  setting: string,
  path: string,
  schema: T,
): Promise<z.output<T>> {
  const invalid = (reason: string): InvalidConfig => new InvalidConfig([`${setting}: ${reason}`]);
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw invalid(`cannot read the file (${String(Reflect.get(Object(error), 'code'))})`);
  });
  if (text.length > FILE_CHARS_MAX) throw invalid(`the file has more than ${FILE_CHARS_MAX} characters`);
  const parsed = schema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  const places = parsed.error.issues.map(({ path: at, code }) => `${at.join('.')} (${code})`);
  throw invalid(`not as expected at ${places.join(', ')}`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
