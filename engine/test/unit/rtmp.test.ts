import { createHmac } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parsePublishPath } from '../../src/ingest/publish-path.ts';
import {
  AMF0_DEPTH_MAX,
  type Amf0Value,
  amf0Object,
  amf0Property,
  parseAmf0,
  writeAmf0,
} from '../../src/protocols/rtmp/amf0.ts';
import {
  ASSEMBLY_BYTES_MAX,
  CHUNK_STREAMS_MAX,
  RtmpChunkReader,
} from '../../src/protocols/rtmp/chunk-reader.ts';
import { RtmpChunkWriter } from '../../src/protocols/rtmp/chunk-writer.ts';
import { commandMessage } from '../../src/protocols/rtmp/command.ts';
import {
  answerClientHello,
  HANDSHAKE_PACKET_BYTES,
  writeClientHello,
} from '../../src/protocols/rtmp/handshake.ts';
import { controlMessage, MESSAGE_TYPE, type RtmpMessage } from '../../src/protocols/rtmp/message.ts';
import { RtmpError } from '../../src/protocols/rtmp/rtmp-error.ts';
import { RtmpServerConnection, type RtmpServerEvent } from '../../src/protocols/rtmp/server-connection.ts';

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'));
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const concat = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(parts));

/** The message as plain data, so that views and arrays of their own compare equal. */
const plain = (message: RtmpMessage) => ({ ...message, payload: hexOf(message.payload) });

function readAll(reader: RtmpChunkReader, ...pieces: readonly Uint8Array[]): RtmpMessage[] {
  const messages: RtmpMessage[] = [];
  for (const piece of pieces) {
    reader.append(piece);
    for (let m = reader.next(); m !== undefined; m = reader.next()) messages.push(m);
  }
  return messages;
}

function mediaReader(): RtmpChunkReader {
  const reader = new RtmpChunkReader();
  reader.acceptMedia();
  return reader;
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof RtmpError) return error.code;
    throw error;
  }
  return 'none';
}

