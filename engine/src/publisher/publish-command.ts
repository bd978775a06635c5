import { parseArgs } from 'node:util';
import { publishFlv } from './publish-flv.ts';

/**
 * `publish --url rtmp[s]://… --file x.flv [--loop] [--seconds n] [--reconnect]`: prints `{"ready":true}` on stdout when
 * publishing began; ends on SIGTERM or SIGINT. Rejects when the arguments are wrong or publishing failed.
 */
export async function runPublishCommand(argv: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      url: { type: 'string' },
      file: { type: 'string' },
      loop: { type: 'boolean', default: false },
      seconds: { type: 'string' },
      reconnect: { type: 'boolean', default: false },
    },
  });
  const { url, file } = values;
  if (url === undefined || file === undefined) throw new TypeError('publish needs --url and --file');
  const seconds = values.seconds === undefined ? undefined : Number(values.seconds);
  if (seconds !== undefined && !(seconds > 0)) throw new TypeError('--seconds must be a positive number');
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.once('SIGTERM', onSignal).once('SIGINT', onSignal);
  const write = (level: string) => (event: string, fields?: object) => {
    process.stderr.write(`${JSON.stringify({ level, event, ...fields })}\n`);
  };
  let isReady = false;
  try {
    await publishFlv({
      url,
      file,
      loop: values.loop,
      ...(seconds === undefined ? {} : { seconds }),
      reconnect: values.reconnect,
      signal: stop.signal,
      log: { info: write('info'), warn: write('warn') },
      onPublishing: () => {
        if (!isReady) process.stdout.write('{"ready":true}\n');
        isReady = true;
      },
    });
  } finally {
    process.off('SIGTERM', onSignal).off('SIGINT', onSignal);
  }
}
