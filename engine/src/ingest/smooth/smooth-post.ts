import type { IncomingMessage, ServerResponse } from 'node:http';
import { IngestRefusal } from '../ingest-refusal.ts';
import type {
  IngestResultCode,
  ProbeDecision,
  ProbedDoor,
  PublishRequest,
  PublishSession,
} from '../publish-session.ts';
import { RequestBody } from './request-body.ts';
import { SmoothIntake } from './smooth-intake.ts';

export interface SmoothLog {
  info(event: string, fields?: object): void;
  warn(event: string, fields?: object): void;
  error(event: string, fields?: object): void;
}

export interface SmoothPostLimits {
  /** From the first byte of the body to the end of its header boxes. */
  readonly headerTimeoutMs: number;
  /** How long the door may think about one encoder. */
  readonly doorTimeoutMs: number;
  /** How long a full session may keep one encoder waiting. */
  readonly receiverTimeoutMs: number;
  readonly idleTimeoutMs: number;
  /** From the first byte of a fragment to its last. */
  readonly fragmentTimeoutMs: number;
}

export interface SmoothPostOptions {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly publish: PublishRequest;
  readonly door: ProbedDoor;
  readonly log: SmoothLog;
  readonly clock: { now(): number };
  readonly limits: SmoothPostLimits;
  /** Takes memory for what has not arrived whole (negative: gives it back); throws `IngestRefusal` when there is none. */
  takeMemory(bytes: number): void;
}

/** How long a peer may take to read why it was refused. */
const CLOSE_GRACE_MS = 1000;

type Phase = 'probing' | 'header' | 'publishing' | 'over';

/** One POST of an encoder: the body in, calls of the door and the session out, in order; one answer at its end. */
export class SmoothPost {
  readonly #options: SmoothPostOptions;
  readonly #body: RequestBody;
  readonly #intake: SmoothIntake;
  #phase: Phase = 'probing';
  #phaseSinceMs: number;
  #lastByteAtMs: number;
  /** What the door or the session has not answered yet; nothing is read meanwhile. */
  #waitingSinceMs: number | undefined;
  #abandon: (() => void) | undefined;
  #incompleteSinceMs: number | undefined;
  #memoryBytes = 0;
  #session: PublishSession | undefined;
  #sessionClosed: Promise<void> = Promise.resolve();
  readonly #onRevoked = (): void => this.#revoke();

