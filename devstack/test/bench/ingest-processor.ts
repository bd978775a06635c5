import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findFreePort } from '../../src/port-check.ts';
import { Encoder } from '../support/encoder.ts';
import { rtmpUrl } from '../support/headend-api.ts';
import type { Stack } from '../support/stack.ts';
import { bytesRead, processorSeconds } from './processor-time.ts';
import type { Figure } from './report.ts';

const run = promisify(execFile);
/** So many streams at once, each of so much; 30 of the larger ones are more than two cores can also send. */
const LOADS = [
  { streams: 1, videoKbps: 6000 },
  { streams: 8, videoKbps: 6000 },
  { streams: 30, videoKbps: 2000 },
] as const;
/** What a service that runs for days costs, not what the first seconds of a program cost. */
const WARM_UP_MS = 30_000;
const MEASURE_MS = 20_000;
const AUDIO_KBPS = 128;
/** An encoder that falls behind real time is no load to compare by. */
const REAL_TIME_SHARE_MIN = 0.95;
const RATIO_MAX = 1.5;
const NGINX = '/usr/sbin/nginx';
const NGINX_RTMP_MODULE = '/usr/lib/nginx/modules/ngx_rtmp_module.so';

interface Load {
  readonly streams: number;
  readonly videoKbps: number;
}

/** Engine process against nginx's RTMP module writing segments: the same streams, one after the other. */
export async function benchIngestProcessor(
  stack: Stack,
  folder: string,
  streams: readonly number[] | undefined,
): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const load of LOADS) {
    if (streams !== undefined && !streams.includes(load.streams)) continue;
    figures.push(await compare(stack, folder, load));
  }
  return figures;
}

async function compare(stack: Stack, folder: string, load: Load): Promise<Figure> {
  const file = join(folder, `noise-${load.videoKbps}.flv`);
  if (!existsSync(file)) await makeNoisyVideo(file, load);
  const loadBefore = loadavg()[0] ?? 0;
  const engine = await measureEngine(stack, file, load);
  const what = `ingest with segmenting, processor ms per Mbit, ${load.streams} × ${load.videoKbps / 1000} Mbit/s (load before ${loadBefore.toFixed(1)})`;
  const target = `≤ ${RATIO_MAX} × nginx-rtmp`;
  if (!existsSync(NGINX_RTMP_MODULE)) {
    const measured = `engine ${engine.toFixed(2)} (no nginx RTMP module here)`;
    return { what, measured, target, met: undefined };
  }
  const nginx = await measureNginx(folder, file, load);
  const ratio = engine / nginx;
  return {
    what,
    measured: `engine ${engine.toFixed(2)} · nginx ${nginx.toFixed(2)} · ratio ${ratio.toFixed(2)}`,
    target,
    met: ratio <= RATIO_MAX,
  };
}

async function makeNoisyVideo(file: string, { videoKbps }: Load): Promise<void> {
  const rate = `${videoKbps}k`;
  await run('ffmpeg', [
    ...['-y', '-v', 'error', '-f', 'lavfi', '-i', 'testsrc2=size=1280x720:rate=30,noise=alls=30:allf=t'],
    ...['-f', 'lavfi', '-i', 'sine=sample_rate=48000', '-t', '10', '-c:v', 'libx264', '-preset', 'ultrafast'],
    ...['-b:v', rate, '-minrate', rate, '-maxrate', rate, '-bufsize', rate, '-g', '60', '-sc_threshold', '0'],
    ...['-c:a', 'aac', '-b:a', `${AUDIO_KBPS}k`, '-f', 'flv', file],
  ]);
}

async function measureEngine(stack: Stack, file: string, load: Load): Promise<number> {
  const names = Array.from({ length: load.streams }, (_, index) => `load${load.streams}-${index}`);
  const pushes: { file: string; url: string; loop: boolean }[] = [];
  for (const name of names) {
    await stack.api.expect(201, 'PUT', `/channels/${name}`, {});
    await stack.api.expect(201, 'PUT', `/channels/${name}/programs/show`, {});
    await stack.api.expect(200, 'POST', `/channels/${name}/start`);
    const key = await stack.api.expect(200, 'GET', `/channels/${name}/stream-key`);
    pushes.push({ file, url: `${rtmpUrl(key)}/main`, loop: true });
  }
  const perMbit = await measure(stack.pid('engine'), pushes, load);
  for (const name of names)
    await stack.api.expect(200, 'POST', `/channels/${name}/stop`, { finishPrograms: true });
  return perMbit;
}

async function measureNginx(folder: string, file: string, load: Load): Promise<number> {
  const port = await findFreePort();
  const home = join(folder, `nginx-${load.streams}`);
  await mkdir(join(home, 'hls'), { recursive: true });
  await writeFile(
    join(home, 'nginx.conf'),
    `load_module ${NGINX_RTMP_MODULE};\ndaemon off; master_process off; pid ${home}/pid; error_log ${home}/error.log;
events {}
rtmp { server { listen 127.0.0.1:${port}; application live { live on; hls on; hls_path ${home}/hls; hls_fragment 2s; } } }`,
  );
  const nginx = spawn(NGINX, ['-p', home, '-c', join(home, 'nginx.conf')], { stdio: 'ignore' });
  try {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const pid = Number(await readFile(join(home, 'pid'), 'utf8'));
    const pushes = Array.from({ length: load.streams }, (_, index) => ({
      file,
      url: `rtmp://127.0.0.1:${port}/live/stream${index}`,
      loop: true,
    }));
    return await measure(pid, pushes, load);
  } finally {
    nginx.kill();
  }
}

async function measure(
  pid: number,
  pushes: readonly { file: string; url: string; loop: boolean }[],
  { videoKbps }: Load,
): Promise<number> {
  const encoder = new Encoder(pushes);
  try {
    await new Promise((resolve) => setTimeout(resolve, WARM_UP_MS));
    const [secondsBefore, bytesBefore] = [await processorSeconds(pid), await bytesRead(encoder.pid)];
    const startedAt = performance.now();
    await new Promise((resolve) => setTimeout(resolve, MEASURE_MS));
    const usedMs = ((await processorSeconds(pid)) - secondsBefore) * 1000;
    if (!encoder.isRunning) throw new Error(`the encoder stopped: ${await encoder.ended()}`);
    // It reads its files and pushes them on unchanged.
    const pushedMbit = (((await bytesRead(encoder.pid)) - bytesBefore) * 8) / 1e6;
    const wantedMbit =
      ((performance.now() - startedAt) / 1000) * pushes.length * ((videoKbps + AUDIO_KBPS) / 1000);
    if (pushedMbit < wantedMbit * REAL_TIME_SHARE_MIN) {
      throw new Error(`the encoder pushed ${pushedMbit.toFixed(0)} Mbit, not ${wantedMbit.toFixed(0)}`);
    }
    return usedMs / pushedMbit;
  } finally {
    await encoder.stop();
  }
}
