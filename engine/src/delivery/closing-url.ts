const KNOWS_END = 'closing';

/** Whether an MPD is asked for from where a closing one said to. */
export function knowsEnd(requestUrl: string): boolean {
  const [, query = ''] = requestUrl.split('?', 2);
  return query.split('&').includes(KNOWS_END);
}

/** Where a closing MPD says to reload from: the same address, relative, with its query and a mark. */
export function closedUrlOf(requestUrl: string): string {
  const [path = '', query = ''] = requestUrl.split('?', 2);
  const name = path.slice(path.lastIndexOf('/') + 1);
  return `${name}?${query === '' ? '' : `${query}&`}${KNOWS_END}`;
}
