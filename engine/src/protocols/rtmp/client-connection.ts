import { type Amf0Value, amf0Object, amf0Property } from './amf0.ts';
import { RtmpChunkReader } from './chunk-reader.ts';
import { RtmpChunkWriter } from './chunk-writer.ts';
import { commandMessage, parseCommand } from './command.ts';
import { ENHANCED_FOUR_CCS } from './enhanced-connect.ts';
import {
  answerServerHello,
  HANDSHAKE_PACKET_BYTES,
  type HandshakeSource,
  writeClientHello,
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

const CLIENT_CHUNK_BYTES = 65_536;
const SERVER_HELLO_BYTES = 1 + 2 * HANDSHAKE_PACKET_BYTES;
const CONTROL_CHUNK_STREAM = 2;
const COMMAND_CHUNK_STREAM = 3;
const MEDIA_CHUNK_STREAMS: Readonly<Record<number, number>> = {
  [MESSAGE_TYPE.audio]: 4,
  [MESSAGE_TYPE.dataAmf0]: 5,
  [MESSAGE_TYPE.video]: 6,
};
const TRANSACTION = {
  connect: 1,
  releaseStream: 2,
  fcPublish: 3,
  createStream: 4,
  publish: 5,
  unpublish: 6,
} as const;

export interface RtmpClientOptions {
  readonly tcUrl: string;
  readonly app: string;
  readonly publishingName: string;
  send(bytes: Uint8Array): void;
  handshakeSource(): HandshakeSource;
}

/**
 * The publishing client's end of one RTMP connection, without socket. Media may be written once `isPublishing()`.
 * `receive` throws `RtmpError` (`RefusedByServer` with the server's own words when it says no).
 */
export class RtmpClientConnection {
  readonly #options: RtmpClientOptions;
  readonly #reader = new RtmpChunkReader();
  readonly #writer = new RtmpChunkWriter();
  #handshakeInput: Uint8Array | undefined = new Uint8Array(0);
  #messageStreamId = 0;
  #isPublishing = false;
  #receivedBytes = 0;
  #acknowledgedBytes = 0;
  #acknowledgementWindowBytes = Number.POSITIVE_INFINITY;

  constructor(options: RtmpClientOptions) {
    this.#options = options;
  }

  start(): void {
    this.#options.send(writeClientHello(this.#options.handshakeSource()));
  }

  isPublishing(): boolean {
    return this.#isPublishing;
  }

  receive(bytes: Uint8Array): void {
    this.#receivedBytes += bytes.length;
    if (this.#handshakeInput === undefined) this.#reader.append(bytes);
    else this.#handshake(this.#handshakeInput, bytes);
    for (let message = this.#reader.next(); message !== undefined; message = this.#reader.next()) {
      this.#interpret(message);
    }
    if (this.#receivedBytes - this.#acknowledgedBytes >= this.#acknowledgementWindowBytes) {
      this.#acknowledgedBytes = this.#receivedBytes;
      this.#send(
        controlMessage(MESSAGE_TYPE.acknowledgement, this.#receivedBytes % 2 ** 32),
        CONTROL_CHUNK_STREAM,
      );
    }
  }

  /** One audio, video or data message; its payload is an FLV tag's body. */
  writeMedia(media: Pick<RtmpMessage, 'typeId' | 'timestampMs' | 'payload'>): void {
    const message = { ...media, messageStreamId: this.#messageStreamId };
    this.#send(message, MEDIA_CHUNK_STREAMS[media.typeId] ?? COMMAND_CHUNK_STREAM);
  }

  /** Says goodbye; the socket may be ended after it. */
  stop(): void {
    if (!this.#isPublishing) return;
    this.#isPublishing = false;
    this.#command('FCUnpublish', TRANSACTION.unpublish, null, this.#options.publishingName);
    this.#command('deleteStream', TRANSACTION.unpublish + 1, null, this.#messageStreamId);
  }

  #handshake(had: Uint8Array, bytes: Uint8Array): void {
    const joined = new Uint8Array(had.length + bytes.length);
    joined.set(had);
    joined.set(bytes, had.length);
    this.#handshakeInput = joined;
    if (joined.length < SERVER_HELLO_BYTES) return;
    this.#handshakeInput = undefined;
    this.#options.send(answerServerHello(joined));
    this.#reader.append(joined.subarray(SERVER_HELLO_BYTES));
    this.#send(controlMessage(MESSAGE_TYPE.setChunkSize, CLIENT_CHUNK_BYTES), CONTROL_CHUNK_STREAM);
    this.#writer.setChunkSize(CLIENT_CHUNK_BYTES);
    const { app, tcUrl } = this.#options;
    const information = amf0Object({
      app,
      type: 'nonprivate',
      flashVer: 'FMLE/3.0 (compatible; headend)',
      tcUrl,
      fourCcList: [...ENHANCED_FOUR_CCS.video, ...ENHANCED_FOUR_CCS.audio],
    });
    this.#command('connect', TRANSACTION.connect, information);
  }

  #interpret(message: RtmpMessage): void {
    switch (message.typeId) {
      case MESSAGE_TYPE.windowAcknowledgementSize:
        this.#acknowledgementWindowBytes = Math.max(1, readControlNumber(message.payload));
        return;
      case MESSAGE_TYPE.userControl:
        this.#answerPing(message.payload);
        return;
      case MESSAGE_TYPE.commandAmf0:
      case MESSAGE_TYPE.commandAmf3:
        this.#obey(message);
        return;
      default:
    }
  }

  #obey(message: RtmpMessage): void {
    const command = parseCommand(message);
    const information = command.parameters[0];
    if (command.name === '_result') {
      this.#resulted(command.transactionId, information);
    } else if (command.name === '_error') {
      const { transactionId } = command;
      // releaseStream and FCPublish are courtesies that many servers do not know.
      const matters = transactionId === TRANSACTION.connect || transactionId === TRANSACTION.createStream;
      if (matters) throw refused(information);
    } else if (command.name === 'onStatus') {
      if (amf0Property(information, 'level') === 'error') throw refused(information);
      if (amf0Property(information, 'code') === 'NetStream.Publish.Start') this.#isPublishing = true;
    }
  }

  #resulted(transactionId: number, result: Amf0Value): void {
    const { publishingName } = this.#options;
    if (transactionId === TRANSACTION.connect) {
      this.#command('releaseStream', TRANSACTION.releaseStream, null, publishingName);
      this.#command('FCPublish', TRANSACTION.fcPublish, null, publishingName);
      this.#command('createStream', TRANSACTION.createStream, null);
    } else if (transactionId === TRANSACTION.createStream) {
      if (typeof result !== 'number')
        throw new RtmpError('MalformedCommand', 'createStream without a number');
      this.#messageStreamId = result;
      this.#command('publish', TRANSACTION.publish, null, publishingName, 'live');
    }
  }

  #answerPing(payload: Uint8Array): void {
    if (payload.length < 6) return;
    const view = new DataView(payload.buffer, payload.byteOffset);
    if (view.getUint16(0) !== USER_CONTROL.pingRequest) return;
    this.#send(userControlMessage(USER_CONTROL.pingResponse, view.getUint32(2)), CONTROL_CHUNK_STREAM);
  }

  #command(name: string, transactionId: number, ...values: readonly Amf0Value[]): void {
    const messageStreamId = name === 'publish' ? this.#messageStreamId : 0;
    this.#send(commandMessage({ name, transactionId, messageStreamId }, ...values), COMMAND_CHUNK_STREAM);
  }

  #send(message: RtmpMessage, chunkStreamId: number): void {
    this.#options.send(this.#writer.write(message, chunkStreamId));
  }
}

function refused(information: Amf0Value): RtmpError {
  const code = amf0Property(information, 'code');
  const description = amf0Property(information, 'description');
  return new RtmpError('RefusedByServer', `${String(code)}: ${String(description)}`);
}
