import { parse as parseCsv } from 'csv-parse/sync';
import { z } from 'zod';

/** What one streaming locator of an imported container is to be; a container has as many as rows name it. */
export type Assignment = z.output<typeof Assignment>;

const ASSIGNMENTS_MAX = 1_000_000;
const KEYS_MAX = 20;
const guid = z.guid().transform((text) => text.toLowerCase());
const optional = <T extends z.ZodType>(schema: T) =>
  z.preprocess((value) => (value === '' || value === null ? undefined : value), schema.optional());

/** `label=keyId:base64`, `keyId:base64` where there is one key; several with `;` between them. */
const KEY_TEXT = /^(?:([^=;]{1,128})=)?([0-9a-f-]{36})(?::([A-Za-z0-9+/]{22}==))?$/i;

export type AssignedKey = z.output<typeof ContentKey>;
const ContentKey = z.strictObject({
  id: guid,
  labelReferenceInStreamingPolicy: z.string().max(128).optional(),
  value: z.base64().max(64).optional(),
});

const ContentKeys = z.preprocess(
  (value) => (typeof value === 'string' ? readKeys(value) : value),
  z.array(ContentKey).max(KEYS_MAX),
);

const Assignment = z.strictObject({
  container: z.string().min(3).max(63),
  /** The container's name unless said otherwise. */
  assetName: optional(z.string().min(1).max(260)),
  streamingLocatorName: optional(z.string().min(1).max(260)),
  streamingLocatorId: optional(guid),
  streamingPolicyName: optional(z.string().min(1).max(260)),
  defaultContentKeyPolicyName: optional(z.string().min(1).max(260)),
  contentKeys: optional(ContentKeys),
  alternativeMediaId: optional(z.string().max(256)),
  startTime: optional(z.iso.datetime({ offset: true })),
  endTime: optional(z.iso.datetime({ offset: true })),
});

/** The file is not what is expected; says where. Never has a key in it. */
export class InvalidAssignments extends Error {
  readonly code = 'InvalidAssignments';
  constructor(reason: string) {
    super(reason);
    this.name = 'InvalidAssignments';
  }
}

/** Reads a CSV file with a header line, or a JSON list of objects; columns and fields have the same names. */
export function parseAssignments(text: string): readonly Assignment[] {
  const rows = /^\s*\[/.test(text) ? readJson(text) : readCsv(text);
  if (rows.length > ASSIGNMENTS_MAX) {
    throw new InvalidAssignments(`${rows.length} rows exceed ${ASSIGNMENTS_MAX}`);
  }
  return rows.map((row, at) => {
    const outcome = Assignment.safeParse(row);
    if (outcome.success) return outcome.data;
    const problems = outcome.error.issues.map(({ path, code }) => `${path.join('.') || 'row'} (${code})`);
    throw new InvalidAssignments(`row ${at + 1}: ${problems.join(', ')}`);
  });
}

function readJson(text: string): readonly unknown[] {
  try {
    const rows: unknown = JSON.parse(text);
    return Array.isArray(rows) ? rows : [];
  } catch {
    // What the parser says quotes the text, which may be a key.
    throw new InvalidAssignments('the file is not JSON');
  }
}

function readCsv(text: string): readonly unknown[] {
  try {
    return parseCsv(text, { columns: true, skip_empty_lines: true, trim: true, bom: true, comment: '#' });
  } catch (error) {
    const code: unknown = Reflect.get(Object(error), 'code');
    const line: unknown = Reflect.get(Object(error), 'lines');
    throw new InvalidAssignments(`the file is not CSV: ${String(code)} at line ${String(line)}`);
  }
}

function readKeys(text: string): unknown {
  return text
    .split(';')
    .map((one) => one.trim())
    .filter((one) => one !== '')
    .map((one) => {
      const [, label, id, value] = KEY_TEXT.exec(one) ?? [];
      return {
        ...(label === undefined ? {} : { labelReferenceInStreamingPolicy: label }),
        ...(value === undefined ? {} : { value }),
        id,
      };
    });
}