describe('AMF0', () => {
  it.each<{ name: string; value: Amf0Value; bytes: string }>([
    { name: 'number', value: 1, bytes: '00 3ff0000000000000' },
    { name: 'true', value: true, bytes: '01 01' },
    { name: 'false', value: false, bytes: '01 00' },
    { name: 'string', value: 'live', bytes: '02 0004 6c697665' },
    { name: 'string beyond ASCII', value: 'é', bytes: '02 0002 c3a9' },
    { name: 'empty string', value: '', bytes: '02 0000' },
    { name: 'null', value: null, bytes: '05' },
    { name: 'undefined', value: undefined, bytes: '06' },
    { name: 'object', value: amf0Object({ a: true }), bytes: '03 0001 61 01 01 0000 09' },
    { name: 'empty object', value: amf0Object({}), bytes: '03 0000 09' },
    {
      name: 'ECMA array',
      value: { kind: 'ecmaArray', properties: new Map([['a', null]]) },
      bytes: '08 00000001 0001 61 05 0000 09',
    },
    { name: 'strict array', value: [1, null], bytes: '0a 00000002 00 3ff0000000000000 05' },
    { name: 'date', value: { kind: 'date', unixMs: 0 }, bytes: '0b 0000000000000000 0000' },
    { name: 'long string', value: 'x'.repeat(65_536), bytes: `0c 00010000 ${'78'.repeat(65_536)}` },
  ])('reads and writes: $name', ({ value, bytes }) => {
    expect(hexOf(writeAmf0([value]))).toBe(hexOf(bytesOf(bytes)));
    expect(parseAmf0(bytesOf(bytes))).toEqual([value]);
  });

  it.each<{ name: string; value: Amf0Value; bytes: string }>([
    {
      name: 'ECMA array whose count is wrong',
      value: { kind: 'ecmaArray', properties: new Map([['a', null]]) },
      bytes: '08 ffffffff 0001 61 05 0000 09',
    },
    { name: 'typed object', value: amf0Object({ a: null }), bytes: '10 0001 54 0001 61 05 0000 09' },
    { name: 'XML document', value: 'x', bytes: '0f 00000001 78' },
    { name: 'unsupported', value: undefined, bytes: '0d' },
    {
      name: 'property __proto__',
      value: amf0Object({ ['__proto__']: 1 }),
      bytes: '03 0009 5f5f70726f746f5f5f 00 3ff0000000000000 0000 09',
    },
  ])('reads what others write: $name', ({ value, bytes }) => {
    expect(parseAmf0(bytesOf(bytes))).toEqual([value]);
  });

  it.each([
    { name: 'number cut off', bytes: '00 3ff0' },
    { name: 'string longer than the message', bytes: '02 ffff 61' },
    { name: 'long string of 4 GB', bytes: '0c ffffffff 61' },
    { name: 'object without end', bytes: '03 0001 61 05' },
    { name: 'array of 4 G values', bytes: '0a ffffffff' },
    { name: 'reference', bytes: '07 0000' },
    { name: 'AMF3 switch', bytes: '11' },
    { name: 'nested too deep', bytes: '0a00000001'.repeat(AMF0_DEPTH_MAX + 2) },
    { name: 'too many values', bytes: '05'.repeat(4097) },
  ])('refuses: $name', ({ bytes }) => {
    expect(codeOf(() => parseAmf0(bytesOf(bytes)))).toBe('MalformedAmf');
  });

  it('reads back whatever it writes', () => {
    const { value } = fc.letrec<{ value: Amf0Value }>((tie) => ({
      value: fc.oneof(
        { depthSize: 'small', maxDepth: 5 },
        fc.double({ noNaN: true }),
        fc.boolean(),
        fc.string(),
        fc.constant(null),
        fc.constant(undefined),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.double({ noNaN: true }).map((unixMs) => ({ kind: 'date' as const, unixMs })),
        fc
          .tuple(
            fc.constantFrom('object' as const, 'ecmaArray' as const),
            fc.array(fc.tuple(fc.string({ minLength: 1 }), tie('value')), { maxLength: 4 }),
          )
          .map(([kind, entries]) => ({ kind, properties: new Map(entries) })),
      ),
    }));
    fc.assert(
      fc.property(fc.array(value, { maxLength: 5 }), (values) => {
        expect(parseAmf0(writeAmf0(values))).toEqual(values);
      }),
    );
  });

  it('writes more than its first array holds, wherever the border falls', () => {
    for (let length = 230; length < 270; length += 1) {
      const values: Amf0Value[] = [
        'x'.repeat(length),
        1,
        [true],
        amf0Object({ a: 'b' }),
        { kind: 'date', unixMs: 5 },
      ];
      expect(parseAmf0(writeAmf0(values))).toEqual(values);
    }
  });

  it('answers any bytes with values or its own error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(['none', 'MalformedAmf']).toContain(codeOf(() => parseAmf0(bytes)));
      }),
      { numRuns: 500 },
    );
  });
});

