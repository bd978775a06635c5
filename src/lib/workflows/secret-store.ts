/** The limit of Azure Key Vault, kept by every store so that a secret can move. */
export const SECRET_BYTES_MAX = 25_000;

const NAME = /^[0-9a-zA-Z-]{1,127}$/;

/**
 * Where the app keeps what must not be in a table, an answer or a log. Names are 1 to 127 letters, digits and hyphens,
 * case does not tell them apart; a value is text of 1 to `SECRET_BYTES_MAX` bytes in UTF-8. Anything else is a mistake
 * of the caller and throws without showing it. A value may be read for a few seconds after another process replaced
 * or removed it.
 */
export interface SecretStore {
  /** Replaces what is there. */
  put(name: string, value: string): Promise<void>;
  /** Undefined: there is none. */
  get(name: string): Promise<string | undefined>;
  /** Nothing when there is none. */
  remove(name: string): Promise<void>;
}

/** The name as stores compare it. */
export function checkSecretName(name: string): string {
  if (!NAME.test(name)) throw new Error('a secret’s name is 1 to 127 letters, digits and hyphens');
  return name.toLowerCase();
}

export function checkSecretValue(value: string): void {
  const size = Buffer.byteLength(value);
  if (size === 0 || size > SECRET_BYTES_MAX)
    throw new Error(`a secret has 1 to ${SECRET_BYTES_MAX} bytes, not ${size}`);
}
