import { SHERPA_COMMAND } from '../speech/sherpa-recognizer.ts';
import { exitsWithParent, InvalidConfig, readConfig } from './config.ts';
import { tuneGarbageCollection } from './garbage-collection.ts';
import { createLog, type Log } from './log.ts';
import { serveAsOriginProcess } from './origin-process.ts';
import { ORIGIN_PROCESS_COMMAND } from './role-origin.ts';
import { serve } from './serve.ts';

const USAGE = [
  'engine serve --roles control,ingest,origin,keys,worker',
  'engine publish --url rtmp[s]://host/app/stream --file x.flv [--loop] [--seconds n] [--reconnect]',
];

/** Exit codes: 0 stopped in order, 1 failed, 2 wrong command line or settings. */
async function main([command, ...args]: readonly string[]): Promise<number> {
  const log = createLog(process.stderr, () => new Date());
  try {
    switch (command) {
      case 'serve':
        return await runServe(args, log);
      case ORIGIN_PROCESS_COMMAND:
        tuneGarbageCollection();
        return await serveAsOriginProcess(readConfig('origin'), log);
      case SHERPA_COMMAND:
        return await runSherpa(args);
      case 'publish':
        return await runPublish(args);
      default:
        log.error('engine.usage', { usage: USAGE });
        return 2;
    }
  } catch (error) {
    if (error instanceof InvalidConfig) {
      log.error('engine.invalidSettings', { problems: error.problems });
      return 2;
    }
    log.error('engine.failed', { error });
    return 1;
  }
}

async function runServe(args: readonly string[], log: Log): Promise<number> {
  tuneGarbageCollection();
  const at = args.indexOf('--roles');
  await serve(readConfig(at < 0 ? undefined : args[at + 1]), log);
  return 0;
}

/** What a worker starts to listen with a model: it writes lines to its output, and is told nothing but a task. */
async function runSherpa([taskPath = '']: readonly string[]): Promise<number> {
  const { runSherpaCommand } = await import('../speech/sherpa-command.ts');
  return runSherpaCommand(taskPath, (line) => process.stdout.write(`${line}\n`));
}

async function runPublish(args: readonly string[]): Promise<number> {
  const { runPublishCommand } = await import('../publisher/publish-command.ts');
  if (exitsWithParent()) {
    process.stdin.once('end', () => process.kill(process.pid, 'SIGTERM'));
    process.stdin.resume();
  }
  try {
    await runPublishCommand(args);
  } finally {
    // Else the program that could not publish would stay for as long as its parent does.
    process.stdin.destroy();
  }
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
