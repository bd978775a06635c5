import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeCertificate } from '../support/certificates.ts';
import { freePort } from '../support/free-port.ts';
import { until } from '../support/programs.ts';

/** Files in memory. */
const MEMORY = '/dev/shm';

interface Front {
  /** https. */
  readonly base: string;
  /** Of nginx's worker and of Varnish's. */
  readonly pids: readonly number[];
}

interface TlsCache {
  /** In front of the origin. */
  readonly origin: Front;
  /** In front of files, by the same nginx. */
  readonly files: Front;
  stop(): Promise<void>;
}

/**
 * TLS by one worker of nginx, behind it a Varnish with our VCL, behind it the origin; and the same with one file, whatever
 * the path, in the place of the origin.
 */
export async function startTlsCache(o: {
  readonly originPort: number;
  readonly file: Uint8Array;
  readonly cacheMiB: number;
}): Promise<TlsCache> {
  const folder = await mkdtemp(join(MEMORY, 'headend-bench-'));
  await chmod(folder, 0o755); // workers run as other users when their masters are root
  await mkdir(join(folder, 'www'));
  await writeFile(join(folder, 'www', 'file'), o.file);
  const filePort = await freePort();
  const varnishes = [
    await startVarnish(folder, 'origin', { behind: o.originPort, cacheMiB: o.cacheMiB }),
    await startVarnish(folder, 'files', { behind: filePort, cacheMiB: o.cacheMiB }),
  ] as const;
  const tlsPorts = [await freePort(), await freePort()] as const;
  const { certPem, keyPem } = await makeCertificate();
  await Promise.all([
    writeFile(join(folder, 'cert.pem'), certPem),
    writeFile(join(folder, 'key.pem'), keyPem),
  ]);
  const tls = varnishes.map(({ port }, at) => tlsServer(folder, tlsPorts[at] ?? 0, port)).join('\n');
  await writeFile(join(folder, 'nginx.conf'), nginxConfig(folder, tls, filePort));
  const nginx = spawn('nginx', ['-c', join(folder, 'nginx.conf'), '-p', folder], { stdio: 'ignore' });
  const [originBase, filesBase] = tlsPorts.map((port) => `https://127.0.0.1:${port}/`);
  await until(() => answers(filePort), 'nginx');
  for (const { port } of varnishes) await until(() => answers(port), 'Varnish');
  const worker = await childOf(nginx);
  const [origin, files] = await Promise.all(varnishes.map(({ process }) => childOf(process)));
  return {
    origin: { base: originBase ?? '', pids: [worker, origin ?? 0] },
    files: { base: filesBase ?? '', pids: [worker, files ?? 0] },
    async stop() {
      for (const process of [nginx, ...varnishes.map((one) => one.process)]) {
        const ended = once(process, 'exit');
        process.kill('SIGTERM');
        await ended;
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function startVarnish(
  folder: string,
  name: string,
  o: { readonly behind: number; readonly cacheMiB: number },
): Promise<{ process: ChildProcess; port: number }> {
  const vcl = await readFile('infra/varnish/headend.vcl', 'utf8');
  const file = join(folder, `${name}.vcl`);
  await writeFile(file, vcl.replace('.port = "8888"', `.port = "${o.behind}"`));
  const port = await freePort();
  const process = spawn(
    'varnishd',
    [
      ...['-F', '-n', join(folder, `varnish-${name}`), '-a', `127.0.0.1:${port}`, '-f', file],
      ...['-s', `malloc,${o.cacheMiB}m`],
    ],
    { stdio: 'ignore' },
  );
  return { process, port };
}

const tlsServer = (folder: string, port: number, varnishPort: number): string => `
  upstream varnish-${varnishPort} { server 127.0.0.1:${varnishPort}; keepalive 64; }
  server { listen 127.0.0.1:${port} ssl; ssl_certificate ${folder}/cert.pem; ssl_certificate_key ${folder}/key.pem;
    location / { proxy_pass http://varnish-${varnishPort}; proxy_http_version 1.1; proxy_set_header Connection ""; } }`;

const nginxConfig = (folder: string, servers: string, filePort: number): string =>
  `daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 1024; }
http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 10000000; open_file_cache max=100;
  proxy_max_temp_file_size 0; proxy_buffers 32 32k;
  client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p; fastcgi_temp_path ${folder}/f;
  uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  ${servers}
  server { listen 127.0.0.1:${filePort}; root ${folder}/www; location / { try_files /file =404; } } }`;

/** Whatever it is. */
function answers(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/`).then(
    async (response) => (await response.arrayBuffer()).byteLength >= 0,
    () => false,
  );
}

async function childOf({ pid }: ChildProcess): Promise<number> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return Number(children.trim().split(' ')[0]);
}
