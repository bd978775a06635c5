import { type Amf0Value, amf0Object, amf0Property } from './amf0.ts';
import { RtmpChunkReader } from './chunk-reader.ts';
import { RtmpChunkWriter } from './chunk-writer.ts';
import { commandMessage, parseCommand, type RtmpCommand, statusObject } from './command.ts';
import { enhancedCapabilities, isEnhancedConnect } from './enhanced-connect.ts';
import {
  answerClientHello,
  assertRtmpVersion,
  HANDSHAKE_PACKET_BYTES,
  type HandshakeSource,
} from './handshake.ts';
import {
  controlMessage,
  MESSAGE_TYPE,
  type RtmpMessage,
  readControlNumber,
  USER_CONTROL,
  userControlMessage,
} from './message.ts';
import { RtmpError } from './rtmp-error.ts';

const WINDOW_ACKNOWLEDGEMENT_BYTES = 2_500_000;
/** Large, because FFmpeg sends with the chunk size that we announce: most messages are then one chunk. */
const SERVER_CHUNK_BYTES = 65_536;
/** Acknowledgements closer than this would be a way to make us write. */
const ACKNOWLEDGEMENT_BYTES_MIN = 65_536;
const MESSAGE_STREAM_ID = 1;
const CONTROL_CHUNK_STREAM = 2;
const COMMAND_CHUNK_STREAM = 3;
const STATUS_CHUNK_STREAM = 5;
const COMMANDS_MAX = 1000;

/** What the peer asks of the one who owns the connection. `connect` and `publish` want an answer before the next call. */
export type RtmpServerEvent =
  | { readonly kind: 'connect'; readonly app: string }
  | { readonly kind: 'publish'; readonly app: string; readonly publishingName: string }
  | { readonly kind: 'media'; readonly message: RtmpMessage }
  | { readonly kind: 'unpublish' }
  | { readonly kind: 'play' };

export interface RtmpServerConnectionOptions {
  send(bytes: Uint8Array): void;
  handshakeSource(): HandshakeSource;
}

/**
 * The server's end of one RTMP connection, without socket and policy: bytes go in by `receive`, events come out by
 * `next`, answers leave by `send`. Nothing is sent between `acceptPublish` and `unpublish` unless the peer asked for
 * acknowledgements or pinged: a peer that closes with unread bytes resets the connection and loses its last messages.
 */
export class RtmpServerConnection {
  readonly #options: RtmpServerConnectionOptions;
  readonly #reader = new RtmpChunkReader();
  readonly #writer = new RtmpChunkWriter();
  #phase: 'hello' | 'acknowledgement' | 'messages' = 'hello';
  #handshakeInput = new Uint8Array(0);
  #receivedBytes = 0;
  #acknowledgedBytes = 0;
  #acknowledgementWindowBytes: number | undefined;
  #app: string | undefined;
  #isEnhanced = false;
  #connectTransactionId = 0;
  #commandCount = 0;

  constructor(options: RtmpServerConnectionOptions) {
    this.#options = options;
  }

  /** Whether both ends have finished the handshake. */
  isHandshakeDone(): boolean {
    return this.#phase === 'messages';
  }

  /** Takes what the socket gave; the array must not be written to afterwards. */
  receive(bytes: Uint8Array): void {
    this.#receivedBytes += bytes.length;
    if (this.#phase !== 'messages') {
      this.#handshake(bytes);
      return;
    }
    this.#reader.append(bytes);
    this.#acknowledge();
  }