describe('RTMP chunks', () => {
  const message = (change: Partial<RtmpMessage>): RtmpMessage => ({
    typeId: MESSAGE_TYPE.audio,
    messageStreamId: 1,
    timestampMs: 1000,
    payload: bytesOf('af01aa'),
    ...change,
  });

  // RTMP 1.0 §5.3.1; the bytes are put together by hand.
  it.each<{ name: string; messages: RtmpMessage[]; id: number; bytes: string }>([
    { name: 'type 0', id: 4, messages: [message({})], bytes: '04 0003e8 000003 08 01000000 af01aa' },
    {
      name: 'type 1: another length',
      id: 4,
      messages: [message({}), message({ timestampMs: 1023, payload: bytesOf('af') })],
      bytes: '04 0003e8 000003 08 01000000 af01aa  44 000017 000001 08 af',
    },
    {
      name: 'type 2, then type 3: the same delta again',
      id: 4,
      messages: [message({}), message({ timestampMs: 1023 }), message({ timestampMs: 1046 })],
      bytes: '04 0003e8 000003 08 01000000 af01aa  84 000017 af01aa  c4 af01aa',
    },
    {
      name: 'type 3 after type 0: the time is the delta (§5.3.1.2.4)',
      id: 4,
      messages: [message({}), message({ timestampMs: 2000 })],
      bytes: '04 0003e8 000003 08 01000000 af01aa  c4 af01aa',
    },
    {
      name: 'type 0 when time goes back',
      id: 4,
      messages: [message({}), message({ timestampMs: 999 })],
      bytes: '04 0003e8 000003 08 01000000 af01aa  04 0003e7 000003 08 01000000 af01aa',
    },
    {
      name: 'id of two bytes, first',
      id: 64,
      messages: [message({})],
      bytes: '00 00 0003e8 000003 08 01000000 af01aa',
    },
    {
      name: 'id of two bytes, last',
      id: 319,
      messages: [message({})],
      bytes: '00 ff 0003e8 000003 08 01000000 af01aa',
    },
    {
      name: 'id of three bytes, first',
      id: 320,
      messages: [message({})],
      bytes: '01 0001 0003e8 000003 08 01000000 af01aa',
    },
    {
      name: 'id of three bytes, last',
      id: 65_599,
      messages: [message({})],
      bytes: '01 ffff 0003e8 000003 08 01000000 af01aa',
    },
    {
      name: 'empty message',
      id: 4,
      messages: [message({ payload: new Uint8Array(0) })],
      bytes: '04 0003e8 000000 08 01000000',
    },
    {
      name: 'the last time without extension',
      id: 4,
      messages: [message({ timestampMs: 0xfffffe })],
      bytes: '04 fffffe 000003 08 01000000 af01aa',
    },
    {
      name: 'the first time with extension',
      id: 4,
      messages: [message({ timestampMs: 0xffffff })],
      bytes: '04 ffffff 000003 08 01000000 00ffffff af01aa',
    },
    {
      name: 'two chunks, extension repeated (§5.3.1.3)',
      id: 4,
      messages: [message({ timestampMs: 0xfffffffe, payload: bytesOf('ab'.repeat(130)) })],
      bytes: `04 ffffff 000082 08 01000000 fffffffe ${'ab'.repeat(128)} c4 fffffffe abab`,
    },
    {
      name: 'extended delta',
      id: 4,
      messages: [message({ timestampMs: 0 }), message({ timestampMs: 0x1000000 })],
      bytes: '04 000000 000003 08 01000000 af01aa  84 ffffff 01000000 af01aa',
    },
  ])('writes and reads: $name', ({ messages, id, bytes }) => {
    const writer = new RtmpChunkWriter();
    expect(hexOf(concat(...messages.map((m) => writer.write(m, id))))).toBe(hexOf(bytesOf(bytes)));
    expect(readAll(mediaReader(), bytesOf(bytes)).map(plain)).toEqual(messages.map(plain));
  });

  it('takes type 3 chunks without the repeated extended timestamp', () => {
    const bytes = bytesOf(`04 ffffff 000086 08 01000000 01000000 ${'ab'.repeat(128)} c4 ${'cd'.repeat(6)}`);
    expect(readAll(mediaReader(), bytes).map(plain)).toEqual([
      plain(message({ timestampMs: 0x1000000, payload: bytesOf('ab'.repeat(128) + 'cd'.repeat(6)) })),
    ]);
  });

  it('lets the delta wrap round 32 bits', () => {
    const bytes = bytesOf('04 ffffff 000001 08 01000000 ffffffff aa  84 000002 bb');
    expect(readAll(mediaReader(), bytes).map((m) => m.timestampMs)).toEqual([0xffffffff, 1]);
  });

  it('reads chunks of several streams in turn', () => {
    const bytes = bytesOf(
      `04 000001 000082 08 01000000 ${'aa'.repeat(128)}  06 000002 000082 09 01000000 ${'bb'.repeat(128)}  c4 aaaa  c6 bbbb`,
    );
    expect(readAll(mediaReader(), bytes).map((m) => [m.typeId, m.timestampMs, m.payload.length])).toEqual([
      [8, 1, 130],
      [9, 2, 130],
    ]);
  });

  it('forgets an unfinished message that is aborted', () => {
    const bytes = bytesOf(
      `04 000001 000082 08 01000000 ${'aa'.repeat(128)}  02 000000 000004 02 00000000 00000004  04 000009 000001 08 01000000 cc`,
    );
    expect(readAll(mediaReader(), bytes).map(plain)).toEqual([
      plain(message({ timestampMs: 9, payload: bytesOf('cc') })),
    ]);
  });

  it('obeys a new chunk size, also one far above what a message may have', () => {
    const big = bytesOf('ab'.repeat(5000));
    const writer = new RtmpChunkWriter();
    const size = writer.write(controlMessage(MESSAGE_TYPE.setChunkSize, 0x7fffffff), 2);
    writer.setChunkSize(0x7fffffff);
    expect(readAll(mediaReader(), size, writer.write(message({ payload: big }), 4)).map(plain)).toEqual([
      plain(message({ payload: big })),
    ]);
  });

  it('takes an aggregate apart, its times moved to its own', () => {
    const part = (type: string, time: string, body: string) =>
      `${type} 000002 ${time} 00 000000 ${body} 0000000d`;
    const payload = bytesOf(part('08', '000064', 'af01') + part('09', '000074', '1701'));
    const bytes = new RtmpChunkWriter().write(
      message({ typeId: MESSAGE_TYPE.aggregate, timestampMs: 5000, payload }),
      4,
    );
    expect(readAll(mediaReader(), bytes).map(plain)).toEqual([
      { typeId: 8, messageStreamId: 1, timestampMs: 5000, payload: 'af01' },
      { typeId: 9, messageStreamId: 1, timestampMs: 5016, payload: '1701' },
    ]);
  });

  const setChunkSize = (size: string): string => `02 000000 000004 01 00000000 ${size}`;
  it.each([
    { name: 'a stream that begins with type 3', bytes: 'c4', code: 'MalformedChunk' },
    { name: 'a stream that begins with type 2', bytes: '84 000000', code: 'MalformedChunk' },
    { name: 'chunk size 0', bytes: setChunkSize('00000000'), code: 'MalformedChunk' },
    { name: 'chunk size with the top bit', bytes: setChunkSize('80000000'), code: 'MalformedChunk' },
    {
      name: 'control message of 3 bytes',
      bytes: '02 000000 000003 01 00000000 000001',
      code: 'MalformedChunk',
    },
    {
      name: 'type 0 inside a message',
      bytes: `04 000000 000082 08 01000000 ${'aa'.repeat(128)} 04 000000 000001 08 01000000`,
      code: 'MalformedChunk',
    },
    { name: 'audio of 16 MB', bytes: '04 000000 ffffff 08 01000000', code: 'MessageTooLarge' },
    { name: 'a control message of 16 MB', bytes: '02 000000 ffffff 01 00000000', code: 'MessageTooLarge' },
    { name: 'an unknown type of 16 MB', bytes: '02 000000 ffffff 63 00000000', code: 'MessageTooLarge' },
    { name: 'an aggregate cut off', bytes: '04 000000 000003 16 01000000 080000', code: 'MalformedChunk' },
    {
      name: 'an aggregate part that is too long',
      bytes: '04 000000 00000b 16 01000000 08ffffff00000000000000',
      code: 'MalformedChunk',
    },
  ])('refuses: $name', ({ bytes, code }) => {
    expect(codeOf(() => readAll(mediaReader(), bytesOf(bytes)))).toBe(code);
  });

  it('refuses media before it may come, too many chunk streams, and too much unfinished', () => {
    expect(codeOf(() => readAll(new RtmpChunkReader(), bytesOf('04 000000 000003 08 01000000')))).toBe(
      'UnexpectedMessage',
    );
    const streams = Array.from({ length: CHUNK_STREAMS_MAX + 1 }, (_, id) =>
      new RtmpChunkWriter().write(message({}), 64 + id),
    );
    expect(codeOf(() => readAll(mediaReader(), ...streams))).toBe('TooManyChunkStreams');
    // Each the first byte of a large message: 60 kB of commands, then 4 MB of video.
    const begin = (id: number, head: string) =>
      bytesOf(`${id.toString(16).padStart(2, '0')} 000000 ${head} 00000000 aa`);
    const commands = Array.from({ length: 1 + ASSEMBLY_BYTES_MAX.commands / 60_000 }, (_, id) =>
      begin(8 + id, '00ea60 14'),
    );
    expect(codeOf(() => interleave(new RtmpChunkReader(), commands))).toBe('AssemblyBudgetExceeded');
    const videos = Array.from({ length: 5 }, (_, id) => begin(8 + id, '3fffff 09'));
    expect(codeOf(() => interleave(mediaReader(), videos))).toBe('AssemblyBudgetExceeded');
  });

  /** With chunks of one byte, each begin is a whole chunk. */
  function interleave(reader: RtmpChunkReader, begins: readonly Uint8Array[]): void {
    readAll(reader, bytesOf(setChunkSize('00000001')), ...begins);
  }

  it('reads back whatever it writes, however the bytes are cut', () => {
    const anyMessage = fc.record({
      id: fc.constantFrom(3, 4, 63, 64, 319, 320, 65_599),
      message: fc.record({
        typeId: fc.constantFrom(8, 9, 18, 20),
        messageStreamId: fc.constantFrom(0, 1, 0xffffffff),
        timestampMs: fc.oneof(fc.nat(5000), fc.constantFrom(0xfffffe, 0xffffff, 0x1000000, 0xffffffff)),
        payload: fc.uint8Array({ maxLength: 700, size: 'max' }),
      }),
    });
    fc.assert(
      fc.property(
        fc.array(anyMessage, { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 20 }),
        fc.constantFrom(1, 7, 128, 4096),
        (sent, cuts, chunkBytes) => {
          const writer = new RtmpChunkWriter();
          const size = writer.write(controlMessage(MESSAGE_TYPE.setChunkSize, chunkBytes), 2);
          writer.setChunkSize(chunkBytes);
          const wire = concat(size, ...sent.map(({ id, message: m }) => writer.write(m, id)));
          const received = readAll(mediaReader(), ...cut(wire, cuts));
          expect(received.map(plain)).toEqual(sent.map(({ message: m }) => plain(m)));
        },
      ),
      { numRuns: 300 },
    );
  });
});

