import { once } from 'node:events';
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';

/** PEM. */
export interface TlsCertificate {
  readonly certPem: string;
  readonly keyPem: string;
}

export interface RtmpListenerOptions {
  readonly port: number;
  readonly host: string;
  /** Undefined: plain RTMP; else RTMPS. */
  readonly tls: TlsCertificate | undefined;
  readonly tlsHandshakeTimeoutMs: number;
  /**
   * Asked for every TCP connection before anything is done for it, so that a TLS handshake counts towards the limits too.
   * False: it is dropped.
   */
  admit(socket: Socket): boolean;
  /** An admitted connection whose bytes are RTMP from here on. */
  onConnection(socket: Socket): void;
  onTlsFailure(error: Error, socket: Socket): void;
}

export interface RtmpListener {
  readonly port: number;
  /** Stops listening and drops every connection; resolves when all are gone. */
  close(): Promise<void>;
}

/** Listens for RTMP, or for RTMPS when there is a certificate. Rejects when it cannot. */
export async function openRtmpListener(options: RtmpListenerOptions): Promise<RtmpListener> {
  const sockets = new Set<Socket>();
  const server = options.tls === undefined ? createTcpServer() : createSecureServer(options, options.tls);
  // Before TLS takes the socket over; it does nothing with one that is gone already.
  server.prependListener('connection', (socket: Socket) => {
    if (!options.admit(socket)) {
      socket.on('error', () => undefined);
      socket.destroy();
      return;
    }
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    if (options.tls === undefined) options.onConnection(socket);
  });
  server.listen(options.port, options.host);
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : options.port,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function createSecureServer(options: RtmpListenerOptions, tls: TlsCertificate): Server {
  const server = createTlsServer({
    cert: tls.certPem,
    key: tls.keyPem,
    handshakeTimeout: options.tlsHandshakeTimeoutMs,
  });
  server.on('secureConnection', options.onConnection);
  server.on('tlsClientError', (error, socket) => {
    // Told before the socket forgets whose it was. One whose handshake took too long would stay open.
    options.onTlsFailure(error, socket);
    socket.destroy();
  });
  return server;
}
