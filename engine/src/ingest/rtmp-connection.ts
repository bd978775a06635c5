import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { RtmpServerConnection, type RtmpServerEvent } from '../protocols/rtmp/server-connection.ts';
import { type PublishPath, parsePublishPath } from './publish-path.ts';
import type { IngestResultCode, PublishDoor, PublishRequest, PublishSession } from './publish-session.ts';
import { IngestRefusal, RtmpIntake } from './rtmp-intake.ts';

export interface IngestLog {
  info(event: string, fields?: object): void;
  warn(event: string, fields?: object): void;
  error(event: string, fields?: object): void;
}

export interface IngestClock {
  /** Unix milliseconds. */
  now(): number;
}

export interface RtmpIngestLimits {
  readonly handshakeTimeoutMs: number;
  /** From the handshake to `publish`. */
  readonly publishTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
}

export interface RtmpConnectionOptions {
  readonly socket: Socket;
  readonly door: PublishDoor;
  readonly log: IngestLog;
  readonly clock: IngestClock;
  readonly limits: RtmpIngestLimits;
}

/** Answers that a peer does not read. */
const OUTPUT_BYTES_MAX = 256 * 1024;
/** How long a peer may take to read why it was refused. */
const CLOSE_GRACE_MS = 1000;

type Phase = 'handshake' | 'commands' | 'publishing' | 'unpublished' | 'closing';

/** One encoder's connection: socket events in, calls of the door and the session out, in order. */
export class RtmpConnection {
  readonly #options: RtmpConnectionOptions;
  readonly #protocol: RtmpServerConnection;
  readonly #request: Pick<PublishRequest, 'encoderIp' | 'encoderPort' | 'protocol'>;
  #phase: Phase = 'handshake';
  #phaseSinceMs: number;
  #isWaiting = false;
  #hasSocketClosed = false;
  #path: PublishPath | undefined;
  #session: PublishSession | undefined;
  #intake: RtmpIntake | undefined;
  #closeCode: IngestResultCode = 'MPI_STREAM_HIT_EOF';
  readonly #onRevoked = (): void => this.#revoke();

