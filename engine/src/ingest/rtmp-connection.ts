import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { RtmpError } from '../protocols/rtmp/rtmp-error.ts';
import { RtmpServerConnection, type RtmpServerEvent } from '../protocols/rtmp/server-connection.ts';
import { IngestRefusal } from './ingest-refusal.ts';
import { type PublishPath, parsePublishPath, tokenMeantBy } from './publish-path.ts';
import type {
  IngestResultCode,
  PublishDoor,
  PublishRequest,
  PublishSession,
  TrackKey,
} from './publish-session.ts';
import { isRevocationCode, REVOCATIONS, REVOKED_OTHERWISE } from './revocations.ts';
import { RtmpIntake } from './rtmp-intake.ts';
import type { RtmpIngestLimits } from './rtmp-limits.ts';
import type { StreamNames } from './stream-names.ts';

export interface IngestLog {
  info(event: string, fields?: object): void;
  warn(event: string, fields?: object): void;
  error(event: string, fields?: object): void;
}

export interface IngestClock {
  /** Unix milliseconds. */
  now(): number;
}

export interface RtmpConnectionOptions {
  readonly socket: Socket;
  readonly endpoint: PublishRequest['endpoint'];
  /** `rtmp[s]://host:port/live`, as users know it. */
  readonly publicUrl: string;
  readonly door: PublishDoor;
  /** Of all connections of this process. */
  readonly streamNames: StreamNames;
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
  readonly #request: Omit<PublishRequest, 'accessToken' | 'streamId' | 'ingestUrl'>;
  #phase: Phase = 'handshake';
  #phaseSinceMs: number;
  /** What the door or the session has not answered yet; nothing is read meanwhile. */
  #waiting: { readonly sinceMs: number } | undefined;
  #hasSocketClosed = false;
  #path: PublishPath | undefined;
  #session: PublishSession | undefined;
  #intake: RtmpIntake | undefined;
  #leaveStreamName: () => void = () => undefined;
  #closeCode: IngestResultCode = 'MPI_STREAM_HIT_EOF';
  #sessionClosed: Promise<void> = Promise.resolve();
  #onFinished: () => void = () => undefined;
  /** Resolves when the socket and the session are closed; never rejects. */
  readonly finished = new Promise<void>((resolve) => {
    this.#onFinished = resolve;
  });
  readonly #onRevoked = (): void => this.#revoke();

