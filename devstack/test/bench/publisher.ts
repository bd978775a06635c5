import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const ENGINE = fileURLToPath(new URL('../../../engine/dist/engine.mjs', import.meta.url));

export interface Publisher {
  /** When the server accepted the publishing, Unix milliseconds: frame n was sent n frame durations later. */
  readonly startedAtMs: number;
  stop(): Promise<void>;
}

/** Our own RTMP publisher as a process, paced by the file's timestamps. */
export async function startPublisher(url: string, file: string): Promise<Publisher> {
  const child = spawn(process.execPath, [ENGINE, 'publish', '--url', url, '--file', file], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  await once(child.stdout, 'data');
  return {
    startedAtMs: Date.now(),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}
