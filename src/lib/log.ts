/** One JSON line on stderr per event. */
export function log(level: 'info' | 'warn' | 'error', event: string, fields: object = {}): void {
  process.stderr.write(`${JSON.stringify({ at: new Date().toISOString(), level, event, ...fields })}\n`);
}

export function errorFields(error: unknown): object {
  if (typeof error !== 'object' || error === null) return { error: String(error) };
  const code = 'code' in error ? error.code : undefined;
  const message = 'message' in error ? error.message : undefined;
  return { code, message, ...('stack' in error ? { stack: error.stack } : {}) };
}
