import type { Server } from 'node:http';
import { z } from 'zod';
import { readEnvironment } from '../environment.ts';
import { describeError, openLog } from '../log.ts';
import { BlobEvents } from './blob-events.ts';
import { startBlobProxy } from './blob-proxy.ts';

const CLOSE_WITHIN_MS = 2000;

const Settings = z.object({
  HEADEND_UPLOADS_PORT: z.coerce.number().int().min(0).max(65_535),
  HEADEND_UPLOADS_STORAGE_PORT: z.coerce.number().int().min(1).max(65_535),
  HEADEND_UPLOADS_TOPIC: z.string().min(1),
  HEADEND_CORS_ORIGINS: z
    .string()
    .default('')
    .transform((text) => text.split(',').filter((origin) => origin !== '')),
  HEADEND_STORAGE: z.string().min(1),
  HEADEND_EVENTGRID_ENDPOINT: z.url(),
  HEADEND_EVENTGRID_KEY: z.string().min(16),
});

/** `devstack.mjs uploads`: stands before the blob port and tells the broker what arrives, until SIGTERM. */
export async function runUploads(): Promise<void> {
  const { variables, exitWithParent } = readEnvironment();
  const log = openLog('uploads');
  const settings = Settings.parse(variables);
  const events = new BlobEvents({
    storage: settings.HEADEND_STORAGE,
    endpoint: settings.HEADEND_EVENTGRID_ENDPOINT,
    key: settings.HEADEND_EVENTGRID_KEY,
    topic: settings.HEADEND_UPLOADS_TOPIC,
    log,
  });
  const server = await startBlobProxy({
    port: settings.HEADEND_UPLOADS_PORT,
    upstreamPort: settings.HEADEND_UPLOADS_STORAGE_PORT,
    origins: settings.HEADEND_CORS_ORIGINS,
    onDone: (operation) => events.tell(operation),
    log,
  });
  const stop = () => {
    end(server, events).then(
      () => process.exit(0),
      (error: unknown) => {
        log.error('uploads.notStopped', describeError(error));
        process.exit(1);
      },
    );
  };
  process.once('SIGTERM', stop).once('SIGINT', stop);
  if (exitWithParent) process.stdin.once('end', stop).once('error', stop).resume();
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  process.stdout.write(`${JSON.stringify({ ready: true, port })}\n`);
}

async function end(server: Server, events: BlobEvents): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeIdleConnections();
  setTimeout(() => server.closeAllConnections(), CLOSE_WITHIN_MS).unref();
  await closed;
  await events.close();
}
