import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { RtmpClientConnection } from '../../src/protocols/rtmp/client-connection.ts';
import type { RtmpMessage } from '../../src/protocols/rtmp/message.ts';
import { TOKEN } from './recording-door.ts';

export interface RawPublisher {
  send(message: Pick<RtmpMessage, 'typeId' | 'timestampMs' | 'payload'>): void;
  /** Says goodbye as encoders do. */
  stop(): void;
  /** Closes the connection without a word. */
  end(): void;
  /** Resolves with the server's refusal, or `closed`, when the connection is gone. */
  readonly outcome: Promise<string>;
}

/** A publisher that sends what it is told to, and remembers what the server said. Resolves once it is let in or refused. */
export async function rawPublisher(
  port: number,
  publishingName = 'raw',
  { app = `live/${TOKEN}`, socket = connect(port, '127.0.0.1') }: { app?: string; socket?: Socket } = {},
): Promise<RawPublisher> {
  socket.on('error', () => undefined);
  let refusal = 'closed';
  const client = new RtmpClientConnection({
    tcUrl: `rtmp://127.0.0.1:${port}/${app}`,
    app,
    publishingName,
    send: (bytes) => void socket.write(bytes),
    handshakeSource: () => ({ timeMs: 0, random: (size) => new Uint8Array(size) }),
  });
  // A reset is an end as well.
  const outcome = new Promise<string>((resolve) => socket.once('close', () => resolve(refusal)));
  const letIn = new Promise<void>((resolve) => {
    socket.on('data', (bytes) => {
      try {
        client.receive(bytes);
      } catch (error) {
        refusal = String(error);
      }
      if (client.isPublishing()) resolve();
    });
  });
  if (socket.connecting) await once(socket, 'connect');
  client.start();
  await Promise.race([letIn, outcome]);
  return {
    send: (message) => client.writeMedia(message),
    stop: () => client.stop(),
    end: () => socket.end(),
    outcome,
  };
}
