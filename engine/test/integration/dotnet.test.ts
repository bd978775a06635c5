import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ACCOUNT, ACCOUNT_ID } from '../support/arm-client.ts';
import { type ArmStack, startArmStack } from '../support/arm-stack.ts';
import { buildDotnetProgram } from '../support/dotnet-program.ts';

/** Of the laptop's token issuer. */
const TENANT = '00000000-0000-0000-0000-00000000ad15';
const CLIENT = '00000000-0000-0000-0000-00000000c11e';

let program: Awaited<ReturnType<typeof buildDotnetProgram>>;
let stack: ArmStack | undefined;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headend-dotnet-'));
  program = await buildDotnetProgram('LiveWorkflow');
  if (program.kind === 'built') stack = await startArmStack();
}, 240_000);

afterAll(async () => {
  await stack?.close();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

describe('an application in C#', () => {
  it('walks the live workflow with the Azure libraries for .NET', async () => {
    if (program.kind === 'absent' || stack === undefined) {
      process.stderr.write(
        `skipped: the .NET program (${program.kind === 'absent' ? program.reason : ''})\n`,
      );
      return;
    }
    const { engine, program: engineProgram } = stack;
    const trusted = join(folder, 'trusted.pem');
    await writeFile(trusted, engineProgram.caPem);
    const endpoint = `https://127.0.0.1:${engine.ports['arm']}/`;
    const printed = await program.run([endpoint, ACCOUNT_ID, trusted, TENANT, CLIENT], {
      IDENTITY_ENDPOINT: `http://127.0.0.1:${engine.ports['identity']}/msi/token`,
      IDENTITY_HEADER: engineProgram.identitySecret,
    });
    const report: unknown = JSON.parse(printed);
    const id = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
    const ingest = (scheme: string, port: number) =>
      expect.stringMatching(new RegExp(`^${scheme}://127\\.0\\.0\\.1:${port}/live/[0-9a-f]{32}$`));
    expect(report).toEqual({
      account: ACCOUNT,
      started: 'Running',
      ingestUrls: [ingest('rtmp', 1935), ingest('rtmp', 1936), ingest('rtmps', 2935), ingest('rtmps', 2936)],
      output: 'Running',
      streamingLocatorId: expect.stringMatching(new RegExp(`^${id}$`)),
      protocols: expect.arrayContaining(['Hls', 'Dash']),
      endpoint: 'Running',
      stopped: 'Stopped',
      outputsLeft: 0,
      afterDelete: '404 ResourceNotFound',
      // Create, start, output, endpoint's start, stop, delete, endpoint's stop.
      operationsFollowed: 7,
      bySecret: ACCOUNT,
    });
  }, 120_000);
});