  constructor(options: RtmpConnectionOptions) {
    const { socket, clock, endpoint } = options;
    this.#options = options;
    this.#phaseSinceMs = clock.now();
    this.#request = {
      encoderIp: socket.remoteAddress ?? '',
      encoderPort: socket.remotePort ?? 0,
      protocol: 'RTMP',
      endpoint,
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
    const { limits, clock } = this.#options;
    const nowMs = clock.now();
    const phaseMs = nowMs - this.#phaseSinceMs;
    const isLeaving = this.#phase === 'closing' || this.#phase === 'unpublished';
    if (isLeaving && phaseMs > CLOSE_GRACE_MS) {
      this.destroy();
      return;
    }
    if (this.#waiting !== undefined) {
      this.#sweepWaiting(nowMs - this.#waiting.sinceMs);
      return;
    }
    if (this.#phase === 'publishing' && phaseMs > limits.idleTimeoutMs) {
      this.#refuse('MPE_RTMP_SESSION_IDLE_TIMEOUT', 'No audio or video arrived in time.');
    }
    if (this.#phase === 'handshake' && phaseMs > limits.handshakeTimeoutMs) this.destroy();
    if (this.#phase === 'commands' && phaseMs > limits.publishTimeoutMs) this.destroy();
  }

  /** Gives up on a door or a session that does not answer; what it may still answer is taken care of then. */
  #sweepWaiting(waitedMs: number): void {
    const { doorTimeoutMs, receiverTimeoutMs } = this.#options.limits;
    if (waitedMs <= (this.#phase === 'commands' ? doorTimeoutMs : receiverTimeoutMs)) return;
    this.#waiting = undefined;
    this.#refuse('MPE_CAPACITY_LIMIT_REACHED', 'The service is too busy to take the stream now.');
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
      while (this.#waiting === undefined && this.#phase !== 'closing') {
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
    const waiting = { sinceMs: this.#options.clock.now() };
    this.#waiting = waiting;
    this.#options.socket.pause();
    const settle = (continueWith: () => void): void => {
      // It took too long and was given up.
      if (this.#waiting !== waiting) return;
      this.#waiting = undefined;
      continueWith();
      if (this.#waiting !== undefined) return;
      if (this.#hasSocketClosed) this.#finish();
      else this.#options.socket.resume();
    };
    pending.then(
      () => settle(() => this.#resume()),
      (error: unknown) => settle(() => this.#fail(error)),
    );
  }

  #resume(): void {
    // While leaving the grace goes on; otherwise the time the peer was kept waiting is not its own.
    if (this.#phase !== 'closing' && this.#phase !== 'unpublished') {
      this.#phaseSinceMs = this.#options.clock.now();
    }
    this.#pump();
  }

  #handle(event: RtmpServerEvent): Promise<void> | undefined {
    switch (event.kind) {
      case 'connect':
        if (/^\/?live(\/|\?|$)/.test(event.app)) this.#protocol.acceptConnect();
        else this.#badUrl(tokenMeantBy(event.app, ''), () => this.#protocol.rejectConnect(URL_HINT));
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

  #badUrl(accessToken: string | undefined, answer: () => void): void {
    answer();
    this.#report('MPE_BAD_URL_SYNTAX', accessToken === undefined ? {} : { accessToken });
    this.#end();
  }

  async #publish(app: string, publishingName: string): Promise<void> {
    if (this.#phase !== 'commands') return;
    const path = parsePublishPath(app, publishingName);
    if (path === undefined) {
      const meant = tokenMeantBy(app, publishingName);
      this.#badUrl(meant, () => this.#protocol.status('error', 'NetStream.Publish.BadName', URL_HINT));
      return;
    }
    this.#path = path;
    const { streamId } = path;
    const decision = await this.#options.door.open({ ...this.#request, ...this.#pathFacts(path) });
    if (this.#phase !== 'commands') {
      // The answer came after this connection had been given up.
      if (decision.kind === 'accepted') await decision.session.close('MPE_CAPACITY_LIMIT_REACHED');
      return;
    }
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
    this.#beginIntake(decision.session, path);
    this.#enter('publishing');
    this.#options.log.info('ingest.publishing', { ...this.#request, streamId });
    if (!this.#hasSocketClosed) this.#protocol.acceptPublish();
    const { revoked } = decision.session;
    if (revoked.aborted) this.#revoke();
    else revoked.addEventListener('abort', this.#onRevoked, { once: true });
  }

  #beginIntake(session: PublishSession, { accessToken, streamId, declaredKbps }: PublishPath): void {
    const { streamNames } = this.#options;
    this.#leaveStreamName = streamNames.enter(accessToken, streamId);
    const isMultiBitrate = () => streamNames.hasOthers(accessToken, streamId);
    this.#intake = new RtmpIntake({ session, declaredKbps, isMultiBitrate });
  }

  #unpublish(): Promise<void> | undefined {
    if (this.#phase !== 'publishing') return undefined;
    this.#enter('unpublished');
    this.#closeCode = 'MPE_CLIENT_TERMINATED_SESSION';
    this.#protocol.status('status', 'NetStream.Unpublish.Success', 'Publishing ended.');
    this.#closeSession();
    return this.#sessionClosed;
  }

  /** The session wants the encoder gone, and tells its own events why: the encoder is told here. */
  #revoke(): void {
    if (this.#phase !== 'publishing') return;
    const reason: unknown = this.#session?.revoked.reason;
    this.#closeCode = isRevocationCode(reason) ? reason : 'MPI_REST_API_CHANNEL_STOP';
    this.#options.log.info('ingest.revoked', {
      ...this.#request,
      streamId: this.#path?.streamId,
      resultCode: this.#closeCode,
    });
    if (!this.#hasSocketClosed) {
      const { status, sentence } = REVOCATIONS[this.#closeCode] ?? REVOKED_OTHERWISE;
      this.#protocol.status('error', status, sentence);
    }
    this.#end();
  }

  /** What the peer sent cannot be, or the service failed: the peer is told, where it can understand, and dropped. */
  #fail(error: unknown): void {
    if (this.#phase === 'closing') return;
    if (error instanceof IngestRefusal) {
      this.#refuse(error.resultCode, error.message, error.trackKey);
      return;
    }
    this.#options.log.warn('ingest.connection.failed', { ...this.#request, phase: this.#phase, error });
    if (this.#phase === 'handshake' || this.#phase === 'unpublished') {
      this.#enter('closing');
      this.destroy();
    } else if (error instanceof RtmpError) {
      this.#refuse(protocolFaultCode(error), `The encoder broke the RTMP protocol: ${error.message}.`);
    } else {
      this.#refuse('MPE_CAPACITY_LIMIT_REACHED', 'The service cannot take the stream now.');
    }
  }

  #refuse(resultCode: IngestResultCode, message: string, trackKey?: TrackKey): void {
    this.#closeCode = resultCode;
    this.#options.log.info('ingest.refused', {
      ...this.#request,
      streamId: this.#path?.streamId,
      resultCode,
    });
    this.#protocol.status('error', 'NetStream.Failed', message);
    // Once the track is known it is no refusal any more: closing the session tells the code.
    if (this.#intake?.hasDeclared(trackKey) !== true) this.#report(resultCode);
    this.#end();
  }

  #report(resultCode: IngestResultCode, meant: { accessToken?: string } = {}): void {
    const known = this.#path === undefined ? meant : this.#pathFacts(this.#path);
    this.#options.door.reportRefusal({ ...this.#request, ...known }, resultCode).catch((error: unknown) => {
      this.#options.log.error('ingest.report.failed', { resultCode, error });
    });
  }

  /** The token in the path is the stream's key: events go to many places. */
  #pathFacts({ accessToken, streamId }: PublishPath) {
    return { accessToken, streamId, ingestUrl: `${this.#options.publicUrl}/****/${streamId}` };
  }

  #end(): void {
    this.#enter('closing');
    this.#options.socket.end();
    this.#options.socket.resume();
    this.#finish();
  }

  /** Closes the session once nothing that came before is still being taken. */
  #finish(): void {
    if (this.#waiting !== undefined) return;
    this.#closeSession();
    if (this.#hasSocketClosed) this.#sessionClosed.then(this.#onFinished, this.#onFinished);
  }

  #closeSession(): void {
    const session = this.#session;
    if (session === undefined) return;
    this.#session = undefined;
    this.#intake = undefined;
    this.#leaveStreamName();
    session.revoked.removeEventListener('abort', this.#onRevoked);
    this.#options.log.info('ingest.ended', {
      ...this.#request,
      streamId: this.#path?.streamId,
      resultCode: this.#closeCode,
    });
    this.#sessionClosed = session.close(this.#closeCode).catch((error: unknown) => {
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

function protocolFaultCode(error: RtmpError): IngestResultCode {
  switch (error.code) {
    case 'MessageTooLarge':
    case 'AssemblyBudgetExceeded':
      return 'MPE_INGEST_RTMP_TOO_LARGE_UNPROCESSED_FLV';
    case 'MalformedAmf':
      return 'MPE_INGEST_DESCRIPTION_INFO_NOT_RECEIVED';
    default:
      return 'MPE_CLIENT_TERMINATED_SESSION';
  }
}
