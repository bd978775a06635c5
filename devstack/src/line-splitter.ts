import type { Readable } from 'node:stream';

const LINE_LENGTH_MAX = 64 * 1024;

/** Calls `onLine` with every line of a child's output; a line longer than 64 Ki characters is cut into several. */
export function splitLines(input: Readable, onLine: (line: string) => void): void {
  let rest = '';
  input.setEncoding('utf8');
  input.on('data', (chunk: string) => {
    const lines = `${rest}${chunk}`.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line.endsWith('\r') ? line.slice(0, -1) : line);
    while (rest.length > LINE_LENGTH_MAX) {
      onLine(rest.slice(0, LINE_LENGTH_MAX));
      rest = rest.slice(LINE_LENGTH_MAX);
    }
  });
  input.once('end', () => {
    if (rest !== '') onLine(rest);
    rest = '';
  });
}