function cut(wire: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0, i = 0; at < wire.length; i += 1) {
    const length = lengths[i % lengths.length] ?? 1;
    pieces.push(wire.slice(at, at + length));
    at += length;
  }
  return pieces;
}

describe('RTMP handshake', () => {
  const source = {
    timeMs: 77,
    random: (size: number) => Uint8Array.from({ length: size }, (_, i) => (i * 31 + 7) % 251),
  };
  const packet = (bytes: Uint8Array, index: number) =>
    bytes.subarray(1 + index * HANDSHAKE_PACKET_BYTES, 1 + (index + 1) * HANDSHAKE_PACKET_BYTES);
  const hmac = (key: Uint8Array, ...parts: readonly Uint8Array[]) => {
    const mac = createHmac('sha256', key);
    for (const part of parts) mac.update(part);
    return hexOf(mac.digest());
  };

  it('echoes a plain C1', () => {
    const hello = writeClientHello(source);
    const answer = answerClientHello(hello, source);
    expect(answer).toHaveLength(1 + 2 * HANDSHAKE_PACKET_BYTES);
    expect(answer[0]).toBe(3);
    // §5.2.3: the second field of S1 is zero; §5.2.4: S2 is C1 but for the time it was read.
    expect(hexOf(packet(answer, 0).subarray(4, 8))).toBe('00000000');
    expect(hexOf(packet(answer, 1).subarray(0, 4))).toBe(hexOf(packet(hello, 0).subarray(0, 4)));
    expect(hexOf(packet(answer, 1).subarray(8))).toBe(hexOf(packet(hello, 0).subarray(8)));
  });

  // An expectation of its own: positions and keys from the published description, not from our code.
  it.each([
    { scheme: 0 as const, offsetAt: 772 },
    { scheme: 1 as const, offsetAt: 8 },
  ])('signs S1 and S2 for a C1 signed with scheme $scheme', ({ scheme, offsetAt }) => {
    const digestAt = (p: Uint8Array) =>
      offsetAt +
      4 +
      (((p[offsetAt] ?? 0) + (p[offsetAt + 1] ?? 0) + (p[offsetAt + 2] ?? 0) + (p[offsetAt + 3] ?? 0)) % 728);
    const digest = (p: Uint8Array) => p.subarray(digestAt(p), digestAt(p) + 32);
    const expected = (p: Uint8Array, key: string) =>
      hmac(Buffer.from(key), p.subarray(0, digestAt(p)), p.subarray(digestAt(p) + 32));
    const hello = writeClientHello(source, scheme);
    const c1 = packet(hello, 0);
    expect(hexOf(digest(c1))).toBe(expected(c1, 'Genuine Adobe Flash Player 001'));

    const answer = answerClientHello(hello, source);
    const s1 = packet(answer, 0);
    const s2 = packet(answer, 1);
    expect(hexOf(digest(s1))).toBe(expected(s1, 'Genuine Adobe Flash Media Server 001'));
    const tail = bytesOf('f0eec24a8068bee82e00d0d1029e7e576eec5d2d29806fab93b8e636cfeb31ae');
    const key = bytesOf(hmac(concat(Buffer.from('Genuine Adobe Flash Media Server 001'), tail), digest(c1)));
    expect(hexOf(s2.subarray(1504))).toBe(hmac(key, s2.subarray(0, 1504)));
  });

  it.each([
    { name: 'RTMPE', version: 6 },
    { name: 'HTTP', version: 0x47 },
    { name: 'RTMP before 3', version: 2 },
  ])('refuses $name', ({ version }) => {
    const hello = writeClientHello(source);
    hello[0] = version;
    expect(codeOf(() => answerClientHello(hello, source))).toBe('MalformedHandshake');
  });
});

