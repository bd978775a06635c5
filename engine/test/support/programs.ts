import { spawn } from 'node:child_process';
import { once } from 'node:events';

export interface ProgramResult {
  readonly code: unknown;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. */
export async function run(program: string, ...args: readonly string[]): Promise<ProgramResult> {
  const child = spawn(program, args);
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (text) => {
      output[name] += text;
    });
  }
  const [code] = await once(child, 'close');
  return { code, ...output };
}

/** Runs FFmpeg to its end; what it complains of. */
export async function ffmpeg(...args: readonly string[]): Promise<string> {
  return (await run('ffmpeg', '-hide_banner', '-nostdin', '-loglevel', 'error', ...args)).stderr;
}

const UNTIL_MS_MAX = 30_000;

/** Looks every 20 ms, for at most 30 s. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what = 'the condition',
  withinMs = UNTIL_MS_MAX,
): Promise<void> {
  for (const beganAtMs = Date.now(); Date.now() - beganAtMs < withinMs; ) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${what} did not come true in ${withinMs} ms`);
}