  constructor(options: RtmpConnectionOptions) {
    const { socket, clock } = options;
    this.#options = options;
    this.#phaseSinceMs = clock.now();
    this.#request = {
      encoderIp: socket.remoteAddress ?? '',
      encoderPort: socket.remotePort ?? 0,
      protocol: 'RTMP',
    };
    this.#protocol = new RtmpServerConnection({
      send: (bytes) => this.#send(bytes),
      handshakeSource: () => ({ timeMs: clock.now(), random: randomBytes }),
    });
    socket.setNoDelay(true);
    socket.on('data', (bytes) => this.#receive(bytes));
    // A reset is how many encoders say goodbye; what it means is decided at `close`.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#hasSocketClosed = true;
      this.#finish();
    });
  }

  /** Closes what has taken too long; called about once a second. */
  sweep(): void {
    if (this.#isWaiting) return;
    const { limits, clock } = this.#options;
    const waitedMs = clock.now() - this.#phaseSinceMs;
    if (this.#phase === 'publishing' && waitedMs > limits.idleTimeoutMs) {
      this.#refuse('MPE_RTMP_SESSION_IDLE_TIMEOUT', 'No audio or video arrived in time.');
    }
    if (this.#phase === 'handshake' && waitedMs > limits.handshakeTimeoutMs) this.destroy();
    if (this.#phase === 'commands' && waitedMs > limits.publishTimeoutMs) this.destroy();
    const isLeaving = this.#phase === 'closing' || this.#phase === 'unpublished';
    if (isLeaving && waitedMs > CLOSE_GRACE_MS) this.destroy();
  }

  destroy(): void {
    this.#options.socket.destroy();
  }

  /** Drops the encoder because this process stops. */
  stop(): void {
    this.#closeCode = 'MPI_SYSTEM_MAINTENANCE';
    this.destroy();
  }

  #enter(phase: Phase): void {
    this.#phase = phase;
    this.#phaseSinceMs = this.#options.clock.now();
  }

  #receive(bytes: Uint8Array): void {
    // Still read while closing: closing with unread bytes would reset the connection before the peer reads why.
    if (this.#phase === 'closing') return;
    try {
      this.#protocol.receive(bytes);
      if (this.#phase === 'handshake' && this.#protocol.isHandshakeDone()) this.#enter('commands');
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#pump();
  }

  #pump(): void {
    try {
      while (!this.#isWaiting && this.#phase !== 'closing') {
        const event = this.#protocol.next();
        if (event === undefined) return;
        const pending = this.#handle(event);
        if (pending !== undefined) this.#wait(pending);
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Reads nothing more from the socket, nor from what was read, until the promise has settled. */
  #wait(pending: Promise<void>): void {
    this.#isWaiting = true;
    this.#options.socket.pause();
    pending.then(
      () => this.#resume(),
      (error: unknown) => {
        this.#isWaiting = false;
        this.#fail(error);
        this.#options.socket.resume();
      },
    );
  }

  #resume(): void {
    this.#isWaiting = false;
    this.#phaseSinceMs = this.#options.clock.now();
    this.#pump();
    if (this.#isWaiting) return;
    if (this.#hasSocketClosed) this.#finish();
    else this.#options.socket.resume();
  }

  #handle(event: RtmpServerEvent): Promise<void> | undefined {
    switch (event.kind) {
      case 'connect':
        if (/^\/?live(\/|\?|$)/.test(event.app)) this.#protocol.acceptConnect();
        else this.#badUrl(() => this.#protocol.rejectConnect(URL_HINT));
        return undefined;
      case 'publish':
        return this.#publish(event.app, event.publishingName);
      case 'media':
        if (this.#intake === undefined || this.#phase !== 'publishing') return undefined;
        this.#phaseSinceMs = this.#options.clock.now();
        return this.#intake.take(event.message);
      case 'unpublish':
        return this.#unpublish();
      case 'play':
        this.#protocol.status(
          'error',
          'NetStream.Play.Failed',
          'This address takes streams in; it plays none.',
        );
        this.#end();
        return undefined;
      default:
        return undefined;
    }
  }

  #badUrl(answer: () => void): void {
    answer();
    this.#report('MPE_BAD_URL_SYNTAX');
    this.#end();
  }

  async #publish(app: string, publishingName: string): Promise<void> {
    if (this.#phase !== 'commands') return;
    const path = parsePublishPath(app, publishingName);
    if (path === undefined) {
      this.#badUrl(() => this.#protocol.status('error', 'NetStream.Publish.BadName', URL_HINT));
      return;
    }
    this.#path = path;
    const { accessToken, streamId } = path;
    const decision = await this.#options.door.open({ ...this.#request, accessToken, streamId });
    if (decision.kind === 'refused') {
      this.#options.log.info('ingest.refused', {
        ...this.#request,
        streamId,
        resultCode: decision.resultCode,
      });
      this.#protocol.status('error', 'NetStream.Publish.BadName', decision.message);
      this.#end();
      return;
    }
    this.#session = decision.session;
    this.#intake = new RtmpIntake(decision.session, path.declaredKbps);
    this.#enter('publishing');
    this.#options.log.info('ingest.publishing', { ...this.#request, streamId });
    if (!this.#hasSocketClosed) this.#protocol.acceptPublish();
    const { revoked } = decision.session;
    if (revoked.aborted) this.#revoke();
    else revoked.addEventListener('abort', this.#onRevoked, { once: true });
  }

  #unpublish(): Promise<void> | undefined {
    if (this.#phase !== 'publishing') return undefined;
    this.#enter('unpublished');
    this.#closeCode = 'MPE_CLIENT_TERMINATED_SESSION';
    this.#protocol.status('status', 'NetStream.Unpublish.Success', 'Publishing ended.');
    return this.#closeSession();
  }

  #revoke(): void {
    if (this.#phase !== 'publishing') return;
    const reason: unknown = this.#session?.revoked.reason;
    this.#closeCode = typeof reason === 'string' ? revokedCode(reason) : 'MPI_REST_API_CHANNEL_STOP';
    if (!this.#hasSocketClosed) {
      this.#protocol.status(
        'error',
        'NetStream.Unpublish.Failed',
        'The live event no longer takes this stream.',
      );
    }
    this.#end();
  }

  /** What the peer sent cannot be: it is told, where it can understand, and dropped. */
  #fail(error: unknown): void {
    if (this.#phase === 'closing') return;
    if (error instanceof IngestRefusal) {
      this.#refuse(error.resultCode, error.message);
      return;
    }
    this.#options.log.warn('ingest.connection.failed', { ...this.#request, phase: this.#phase, error });
    const malformedMedia = error instanceof Error && error.name.startsWith('Malformed');
    if (this.#phase === 'publishing' && malformedMedia) {
      this.#refuse('MPE_INGEST_CODEC_NOT_SUPPORTED', error.message);
      return;
    }
    this.#enter('closing');
    this.destroy();
  }

  #refuse(resultCode: IngestResultCode, message: string): void {
    this.#closeCode = resultCode;
    this.#options.log.info('ingest.refused', {
      ...this.#request,
      streamId: this.#path?.streamId,
      resultCode,
    });
    this.#protocol.status('error', 'NetStream.Failed', message);
    this.#report(resultCode);
    this.#end();
  }

  #report(resultCode: IngestResultCode): void {
    const { accessToken, streamId } = this.#path ?? {};
    const known = accessToken === undefined || streamId === undefined ? {} : { accessToken, streamId };
    this.#options.door.reportRefusal({ ...this.#request, ...known }, resultCode).catch((error: unknown) => {
      this.#options.log.error('ingest.report.failed', { resultCode, error });
    });
  }

  #end(): void {
    this.#enter('closing');
    this.#options.socket.end();
    this.#options.socket.resume();
    this.#finish();
  }

  /** Closes the session once nothing that came before is still being taken. */
  #finish(): void {
    if (this.#isWaiting) return;
    this.#closeSession()?.catch(() => undefined);
  }

  #closeSession(): Promise<void> | undefined {
    const session = this.#session;
    if (session === undefined) return undefined;
    this.#session = undefined;
    this.#intake = undefined;
    session.revoked.removeEventListener('abort', this.#onRevoked);
    this.#options.log.info('ingest.ended', {
      ...this.#request,
      streamId: this.#path?.streamId,
      resultCode: this.#closeCode,
    });
    return session.close(this.#closeCode).catch((error: unknown) => {
      this.#options.log.error('ingest.close.failed', { error });
    });
  }

  #send(bytes: Uint8Array): void {
    const { socket } = this.#options;
    if (socket.destroyed || !socket.writable) return;
    socket.write(bytes);
    if (socket.writableLength > OUTPUT_BYTES_MAX) this.destroy();
  }
}

const URL_HINT = 'The address must be rtmp://host/live/{access token}/{stream name}.';

function revokedCode(reason: string): IngestResultCode {
  if (reason === 'MPI_REST_API_CHANNEL_RESET' || reason === 'MPI_SYSTEM_MAINTENANCE') return reason;
  return 'MPI_REST_API_CHANNEL_STOP';
}