  constructor(options: SmoothPostOptions) {
    this.#options = options;
    this.#body = new RequestBody(options.request);
    this.#phaseSinceMs = options.clock.now();
    this.#lastByteAtMs = this.#phaseSinceMs;
    this.#intake = new SmoothIntake({
      open: () => this.#open(),
      onMemory: (bytes) => {
        // What was being taken when the connection was given up goes no further.
        if (this.#isOver) throw new Abandoned();
        options.takeMemory(bytes);
        this.#memoryBytes += bytes;
      },
    });
  }

  /** Resolves when the POST is answered or gone and its session closed; never rejects. */
  async run(): Promise<void> {
    try {
      await this.#read();
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#settleMemory(0);
    }
    await this.#sessionClosed;
  }

  /** Closes what has taken too long; called about once a second. */
  sweep(): void {
    const { limits, clock, request } = this.#options;
    const nowMs = clock.now();
    if (this.#phase === 'over') {
      if (nowMs - this.#phaseSinceMs > CLOSE_GRACE_MS) request.destroy();
      return;
    }
    if (this.#waitingSinceMs !== undefined) {
      const isDoor = this.#phase !== 'publishing';
      const waitedMs = nowMs - this.#waitingSinceMs;
      if (waitedMs > (isDoor ? limits.doorTimeoutMs : limits.receiverTimeoutMs)) {
        this.#refuse('MPE_CAPACITY_LIMIT_REACHED', 'The service is too busy to take the stream now.');
      }
      return;
    }
    const isHeaderLate = this.#phase === 'header' && nowMs - this.#phaseSinceMs > limits.headerTimeoutMs;
    if (isHeaderLate) {
      this.#refuse('MPE_INGEST_DESCRIPTION_INFO_NOT_RECEIVED', 'The header boxes did not arrive in time.');
    } else if (this.#isStalled(nowMs)) {
      this.#refuse('MPE_CLIENT_DISCONNECTED', 'No media arrived in time.');
    }
  }

  /** Drops the encoder because this process stops. */
  stop(): void {
    this.#refuse('MPI_SYSTEM_MAINTENANCE', 'The service is restarting: connect again.');
  }

  #isStalled(nowMs: number): boolean {
    const { idleTimeoutMs, fragmentTimeoutMs } = this.#options.limits;
    const incomplete = this.#incompleteSinceMs;
    return (
      nowMs - this.#lastByteAtMs > idleTimeoutMs ||
      (incomplete !== undefined && nowMs - incomplete > fragmentTimeoutMs)
    );
  }

  async #read(): Promise<void> {
    for (let chunk = await this.#body.next(); chunk !== undefined; chunk = await this.#body.next()) {
      // Still read while leaving: closing with unread bytes would reset the connection before the peer reads why.
      if (!this.#isOver) await this.#receive(chunk).catch((error: unknown) => this.#fail(error));
    }
    if (this.#isOver) this.#options.response.end();
    else if (!this.#body.isWhole) this.#lose();
    else if (this.#phase === 'probing') await this.#answerProbe();
    else this.#end();
  }

  /** The connection is gone, and everything that came over it is taken. */
  #lose(): void {
    this.#enter('over');
    this.#closeSession('MPE_CLIENT_DISCONNECTED');
  }

  async #receive(bytes: Uint8Array): Promise<void> {
    if (this.#phase === 'probing') await this.#admit();
    if (this.#isOver) return;
    this.#lastByteAtMs = this.#options.clock.now();
    await this.#take(bytes);
  }

  get #isOver(): boolean {
    return this.#phase === 'over';
  }

  #enter(phase: Phase): void {
    if (phase === 'over') this.#abandon?.();
    this.#phase = phase;
    this.#phaseSinceMs = this.#options.clock.now();
  }

  /** Asks before anything is kept for a body. */
  async #admit(): Promise<void> {
    const decision = await this.#waitFor(this.#options.door.probe(this.#options.publish));
    if (this.#isOver) return;
    if (decision.kind === 'refused') this.#deny(decision);
    else this.#enter('header');
  }

  async #answerProbe(): Promise<void> {
    const decision = await this.#waitFor(this.#options.door.probe(this.#options.publish));
    if (this.#isOver) return;
    if (decision.kind === 'refused') {
      this.#deny(decision);
      return;
    }
    this.#enter('over');
    this.#options.response.writeHead(200, { 'content-length': 0 }).end();
  }

  async #take(bytes: Uint8Array): Promise<void> {
    await this.#waitFor(this.#intake.take(bytes));
    if (this.#isOver) return;
    this.#settleMemory(this.#intake.memoryBytes);
    const nowMs = this.#options.clock.now();
    // The time the peer was kept waiting is not its own.
    this.#lastByteAtMs = nowMs;
    this.#incompleteSinceMs = this.#intake.isBetweenFragments
      ? undefined
      : (this.#incompleteSinceMs ?? nowMs);
  }

  /** Rejects with `Abandoned` when the connection is given up meanwhile; what is still answered is taken care of then. */
  async #waitFor<T>(pending: Promise<T>): Promise<T> {
    this.#waitingSinceMs = this.#options.clock.now();
    try {
      return await new Promise<T>((resolve, reject) => {
        this.#abandon = () => reject(new Abandoned());
        pending.then(resolve, reject);
      });
    } finally {
      this.#waitingSinceMs = undefined;
      this.#abandon = undefined;
    }
  }

  /** Gives back what is no longer held. */
  #settleMemory(heldBytes: number): void {
    this.#options.takeMemory(heldBytes - this.#memoryBytes);
    this.#memoryBytes = heldBytes;
  }

  async #open(): Promise<PublishSession> {
    const { door, publish, log } = this.#options;
    const decision = await door.open(publish);
    if (decision.kind === 'refused') {
      this.#deny(decision);
      throw new Abandoned();
    }
    const { session } = decision;
    if (this.#isOver) {
      // The answer came after this connection had been given up.
      await session.close('MPE_CAPACITY_LIMIT_REACHED');
      throw new Abandoned();
    }
    this.#session = session;
    this.#enter('publishing');
    log.info('ingest.publishing', this.#facts());
    if (session.revoked.aborted) this.#revoke();
    else session.revoked.addEventListener('abort', this.#onRevoked, { once: true });
    return session;
  }

  #revoke(): void {
    const reason: unknown = this.#session?.revoked.reason;
    const code =
      reason === 'MPI_REST_API_CHANNEL_RESET' || reason === 'MPI_SYSTEM_MAINTENANCE' ? reason : undefined;
    this.#refuse(code ?? 'MPI_REST_API_CHANNEL_STOP', 'The live event no longer takes this stream.');
  }

  /** The body is complete. */
  #end(): void {
    if (!this.#intake.isBetweenFragments) {
      this.#refuse('MPE_INGEST_DESCRIPTION_INFO_NOT_RECEIVED', 'The body ends in the middle of a box.');
      this.#options.response.end();
      return;
    }
    if (this.#session === undefined) {
      this.#refuse('MPE_INGEST_DESCRIPTION_INFO_NOT_RECEIVED', 'The body has no ftyp, manifest and moov.');
      this.#options.response.end();
      return;
    }
    this.#enter('over');
    this.#closeSession(this.#intake.hasEnded ? 'MPI_STREAM_HIT_EOF' : 'S_OK');
    // Answered when what was sent is in the service's hands.
    this.#sessionClosed = this.#sessionClosed.then(() => {
      this.#options.response.writeHead(200, { 'content-length': 0 }).end();
    });
  }

  #fail(error: unknown): void {
    if (this.#isOver || error instanceof Abandoned) return;
    if (error instanceof IngestRefusal) {
      this.#refuse(error.resultCode, error.message);
    } else {
      this.#options.log.warn('ingest.connection.failed', { ...this.#facts(), error });
      this.#refuse('MPE_CAPACITY_LIMIT_REACHED', 'The service cannot take the stream now.');
    }
  }

  /** The door has said no, and told whoever has to know. */
  #deny({ resultCode, message }: Extract<ProbeDecision, { kind: 'refused' }>): void {
    this.#options.log.info('ingest.refused', { ...this.#facts(), resultCode });
    this.#answer(resultCode, message);
  }

  #refuse(resultCode: IngestResultCode, message: string): void {
    if (this.#isOver) return;
    this.#options.log.info('ingest.refused', { ...this.#facts(), resultCode, message });
    const hadSession = this.#session !== undefined;
    this.#answer(resultCode, message);
    this.#closeSession(resultCode);
    if (hadSession) return;
    this.#options.door.reportRefusal(this.#options.publish, resultCode).catch((error: unknown) => {
      this.#options.log.error('ingest.report.failed', { resultCode, error });
    });
  }

  #answer(resultCode: IngestResultCode, message: string): void {
    this.#enter('over');
    writeRefusal(this.#options.response, resultCode, message);
    if (this.#options.request.complete) this.#options.response.end();
  }

  #closeSession(resultCode: IngestResultCode): void {
    const session = this.#session;
    if (session === undefined) return;
    this.#session = undefined;
    session.revoked.removeEventListener('abort', this.#onRevoked);
    this.#options.log.info('ingest.ended', { ...this.#facts(), resultCode });
    this.#sessionClosed = session.close(resultCode).catch((error: unknown) => {
      this.#options.log.error('ingest.close.failed', { error });
    });
  }

  #facts(): object {
    const { encoderIp, encoderPort, protocol, streamId } = this.#options.publish;
    return { encoderIp, encoderPort, protocol, streamId };
  }
}

