import { FunctionWorker, toRpcException } from './function-worker.ts';
import { type FromWorker, parseToWorker } from './worker-protocol.ts';

/** The child's side of `openChildWorker`: serves the host over IPC until told to stop or left alone. */
export function runHostWorker(): void {
  const send = (message: FromWorker, sent?: () => void) => {
    // The host may have died in between; the disconnect below ends this process then.
    if (process.connected) process.send?.(message, undefined, {}, () => sent?.());
  };
  const worker = new FunctionWorker((record) => send({ kind: 'log', record }));
  const stop = async () => {
    try {
      await worker.stop();
    } finally {
      send({ kind: 'stopped' }, () => process.exit(0));
    }
  };
  const start = async (appDir: string) => {
    try {
      send({ kind: 'started', start: await worker.start(appDir) });
    } catch (error) {
      send({ kind: 'startFailed', exception: toRpcException(error) }, () => process.exit(1));
    }
  };
  const invoke = async (request: Parameters<FunctionWorker['invoke']>[0]) => {
    send({ kind: 'response', response: await worker.invoke(request) });
  };
  process.on('message', (raw) => {
    const message = parseToWorker(raw);
    // A rejection here is an unhandled one: the process dies and the host starts another, as it should.
    if (message?.kind === 'start') void start(message.appDir);
    else if (message?.kind === 'invoke') void invoke(message.request);
    else if (message?.kind === 'stop') void stop();
  });
  process.on('disconnect', () => process.exit(0));
  // Ctrl-C reaches the whole process group: the host decides when its worker ends.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => undefined);
}
