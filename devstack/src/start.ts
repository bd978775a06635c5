import { EventEmitter } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { findAzureHost, seedAzureHostKeys } from './azure-host.ts';
import { seedCertificates } from './certificates.ts';
import { type DataFolder, openDataFolder } from './data-folder.ts';
import { missingFFmpeg } from './encoding-tools.ts';
import { startDefaultStreamingEndpoint } from './engine-account.ts';
import { readEnvironment } from './environment.ts';
import { subscribeFunctions } from './event-subscriptions.ts';
import { helpText, type Ports, parseStartFlags, type StartFlags } from './flags.ts';
import { checkPorts } from './port-check.ts';
import { ACCOUNT_ID, addresses, type Layout, LOCATION, masterKeyFile, publisherSpec } from './processes.ts';
import { seedMasterKeys, seedSecrets } from './secrets.ts';
import { prepareShow } from './show.ts';
import { Stack } from './stack.ts';
import { StartFailed } from './supervised-process.ts';
import { openVoice, type Voice } from './terminal.ts';

const EXIT_USAGE = 2;
const EXIT_FAILED = 1;
/** What an earlier stack that was killed leaves behind lets go of its ports within this time. */
const PORTS_FREE_WITHIN_MS = 3000;
const PORTS_POLL_MS = 250;

/** `devstack.mjs start`: runs the stack until Ctrl-C, SIGTERM or, when asked to, the end of the parent. */
export async function runStart(argv: readonly string[]): Promise<void> {
  const startedAt = performance.now();
  const environment = readEnvironment();
  const voice = openVoice({ isTerminal: process.stdout.isTTY === true, colour: environment.colour });
  const parsed = parseStartFlags(argv);
  if (parsed.kind === 'help') {
    process.stdout.write(`${helpText()}\n`);
    return;
  }
  if (parsed.kind === 'invalid') {
    voice.problem(`${parsed.problems.join('\n')}\n\n${helpText()}`);
    process.exitCode = EXIT_USAGE;
    return;
  }
  const folder = await openFolder(parsed.flags, voice);
  if (folder === undefined) return;
  try {
    await runIn(folder, parsed.flags, { environment, voice, startedAt });
  } catch (error) {
    report(error, voice, folder);
    process.exitCode = EXIT_FAILED;
  } finally {
    await folder.close();
    // A stdin that was watched for its end must not keep a finished program alive.
    process.stdin.destroy();
  }
}

interface Session {
  readonly environment: ReturnType<typeof readEnvironment>;
  readonly voice: Voice;
  readonly startedAt: number;
}

async function runIn(folder: DataFolder, flags: StartFlags, session: Session): Promise<void> {
  const { environment, voice } = session;
  if (flags.fresh) await folder.clear();
  const azureHost = flags.host === 'azure' ? await findAzureHost(environment.azureHostFolder) : undefined;
  if (azureHost?.kind === 'missing') {
    voice.problem(azureHost.sentence);
    process.exitCode = EXIT_FAILED;
    return;
  }
  const ports = await freePorts(flags.ports, voice);
  if (ports === undefined) return;
  const certificates = await seedCertificates(folder.file('tls'), {
    extraCaFile: environment.extraCaFile,
    nowMs: Date.now(),
  });
  const noFFmpeg = await missingFFmpeg({
    searchPath: environment.searchPath,
    ffmpeg: environment.forEngine['HEADEND_FFMPEG'] || undefined,
    platform: process.platform,
  });
  if (noFFmpeg !== undefined) voice.warn(noFFmpeg);
  const secrets = await seedSecrets(folder.file('secrets.json'));
  await seedMasterKeys(masterKeyFile(folder));
  const { watch } = flags;
  if (azureHost !== undefined) await seedAzureHostKeys(azureHost, secrets);
  const layout: Layout = { folder, ports, secrets, certificates, environment, watch, azureHost };
  const stack = new Stack(layout, voice);
  const ending = endRequested(environment.exitWithParent);
  ending.again.then(
    () => stack.kill(),
    () => undefined,
  );
  try {
    await Promise.race([bringUp(stack, layout, { ...session, flags }), ending.first]);
    await ending.first;
  } finally {
    if (ending.isRequested()) voice.doing('stopping; Ctrl-C again ends everything at once');
    await stack.stop();
  }
}

