export interface Log {
  info(event: string, fields?: object): void;
  warn(event: string, fields?: object): void;
  error(event: string, fields?: object): void;
}

/** A log of one JSON object per line on stderr: `time`, `level`, `part`, `event` and the event's own fields. */
export function openLog(part: string, sink: { write(line: string): unknown } = process.stderr): Log {
  const write = (level: string, event: string, fields: object | undefined) => {
    sink.write(`${JSON.stringify({ time: new Date().toISOString(), level, part, event, ...fields })}\n`);
  };
  return {
    info: (event, fields) => write('info', event, fields),
    warn: (event, fields) => write('warn', event, fields),
    error: (event, fields) => write('error', event, fields),
  };
}

/** What a log line may say of something thrown: its code and message, never its properties. */
export function describeError(error: unknown): { message: string; code?: string } {
  if (!(typeof error === 'object' && error !== null)) return { message: String(error) };
  const message = 'message' in error && typeof error.message === 'string' ? error.message : 'unknown';
  if ('code' in error && typeof error.code === 'string') return { message, code: error.code };
  return { message };
}
