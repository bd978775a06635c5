import { parseJson } from '../data-folder.ts';
import type { LogRecord } from './worker-protocol.ts';

const LINE_CHARACTERS_MAX = 4096;
/** How programs name their levels, and the host's word for it. */
const LEVELS: Readonly<Record<string, string>> = {
  trace: 'trace',
  debug: 'debug',
  info: 'information',
  information: 'information',
  warn: 'warning',
  warning: 'warning',
  error: 'error',
  fatal: 'critical',
  critical: 'critical',
};

/** What a line of the worker's stdout or stderr says: a JSON object with `level` and `event` says its level itself. */
export function parseOutputLine(line: string, levelOfStream: string): LogRecord {
  return (
    parseStructured(line) ?? {
      level: levelOfStream,
      logCategory: 'user',
      message: line.slice(0, LINE_CHARACTERS_MAX),
    }
  );
}

function parseStructured(line: string): LogRecord | undefined {
  if (!line.startsWith('{') || line.length > LINE_CHARACTERS_MAX) return undefined;
  const parsed = parseJson(line);
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  const { level: named, event, ...fields } = Object.fromEntries(Object.entries(parsed));
  if (typeof named !== 'string' || typeof event !== 'string') return undefined;
  const level = Object.hasOwn(LEVELS, named) ? LEVELS[named] : undefined;
  return level === undefined ? undefined : { level, logCategory: 'user', message: event, fields };
}
