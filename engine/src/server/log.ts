/** One event with fields; never prose, never a secret. */
export interface Log {
  info(event: string, fields?: object): void;
  warn(event: string, fields?: object): void;
  error(event: string, fields?: object): void;
}

/** Writes one JSON object per line; an `Error` among the fields becomes its name, code, message and causes. */
export function createLog(sink: { write(line: string): unknown }, now: () => Date): Log {
  const write = (level: string) => (event: string, fields?: object) => {
    const line = { at: now().toISOString(), level, event, ...fields };
    sink.write(`${JSON.stringify(line, plainValue)}\n`);
  };
  return { info: write('info'), warn: write('warn'), error: write('error') };
}

const STACK_LINES_MAX = 6;

function plainValue(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (!(value instanceof Error)) return value;
  const code: unknown = Reflect.get(value, 'code');
  return {
    name: value.name,
    ...(code === undefined ? {} : { code }),
    message: value.message,
    stack: value.stack?.split('\n').slice(1, STACK_LINES_MAX).join('\n'),
    ...(value.cause === undefined ? {} : { cause: value.cause }),
  };
}
