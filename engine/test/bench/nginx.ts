import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../support/free-port.ts';

/** Files in memory, so that both serve from memory. */
const MEMORY = '/dev/shm';

export interface Nginx {
  readonly base: string;
  /** Of its one worker. */
  readonly pid: number;
  stop(): Promise<void>;
}

/** One nginx worker with sendfile over these files. */
export async function startNginx(files: Readonly<Record<string, Uint8Array>>): Promise<Nginx> {
  const folder = await mkdtemp(join(MEMORY, 'headend-bench-'));
  await mkdir(join(folder, 'www'));
  await chmod(folder, 0o755); // its worker runs as another user when its master is root
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, 'www', name), bytes);
  const port = await freePort();
  await writeFile(
    join(folder, 'nginx.conf'),
    `daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 1024; }
http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 10000000; open_file_cache max=100;
  client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p; fastcgi_temp_path ${folder}/f;
  uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  server { listen 127.0.0.1:${port}; root ${folder}/www; add_header Access-Control-Allow-Origin *; } }`,
  );
  const child = spawn('nginx', ['-c', join(folder, 'nginx.conf'), '-p', folder], { stdio: 'ignore' });
  const base = `http://127.0.0.1:${port}`;
  await untilAnswers(base);
  const children = await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8');
  return {
    base,
    pid: Number(children.trim().split(' ')[0]),
    async stop() {
      child.kill('SIGQUIT');
      await once(child, 'exit');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function untilAnswers(url: string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    if (
      await fetch(url).then(
        () => true,
        () => false,
      )
    )
      return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('nginx does not answer');
}
