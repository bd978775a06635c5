/** What the page is about: given in the fragment of its address, which browsers send to nobody. */
export interface Address {
  readonly key: string;
  /** Empty: none chosen yet. */
  readonly channel: string;
  /** Empty: none chosen yet. */
  readonly program: string;
}

interface Store {
  getItem(name: string): string | null;
  setItem(name: string, value: string): void;
}

const VALUE_LENGTH_MAX = 256;
const STORED_PREFIX = 'headend.';

/**
 * Reads `#key=…&channel=…&program=…`; the key may come from this tab's last visit. Undefined: there is none. Without a
 * channel the page lists them all.
 */
export function readAddress(fragment: string, store: Store): Address | undefined {
  const given = new URLSearchParams(fragment.replace(/^#/, ''));
  const read = (name: string): string => {
    const value = given.get(name) ?? '';
    return value.length > VALUE_LENGTH_MAX ? '' : value;
  };
  const key = read('key') || (store.getItem(`${STORED_PREFIX}key`) ?? '');
  if (key === '') return undefined;
  store.setItem(`${STORED_PREFIX}key`, key);
  return { key, channel: read('channel'), program: read('program') };
}

/** The fragment of another place on this page; the key stays with the tab. */
export function fragmentOf(place: { readonly channel?: string; readonly program?: string }): string {
  return `#${new URLSearchParams(Object.entries(place)).toString()}`;
}
