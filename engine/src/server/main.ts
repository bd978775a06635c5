import { InvalidConfig, readConfig } from './config.ts';
import { createLog } from './log.ts';
import { serve } from './serve.ts';

const USAGE = 'usage: engine serve --roles control,ingest,origin';

/** Exit codes: 0 stopped in order, 1 failed, 2 wrong command line or settings. */
async function main(argv: readonly string[]): Promise<number> {
  const log = createLog(process.stderr, () => new Date());
  const [command, ...args] = argv;
  if (command !== 'serve') {
    log.error('engine.usage', { usage: USAGE });
    return 2;
  }
  try {
    const at = args.indexOf('--roles');
    await serve(readConfig(at < 0 ? undefined : args[at + 1]), log);
    return 0;
  } catch (error) {
    if (error instanceof InvalidConfig) {
      log.error('engine.invalidSettings', { problems: error.problems });
      return 2;
    }
    log.error('engine.failed', { error });
    return 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