describe('RTMP server connection', () => {
  const source = { timeMs: 0, random: (size: number) => new Uint8Array(size).fill(9) };

  /** All that an encoder sends in one session, as one array. */
  function session(): Uint8Array {
    const writer = new RtmpChunkWriter();
    const command = (name: string, transactionId: number, ...values: Amf0Value[]) =>
      writer.write(
        commandMessage({ name, transactionId, messageStreamId: name === 'publish' ? 1 : 0 }, ...values),
        3,
      );
    const media = (typeId: number, timestampMs: number, payload: Uint8Array) =>
      writer.write({ typeId, messageStreamId: 1, timestampMs, payload }, typeId === 8 ? 4 : 6);
    const parts = [
      writeClientHello(source),
      new Uint8Array(HANDSHAKE_PACKET_BYTES),
      command('connect', 1, amf0Object({ app: 'live/abcd1234ef', tcUrl: 'rtmp://h/live/abcd1234ef' })),
      writer.write(controlMessage(MESSAGE_TYPE.windowAcknowledgementSize, 2_500_000), 2),
      command('releaseStream', 2, null, 'cam'),
      command('FCPublish', 3, null, 'cam'),
      command('createStream', 4, null),
      command('publish', 5, null, 'cam', 'live'),
    ];
    for (let i = 0; i < 20; i += 1) {
      parts.push(
        media(9, i * 40, new Uint8Array(300 + i).fill(i)),
        media(8, i * 40 + 1, new Uint8Array(20).fill(i)),
      );
    }
    parts.push(command('FCUnpublish', 6, null, 'cam'), command('deleteStream', 7, null, 1));
    return concat(...parts);
  }

  function run(pieces: readonly Uint8Array[]): {
    events: RtmpServerEvent[];
    code: string;
    sentBytes: number;
  } {
    const events: RtmpServerEvent[] = [];
    let sentBytes = 0;
    const send = (bytes: Uint8Array): void => {
      sentBytes += bytes.length;
    };
    const connection = new RtmpServerConnection({ send, handshakeSource: () => source });
    const take = (event: RtmpServerEvent): void => {
      events.push(event);
      if (event.kind === 'connect') connection.acceptConnect();
      if (event.kind === 'publish') connection.acceptPublish();
    };
    const code = codeOf(() => {
      for (const piece of pieces) {
        connection.receive(piece);
        for (let event = connection.next(); event !== undefined; event = connection.next()) take(event);
      }
    });
    return { events, code, sentBytes };
  }

  it('tells of connect, publish, media and the end, also when every byte comes alone', () => {
    const wire = session();
    const whole = run([wire]);
    expect(whole.code).toBe('none');
    expect(whole.events.map((event) => event.kind)).toEqual([
      'connect',
      'publish',
      ...Array.from({ length: 40 }, () => 'media'),
      'unpublish',
      'unpublish',
    ]);
    expect(whole.events[1]).toEqual({ kind: 'publish', app: 'live/abcd1234ef', publishingName: 'cam' });
    expect(run(cut(wire, [1]))).toEqual(whole);
  });

  it('answers 2000 damaged sessions with its own errors, quickly and in bounded memory', () => {
    const wire = session();
    const before = process.cpuUsage();
    const outcomes = new Set<string>();
    const mutation = fc.array(
      fc.record({
        at: fc.oneof(fc.nat(wire.length - 1), fc.integer({ min: 3073, max: 3400 })),
        byte: fc.nat(255),
        kind: fc.constantFrom('set' as const, 'drop' as const, 'insert' as const),
      }),
      { minLength: 1, maxLength: 6 },
    );
    fc.assert(
      fc.property(mutation, fc.integer({ min: 1, max: 5000 }), (changes, pieceBytes) => {
        const damaged = damage(wire, changes);
        const { code, sentBytes, events } = run(cut(damaged, [pieceBytes]));
        outcomes.add(code);
        // What comes back, and what is handed on, is bounded by what came in.
        expect(sentBytes).toBeLessThan(20_000);
        const handedBytes = mediaBytes(events);
        expect(handedBytes).toBeLessThanOrEqual(damaged.length);
      }),
      { numRuns: 2000 },
    );
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1e6).toBeLessThan(60);
    // The mutations do reach what is behind the handshake.
    expect([...outcomes]).toEqual(
      expect.arrayContaining(['none', 'MalformedChunk', 'MalformedAmf', 'MessageTooLarge']),
    );
  });

  it('answers garbage, with and without a handshake before it, with its own errors', () => {
    const hello = concat(writeClientHello(source), new Uint8Array(HANDSHAKE_PACKET_BYTES));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000, size: 'max' }), fc.boolean(), (garbage, isGreeted) => {
        run(isGreeted ? [hello, garbage] : [garbage]);
      }),
      { numRuns: 500 },
    );
  });

  it('takes no more than 1000 commands, and none before connect', () => {
    const writer = new RtmpChunkWriter();
    const command = (name: string, ...values: Amf0Value[]) =>
      writer.write(commandMessage({ name, transactionId: 1 }, ...values), 3);
    const hello = concat(writeClientHello(source), new Uint8Array(HANDSHAKE_PACKET_BYTES));
    expect(run([hello, command('publish', null, 'cam')]).code).toBe('UnexpectedMessage');
    const other = new RtmpChunkWriter();
    const connect = other.write(
      commandMessage({ name: 'connect', transactionId: 1 }, amf0Object({ app: 'live' })),
      3,
    );
    const flood = Array.from({ length: 1000 }, () =>
      other.write(commandMessage({ name: 'nothing', transactionId: 9 }, null), 3),
    );
    expect(run([hello, connect, ...flood]).code).toBe('UnexpectedMessage');
  });

  it('keeps a property of an object apart from its prototype', () => {
    expect(amf0Property(amf0Object({}), 'constructor')).toBeUndefined();
  });
});

