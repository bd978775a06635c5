/** Runs `work` one at a time per key; calls that come while it runs share the one run that follows. */
export function coalesce<T>(work: (key: string) => Promise<T>): (key: string) => Promise<T> {
  const running = new Map<string, { current: Promise<T>; next: Promise<T> | undefined }>();
  const begin = (key: string): Promise<T> => {
    const current = work(key);
    const entry = { current, next: undefined as Promise<T> | undefined };
    running.set(key, entry);
    const end = () => {
      if (running.get(key) === entry && entry.next === undefined) running.delete(key);
    };
    current.then(end, end);
    return current;
  };
  return (key) => {
    const entry = running.get(key);
    if (entry === undefined) return begin(key);
    entry.next ??= entry.current.then(
      () => begin(key),
      () => begin(key),
    );
    return entry.next;
  };
}
