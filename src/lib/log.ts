/** One JSON line per event. A Functions host takes whatever comes on stderr for an error, hence stdout for the rest. */
export function log(level: 'info' | 'warn' | 'error', event: string, fields: object = {}): void {
  const stream = level === 'info' ? process.stdout : process.stderr;
  stream.write(`${JSON.stringify({ at: new Date().toISOString(), level, event, ...fields })}\n`);
}

export function errorFields(error: unknown): object {
  if (typeof error !== 'object' || error === null) return { error: String(error) };
  const code = 'code' in error ? error.code : undefined;
  const message = 'message' in error ? error.message : undefined;
  return { code, message, ...('stack' in error ? { stack: error.stack } : {}) };
}