  /** The next event; undefined when more bytes are needed. Throws `RtmpError` when the connection cannot go on. */
  next(): RtmpServerEvent | undefined {
    if (this.#phase !== 'messages') return undefined;
    for (let message = this.#reader.next(); message !== undefined; message = this.#reader.next()) {
      const event = this.#interpret(message);
      if (event !== undefined) return event;
    }
    return undefined;
  }

  acceptConnect(): void {
    this.#send(controlMessage(MESSAGE_TYPE.windowAcknowledgementSize, WINDOW_ACKNOWLEDGEMENT_BYTES));
    this.#send(controlMessage(MESSAGE_TYPE.setPeerBandwidth, WINDOW_ACKNOWLEDGEMENT_BYTES));
    this.#send(controlMessage(MESSAGE_TYPE.setChunkSize, SERVER_CHUNK_BYTES));
    this.#writer.setChunkSize(SERVER_CHUNK_BYTES);
    const information = amf0Object({
      level: 'status',
      code: 'NetConnection.Connect.Success',
      description: 'Connection succeeded.',
      objectEncoding: 0,
    });
    const enhanced = this.#isEnhanced ? enhancedCapabilities() : {};
    const properties = amf0Object({ fmsVer: 'FMS/3,0,1,123', capabilities: 31, ...enhanced });
    this.#answer('_result', this.#connectTransactionId, properties, information);
  }

  /** `description` is for the person at the encoder. */
  rejectConnect(description: string): void {
    this.#app = undefined;
    const information = statusObject('error', 'NetConnection.Connect.Rejected', description);
    this.#answer('_error', this.#connectTransactionId, null, information);
  }

  acceptPublish(): void {
    this.#reader.acceptMedia();
    this.#send(userControlMessage(USER_CONTROL.streamBegin, MESSAGE_STREAM_ID));
    this.status('status', 'NetStream.Publish.Start', 'Publishing.');
  }

  /** An `onStatus` message. */
  status(level: 'status' | 'error', code: string, description: string): void {
    const command = { name: 'onStatus', transactionId: 0, messageStreamId: MESSAGE_STREAM_ID };
    this.#send(commandMessage(command, null, statusObject(level, code, description)), STATUS_CHUNK_STREAM);
  }

  #handshake(bytes: Uint8Array): void {
    const joined = new Uint8Array(this.#handshakeInput.length + bytes.length);
    joined.set(this.#handshakeInput);
    joined.set(bytes, this.#handshakeInput.length);
    this.#handshakeInput = joined;
    if (this.#phase === 'hello') {
      // The version is judged at once: a stranger that speaks HTTP need not wait for the time-out.
      assertRtmpVersion(joined[0]);
      if (joined.length < 1 + HANDSHAKE_PACKET_BYTES) return;
      this.#options.send(answerClientHello(joined, this.#options.handshakeSource()));
      this.#handshakeInput = joined.subarray(1 + HANDSHAKE_PACKET_BYTES);
      this.#phase = 'acknowledgement';
    }
    if (this.#handshakeInput.length < HANDSHAKE_PACKET_BYTES) return;
    // C2 is not checked: many encoders echo something else, and it protects nothing.
    this.#reader.append(this.#handshakeInput.subarray(HANDSHAKE_PACKET_BYTES));
    this.#handshakeInput = new Uint8Array(0);
    this.#phase = 'messages';
  }

  #interpret(message: RtmpMessage): RtmpServerEvent | undefined {
    switch (message.typeId) {
      case MESSAGE_TYPE.audio:
      case MESSAGE_TYPE.video:
      case MESSAGE_TYPE.dataAmf0:
      case MESSAGE_TYPE.dataAmf3:
        return { kind: 'media', message };
      case MESSAGE_TYPE.commandAmf0:
      case MESSAGE_TYPE.commandAmf3:
        return this.#obey(parseCommand(message));
      case MESSAGE_TYPE.windowAcknowledgementSize:
        this.#acknowledgementWindowBytes = Math.max(
          ACKNOWLEDGEMENT_BYTES_MIN,
          readControlNumber(message.payload),
        );
        return undefined;
      case MESSAGE_TYPE.userControl:
        this.#answerPing(message.payload);
        return undefined;
      default:
        return undefined;
    }
  }

  #obey(command: RtmpCommand): RtmpServerEvent | undefined {
    this.#commandCount += 1;
    if (this.#commandCount > COMMANDS_MAX) {
      throw new RtmpError('UnexpectedMessage', `more than ${COMMANDS_MAX} commands`);
    }
    if (command.name === 'connect') return this.#connect(command);
    if (this.#app === undefined) {
      throw new RtmpError('UnexpectedMessage', 'a command before connect');
    }
    const { transactionId } = command;
    switch (command.name) {
      case 'createStream':
        this.#answer('_result', transactionId, null, MESSAGE_STREAM_ID);
        return undefined;
      case 'publish':
        return publishEvent(this.#app, command);
      case 'FCPublish':
        this.#answer(
          'onFCPublish',
          0,
          null,
          statusObject('status', 'NetStream.Publish.Start', 'Publishing.'),
        );
        this.#answer('_result', transactionId, null, undefined);
        return undefined;
      case 'FCUnpublish':
      case 'deleteStream':
      case 'closeStream':
        return { kind: 'unpublish' };
      case 'play':
      case 'play2':
        return { kind: 'play' };
      case 'releaseStream':
        this.#answer('_result', transactionId, null, undefined);
        return undefined;
      default:
        this.#answerUnknown(command);
        return undefined;
    }
  }

  #connect(command: RtmpCommand): RtmpServerEvent {
    const app = amf0Property(command.commandObject, 'app');
    if (this.#app !== undefined || typeof app !== 'string') {
      throw new RtmpError('MalformedCommand', 'connect twice, or without an app');
    }
    this.#app = app;
    this.#isEnhanced = isEnhancedConnect(command.commandObject);
    this.#connectTransactionId = command.transactionId;
    return { kind: 'connect', app };
  }

  #answerUnknown(command: RtmpCommand): void {
    // Answers to us, and calls that want no answer.
    if (command.transactionId === 0 || command.name.startsWith('_')) return;
    const information = statusObject(
      'error',
      'NetConnection.Call.Failed',
      'This server does not know the method.',
    );
    this.#answer('_error', command.transactionId, null, information);
  }

  #answerPing(payload: Uint8Array): void {
    if (payload.length < 6) return;
    const view = new DataView(payload.buffer, payload.byteOffset);
    if (view.getUint16(0) !== USER_CONTROL.pingRequest) return;
    this.#send(userControlMessage(USER_CONTROL.pingResponse, view.getUint32(2)));
  }

  #acknowledge(): void {
    const window = this.#acknowledgementWindowBytes;
    if (window === undefined || this.#receivedBytes - this.#acknowledgedBytes < window) return;
    this.#acknowledgedBytes = this.#receivedBytes;
    this.#send(controlMessage(MESSAGE_TYPE.acknowledgement, this.#receivedBytes % 2 ** 32));
  }

  #answer(name: string, transactionId: number, ...values: readonly Amf0Value[]): void {
    this.#send(commandMessage({ name, transactionId }, ...values), COMMAND_CHUNK_STREAM);
  }

  #send(message: RtmpMessage, chunkStreamId: number = CONTROL_CHUNK_STREAM): void {
    this.#options.send(this.#writer.write(message, chunkStreamId));
  }
}

function publishEvent(app: string, command: RtmpCommand): RtmpServerEvent {
  const publishingName = command.parameters[0];
  if (typeof publishingName !== 'string') {
    throw new RtmpError('MalformedCommand', 'publish without a name');
  }
  return { kind: 'publish', app, publishingName };
}
