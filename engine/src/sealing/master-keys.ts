import { createHash, createSecretKey, type KeyObject } from 'node:crypto';

const KEY_BYTES = 32;
/** Rotation needs two; more are kept for as long as something is sealed with them. */
const KEYS_MAX = 32;
const LINES_MAX = 1000;
const KEY_ID_LENGTH = 16;

/** What secrets are sealed with. Not printable. */
export interface MasterKeys {
  /** Seals. */
  readonly current: MasterKey;
  /** Open what they have sealed; `current` is among them. */
  readonly byId: ReadonlyMap<string, MasterKey>;
}

export interface MasterKey {
  /** Derived from the key, so that nobody has to name it and no two keys share a name. */
  readonly id: string;
  readonly key: KeyObject;
}

/** The message names the line, never what stands in it. */
export class InvalidMasterKeys extends Error {
  readonly code = 'InvalidMasterKeys';
  constructor(reason: string) {
    super(reason);
    this.name = 'InvalidMasterKeys';
  }
}

/**
 * Parses a key file: one key of 32 bytes a line, in base64; empty lines and lines beginning with `#` are left out. The
 * first key seals, all of them open. Throws `InvalidMasterKeys`.
 */
export function parseMasterKeys(text: string): MasterKeys {
  const lines = text.split(/\r?\n/);
  if (lines.length > LINES_MAX) {
    throw new InvalidMasterKeys(`the file has ${lines.length} lines, more than ${LINES_MAX}`);
  }
  const keys: MasterKey[] = [];
  for (const [index, line] of lines.entries()) {
    const entry = line.trim();
    if (entry !== '' && !entry.startsWith('#')) keys.push(parseKey(entry, index + 1));
  }
  const [current] = keys;
  if (current === undefined) throw new InvalidMasterKeys('the file holds no key');
  if (keys.length > KEYS_MAX) {
    throw new InvalidMasterKeys(`the file holds ${keys.length} keys, more than ${KEYS_MAX}`);
  }
  const byId = new Map(keys.map((key) => [key.id, key]));
  if (byId.size < keys.length) throw new InvalidMasterKeys('the file holds one key twice');
  return { current, byId };
}

function parseKey(text: string, lineNumber: number): MasterKey {
  const bytes = Buffer.from(text, 'base64');
  // Node skips what is not base64; only a text that is written the same again was base64 as a whole.
  const isWhole =
    bytes.toString('base64url') === text.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
  if (!isWhole || bytes.length !== KEY_BYTES) {
    throw new InvalidMasterKeys(`line ${lineNumber} is not a key of ${KEY_BYTES} bytes in base64`);
  }
  const id = createHash('sha256').update('headend master key').update(bytes).digest('hex');
  return { id: id.slice(0, KEY_ID_LENGTH), key: createSecretKey(bytes) };
}
