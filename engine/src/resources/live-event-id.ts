/**
 * A live event among those of all accounts, `{account}/{name}` in lower case: what the media side keeps it by. Events
 * and answers show the name alone.
 */
export function liveEventIdOf(account: string, name: string): string {
  return `${account}/${name}`.toLowerCase();
}

export function parseLiveEventId(id: string): { readonly account: string; readonly name: string } {
  const slash = id.indexOf('/');
  return { account: id.slice(0, Math.max(0, slash)), name: id.slice(slash + 1) };
}
