import { InvalidMasterKeys, parseMasterKeys } from '../sealing/master-keys.ts';
import { Secret } from './secret.ts';
import type { Reader } from './settings-reader.ts';

/** The text of `HEADEND_MASTER_KEY_FILE`, found to be readable by `parseMasterKeys`. */
export function readMasterKeys(read: Reader, problems: string[]): Secret {
  const text = read.file('HEADEND_MASTER_KEY_FILE');
  if (text !== '') {
    try {
      parseMasterKeys(text);
    } catch (error) {
      if (!(error instanceof InvalidMasterKeys)) throw error;
      problems.push(`HEADEND_MASTER_KEY_FILE: ${error.message}`);
    }
  }
  return new Secret(text);
}
