/** What the page is about: given in the fragment of its address, which browsers send to nobody. */
export interface Address {
  readonly key: string;
  readonly channel: string;
  readonly program: string;
}

interface Store {
  getItem(name: string): string | null;
  setItem(name: string, value: string): void;
}

const NAMES = ['key', 'channel', 'program'] as const;
const VALUE_LENGTH_MAX = 256;
const STORED_PREFIX = 'headend.';

/** Reads `#key=…&channel=…&program=…`; what is not there is taken from this tab's last visit. Undefined: something is missing. */
export function readAddress(fragment: string, store: Store): Address | undefined {
  const given = new URLSearchParams(fragment.replace(/^#/, ''));
  const read = (name: (typeof NAMES)[number]): string => {
    const value = given.get(name) ?? store.getItem(STORED_PREFIX + name) ?? '';
    if (value === '' || value.length > VALUE_LENGTH_MAX) return '';
    store.setItem(STORED_PREFIX + name, value);
    return value;
  };
  const address = { key: read('key'), channel: read('channel'), program: read('program') };
  return NAMES.every((name) => address[name] !== '') ? address : undefined;
}