interface Change {
  readonly at: number;
  readonly byte: number;
  readonly kind: 'set' | 'drop' | 'insert';
}

function damage(wire: Uint8Array, changes: readonly Change[]): Uint8Array {
  const damaged = [...wire];
  for (const { at, byte, kind } of changes) {
    if (kind === 'set') damaged[at] = byte;
    if (kind === 'drop') damaged.splice(at, 1);
    if (kind === 'insert') damaged.splice(at, 0, byte);
  }
  return Uint8Array.from(damaged);
}

function mediaBytes(events: readonly RtmpServerEvent[]): number {
  let sum = 0;
  for (const event of events) sum += event.kind === 'media' ? event.message.payload.length : 0;
  return sum;
}

describe('publish path', () => {
  const declaredKbps = { video: undefined, audio: undefined };
  it.each([
    {
      name: 'token in the app',
      app: 'live/ABCD-1234-ef',
      stream: 'cam',
      expected: { accessToken: 'abcd1234ef', streamId: 'cam', declaredKbps },
    },
    {
      name: 'token in the name',
      app: 'live',
      stream: 'abcd1234ef/cam',
      expected: { accessToken: 'abcd1234ef', streamId: 'cam', declaredKbps },
    },
    {
      name: 'bitrates in the query',
      app: 'live/abcd1234ef',
      stream: 'cam?videodatarate=5000&audiodatarate=192',
      expected: { accessToken: 'abcd1234ef', streamId: 'cam', declaredKbps: { video: 5000, audio: 192 } },
    },
    { name: 'no token', app: 'live', stream: 'cam', expected: undefined },
    { name: 'another app', app: 'vod/abcd1234ef', stream: 'cam', expected: undefined },
    { name: 'one part too many', app: 'live/abcd1234ef/x', stream: 'cam', expected: undefined },
    {
      name: 'a path of 2000 characters',
      app: 'live/abcd1234ef',
      stream: 'c'.repeat(2000),
      expected: undefined,
    },
  ])('$name', ({ app, stream, expected }) => {
    expect(parsePublishPath(app, stream)).toEqual(expected);
  });
});