async function bringUp(
  stack: Stack,
  layout: Layout,
  session: Session & { flags: StartFlags },
): Promise<void> {
  const { ports, secrets, certificates, folder } = layout;
  const at = addresses(ports);
  session.voice.doing('starting storage, Event Grid broker, engine, Functions host and page');
  await stack.start();
  await Promise.all([
    startDefaultStreamingEndpoint({
      armEndpoint: at.arm,
      accountId: ACCOUNT_ID,
      location: LOCATION,
      identityEndpoint: at.identityEndpoint,
      identitySecret: secrets.identitySecret,
      caPem: await readFile(certificates.caFile, 'utf8'),
    }),
    subscribeFunctions({
      broker: at.broker,
      eventGridKey: secrets.eventGridKey,
      functions: at.functions,
      systemKey: secrets.eventGridSystemKey,
    }),
  ]);
  const { demo } = session.flags;
  const show = await prepareShow(
    { base: at.api, functionKey: secrets.functionKey },
    demo ? 'demo' : 'studio',
  );
  if (demo) await stack.run([publisherSpec(layout, show.server)]);
  session.voice.ready({
    ports,
    functionKey: secrets.functionKey,
    show,
    isDemo: demo,
    dataDir: folder.path,
    seconds: (performance.now() - session.startedAt) / 1000,
    pids: stack.pids(),
  });
}

async function openFolder(flags: StartFlags, voice: Voice): Promise<DataFolder | undefined> {
  const folderPath = path.resolve(flags.dataDir);
  const opened = await openDataFolder(folderPath);
  if (opened.kind === 'open') return opened.folder;
  process.exitCode = EXIT_FAILED;
  if (opened.kind === 'foreign') {
    voice.problem(
      `${folderPath} holds something that is not Headend's; choose an empty folder with --data-dir.`,
    );
    return undefined;
  }
  voice.problem(
    `Headend already runs on ${folderPath} (process ${opened.pid}). Stop it with Ctrl-C, or run a second one with --data-dir and other ports.`,
  );
  return undefined;
}

async function freePorts(wanted: Ports, voice: Voice): Promise<Ports | undefined> {
  const deadlineMs = Date.now() + PORTS_FREE_WITHIN_MS;
  for (;;) {
    const check = await checkPorts(wanted);
    if (check.kind === 'free') return check.ports;
    if (Date.now() > deadlineMs) {
      voice.problem(check.problems.join('\n'));
      process.exitCode = EXIT_FAILED;
      return undefined;
    }
    await delay(PORTS_POLL_MS);
  }
}

interface Ending {
  /** The first request to end. */
  readonly first: Promise<void>;
  /** The second: somebody is impatient. */
  readonly again: Promise<void>;
  isRequested(): boolean;
}

function endRequested(withParent: boolean): Ending {
  const requests = new EventEmitter();
  let count = 0;
  const request = () => {
    count += 1;
    requests.emit(count === 1 ? 'first' : 'again');
  };
  const next = (name: 'first' | 'again') =>
    new Promise<void>((resolve) => {
      requests.once(name, resolve);
    });
  const ending = { first: next('first'), again: next('again'), isRequested: () => count > 0 };
  process.on('SIGINT', request);
  process.on('SIGTERM', request);
  process.on('SIGHUP', request);
  if (withParent) process.stdin.once('end', request).resume();
  return ending;
}

function report(error: unknown, voice: Voice, folder: DataFolder): void {
  if (error instanceof StartFailed) {
    voice.problem(
      `${error.message}. Its last lines:\n${error.lastLines.map((line) => `  ${line}`).join('\n')}`,
    );
  } else {
    voice.problem(error instanceof Error ? error.message : String(error));
  }
  voice.problem(`The logs are in ${folder.file('logs')}.`);
}
