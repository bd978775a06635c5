/** What the page is about: given in the fragment of its address, which browsers send to nobody. */
export interface Address {
  readonly key: string;
  /** Empty: none chosen yet. */
  readonly channel: string;
  /** Empty: none chosen yet. */
  readonly program: string;
  /** Of whom the page got its address, for playing; empty: the page asks for one. */
  readonly token: string;
  /** Of a video on demand; empty: it is about a channel, or about all. */
  readonly video: string;
  /** Without a channel and a video: all channels, or all videos. */
  readonly all: 'channels' | 'videos';
}

interface Store {
  getItem(name: string): string | null;
  setItem(name: string, value: string): void;
}

const VALUE_LENGTH_MAX = 256;
/** As many characters as key delivery takes. */
const TOKEN_LENGTH_MAX = 8192;
const STORED_PREFIX = 'headend.';

/**
 * Reads `#key=…&channel=…&program=…&token=…`, or `video=…` in the place of channel and program; the key may come from this
 * tab's last visit. Undefined: there is none. Without a channel or video the page lists them all, videos for `#videos`.
 */
export function readAddress(fragment: string, store: Store): Address | undefined {
  const given = new URLSearchParams(fragment.replace(/^#/, ''));
  const read = (name: string, lengthMax = VALUE_LENGTH_MAX): string => {
    const value = given.get(name) ?? '';
    return value.length > lengthMax ? '' : value;
  };
  const key = read('key') || (store.getItem(`${STORED_PREFIX}key`) ?? '');
  if (key === '') return undefined;
  store.setItem(`${STORED_PREFIX}key`, key);
  return {
    key,
    channel: read('channel'),
    program: read('program'),
    token: read('token', TOKEN_LENGTH_MAX),
    video: read('video'),
    all: given.has('videos') ? 'videos' : 'channels',
  };
}

/** The fragment of another place on this page; the key stays with the tab. */
export function fragmentOf(place: {
  readonly channel?: string;
  readonly program?: string;
  readonly video?: string;
}): string {
  return `#${new URLSearchParams(Object.entries(place)).toString()}`;
}
