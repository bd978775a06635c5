import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import { buildEngine, type EngineProgram, type RunningEngine } from '../support/engine-program.ts';
import { startLoad } from '../support/http-load.ts';
import { type StoredShow, storeShow } from '../support/stored-show.ts';

const FRAGMENT_BYTES = 64 * 1024;
const FRAGMENTS = 8;

let azurite: Azurite;
let program: EngineProgram;
let show: StoredShow;
let engine: RunningEngine;
let base: string;

beforeAll(async () => {
  [azurite, program] = await Promise.all([startAzurite(), buildEngine()]);
  show = await storeShow(azurite.connectionString, { fragments: FRAGMENTS, sizeBytes: FRAGMENT_BYTES });
  engine = await program.start('origin', {
    HEADEND_STORAGE: azurite.connectionString,
    HEADEND_ORIGIN_PROCESSES_MAX: '3',
  });
  base = `http://127.0.0.1:${engine.ports['streaming']}`;
}, 120_000);

afterAll(async () => {
  await program?.close();
  await azurite?.close();
}, 60_000);

async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = Date.now() + 45_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not in time: ${what}\n${engine.log().slice(-4_000)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const status = async () => (await show.table.find('s!origin!default'))?.body;
const reports = (processes: number, wantedUnits: number) => async () => {
  const found = await status();
  return (
    JSON.stringify(found) ===
    JSON.stringify({
      ...{ endpoint: 'default', processes, processesMax: 3, wantedUnits },
      atMs: Reflect.get(Object(found), 'atMs'),
    })
  );
};

/** Of the processes that are said to serve and of which nothing else was said since. */
function servingPids(): number[] {
  const pids = new Set<number>();
  for (const line of engine.log().split('\n')) {
    const pid = Number(/"pid":(\d+)/.exec(line)?.[1]);
    if (line.includes('"origin.processReady"')) pids.add(pid);
    if (/"origin\.process(Lost|Ended)"/.test(line)) pids.delete(pid);
  }
  return [...pids];
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('a streaming endpoint of several processes behind one port', () => {
  it('serves with one process, and says so', async () => {
    await until('one process', reports(1, 0));
    const answer = await fetch(`${base}${show.fragmentPath(3)}`);
    expect(new Uint8Array(await answer.arrayBuffer())).toEqual(new Uint8Array(show.fragmentBytes(3)));
    expect(await (await fetch(`${base}${show.playlistPath}`)).text()).toContain('#EXT-X-ENDLIST');
  }, 60_000);

  it('is scaled up and down three times under load without dropping a request', async () => {
    const playlist = await (await fetch(`${base}${show.playlistPath}`)).arrayBuffer();
    const load = startLoad(base, {
      viewers: 60,
      paths: [
        { path: show.playlistPath, sizeBytes: playlist.byteLength },
        ...[0, 1, 2].map((n) => ({ path: show.fragmentPath(n), sizeBytes: FRAGMENT_BYTES })),
      ],
      // Some ask without a pause, some as a player of two-second segments does.
      thinkMs: (viewer) => (viewer % 3 === 0 ? 2_000 : viewer % 7),
    });
    for (let round = 0; round < 3; round += 1) {
      await show.scale(3);
      await until('three processes', reports(3, 3));
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      await show.scale(0);
      await until('one process again', reports(1, 0));
      await new Promise((resolve) => setTimeout(resolve, 1_500));
    }
    const { answered, connections, dropped } = await load.stop();
    process.stderr.write(`${answered} requests on ${connections} connections, ${dropped.length} dropped\n`);
    expect(dropped).toEqual([]);
    expect(answered).toBeGreaterThan(1_000);
    // They were told to connect anew, so the processes that went had connections.
    expect(connections).toBeGreaterThan(60);
    await until('those that went are gone', () => servingPids().length === 1);
  }, 180_000);

  it('replaces a killed process while the others serve, and holds connections while there is none', async () => {
    await show.scale(2);
    await until('two processes', reports(2, 2));
    const [victim = 0] = servingPids();
    process.kill(victim, 'SIGKILL');
    await until('the loss is noticed', () => !servingPids().includes(victim));
    const during = await Promise.all(
      Array.from(
        { length: 50 },
        async () => (await fetch(`${base}/time`, { headers: { connection: 'close' } })).status,
      ),
    );
    expect(new Set(during)).toEqual(new Set([200]));
    await until('a new one', () => servingPids().length === 2 && !servingPids().includes(victim));
    await until('two processes again', reports(2, 2));
    await show.scale(0);
    await until('one process', reports(1, 0));
    await until('the other one is gone', () => servingPids().length === 1);
    const [last = 0] = servingPids();
    process.kill(last, 'SIGKILL');
    await until('the loss is noticed', () => !servingPids().includes(last));
    const held = await fetch(`${base}/time`, { headers: { connection: 'close' } });
    expect(held.status).toBe(200);
  }, 120_000);

  it('leaves no process behind when its supervisor is killed, and drains when it is told to stop', async () => {
    const before = servingPids();
    expect(before.length).toBeGreaterThan(0);
    await engine.stop('SIGKILL');
    await until('its processes are gone', () => !before.some(isAlive));
    engine = await program.start('origin', { HEADEND_STORAGE: azurite.connectionString });
    base = `http://127.0.0.1:${engine.ports['streaming']}`;
    expect((await fetch(`${base}/time`)).status).toBe(200);
    const pids = servingPids();
    expect(await engine.stop('SIGTERM')).toBe(0);
    await until('its processes are gone', () => !pids.some(isAlive));
  }, 120_000);
});
