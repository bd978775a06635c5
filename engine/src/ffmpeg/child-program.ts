import { spawn } from 'node:child_process';
import { type Confinement, confined, RUN_ENVIRONMENT, type RunLimits } from './confinement.ts';
import { LogLines } from './evidence.ts';

export interface ProgramStart {
  readonly program: string;
  readonly arguments: readonly string[];
  /** Where it is at home, and all that it is to write to. */
  readonly folder: string;
  readonly confinement: Confinement;
  readonly limits: RunLimits;
  readonly signal: AbortSignal;
  readonly onOutput: (text: string) => void;
  readonly onLogLine?: ((line: string) => void) | undefined;
  readonly isEvidence?: (line: string) => boolean;
}

export interface ProgramEnd {
  readonly code: number | null;
  readonly killedBy: NodeJS.Signals | null;
  readonly isTooLong: boolean;
  /** The end of what it said, as it said it. */
  readonly log: string;
  /** How many lines that was in all. */
  readonly logLines: number;
}

/**
 * Runs a program confined and to its end. It is killed with all that it may have started when `signal` fires, and the
 * reason thrown once it is gone; after `limits.wallMs` as well. Throws when it cannot be started.
 */
export async function runProgram(start: ProgramStart): Promise<ProgramEnd> {
  const { signal, limits, folder } = start;
  signal.throwIfAborted();
  const { command, arguments: args } = confined(start.program, start.arguments, start.confinement, limits);
  const child = spawn(command, args, {
    cwd: folder,
    env: { ...RUN_ENVIRONMENT, HOME: folder, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A process group of its own, to be ended as one.
    detached: true,
  });
  const log = new LogLines({
    onLine: start.onLogLine,
    ...(start.isEvidence === undefined ? {} : { isKept: start.isEvidence }),
  });
  child.stdout.setEncoding('utf8').on('data', start.onOutput);
  child.stderr.setEncoding('utf8').on('data', (text: string) => log.write(text));
  let isTooLong = false;
  const kill = () => killGroup(child.pid);
  const timer = setTimeout(() => {
    isTooLong = true;
    kill();
  }, limits.wallMs);
  signal.addEventListener('abort', kill, { once: true });
  try {
    const end = await new Promise<Pick<ProgramEnd, 'code' | 'killedBy'>>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, killedBy) => resolve({ code, killedBy }));
    });
    log.end();
    signal.throwIfAborted();
    return { ...end, isTooLong, log: log.text(), logLines: log.count };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', kill);
  }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // It has ended meanwhile.
    if (Reflect.get(Object(error), 'code') !== 'ESRCH') throw error;
  }
}
