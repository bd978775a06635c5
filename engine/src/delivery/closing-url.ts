const KNOWS_END = 'closing';

/** Whether an MPD is asked for from where a closing one said to. */
export function knowsEnd(requestUrl: string): boolean {
  const [, query = ''] = requestUrl.split('?', 2);
  return query.split('&').includes(KNOWS_END);
}

/** Where a closing MPD says to reload from: the same address, relative, with a mark and without its query. */
export function closedUrlOf(requestUrl: string): string {
  const [path = ''] = requestUrl.split('?', 1);
  return `${path.slice(path.lastIndexOf('/') + 1)}?${KNOWS_END}`;
}