/** The connection was given up while the door was asked. */
class Abandoned extends Error {}

/** Everything but the end of the answer: whoever sees the end of the request ends it. */
export function writeRefusal(response: ServerResponse, resultCode: IngestResultCode, message: string): void {
  if (response.headersSent || response.destroyed) return;
  const body = Buffer.from(JSON.stringify({ error: { code: resultCode, message } }));
  response.writeHead(statusOf(resultCode), {
    'content-type': 'application/json',
    'content-length': body.length,
    connection: 'close',
  });
  response.write(body);
}

function statusOf(resultCode: IngestResultCode): number {
  switch (resultCode) {
    case 'MPE_RTMP_APPID_AUTH_FAILURE':
      return 404;
    case 'MPE_INGEST_ENCODER_CONNECTION_DENIED':
      return 403;
    case 'MPE_INGEST_CODEC_NOT_SUPPORTED':
      return 415;
    case 'MPE_CLIENT_DISCONNECTED':
      return 408;
    case 'MPE_CAPACITY_LIMIT_REACHED':
    case 'MPI_SYSTEM_MAINTENANCE':
      return 503;
    case 'MPI_REST_API_CHANNEL_STOP':
    case 'MPI_REST_API_CHANNEL_RESET':
      return 410;
    default:
      return 400;
  }
}
