import { describe, expect, it } from '@jest/globals';
import { parseFlvAudioTag, parseFlvVideoTag } from '../../src/formats/flv.ts';
import { readStreamMetadata } from '../../src/ingest/rtmp-metadata.ts';
import { type Amf0Value, amf0Object, amf0Property } from '../../src/protocols/rtmp/amf0.ts';
import { RtmpChunkReader } from '../../src/protocols/rtmp/chunk-reader.ts';
import { RtmpChunkWriter } from '../../src/protocols/rtmp/chunk-writer.ts';
import { commandMessage, parseCommand } from '../../src/protocols/rtmp/command.ts';
import { HANDSHAKE_PACKET_BYTES, writeClientHello } from '../../src/protocols/rtmp/handshake.ts';
import { RtmpServerConnection } from '../../src/protocols/rtmp/server-connection.ts';

const bytes = (text: string) => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const AVC1 = '61766331';
const HVC1 = '68766331';
const MP4A = '6d703461';

/** As text, so that a case fits a line. */
const shown = (tags: ReturnType<typeof parseFlvVideoTag> | ReturnType<typeof parseFlvAudioTag>): string[] =>
  tags.map((tag) => {
    if (tag.kind === 'ignored') return 'ignored';
    if (tag.kind === 'unsupportedCodec') return `unsupported ${tag.trackId} ${tag.name}`;
    const codec = 'codec' in tag ? tag.codec : 'aac';
    const data = tag.kind === 'sequenceHeader' ? tag.configurationRecord : tag.data;
    const video =
      'compositionTimeMs' in tag ? ` ${tag.isKeyFrame ? 'key' : 'other'} ${tag.compositionTimeMs}` : '';
    return `${tag.kind} ${tag.trackId} ${codec}${video} ${Buffer.from(data).toString('hex')}`;
  });

describe('Enhanced RTMP, video messages', () => {
  it.each([
    ['HEVC sequence start', `90 ${HVC1} 0102`, ['sequenceHeader 0 hevc 0102']],
    ['coded frames with a composition time', `91 ${HVC1} 000028 aabb`, ['accessUnit 0 hevc key 40 aabb']],
    ['a negative one', `a1 ${HVC1} ffffd8 aabb`, ['accessUnit 0 hevc other -40 aabb']],
    ['coded frames without one', `a3 ${HVC1} aabb`, ['accessUnit 0 hevc other 0 aabb']],
    ['H.264 by FourCC', `91 ${AVC1} 000000 aabb`, ['accessUnit 0 h264 key 0 aabb']],
    ['the end of a sequence', `92 ${HVC1}`, ['ignored']],
    ['metadata', `94 ${HVC1} 0200`, ['ignored']],
    ['a command', `d0 00`, ['ignored']],
    ['AV1', `90 61763031 00`, ['unsupported 0 av01']],
    ['a FourCC that cannot be shown', `90 00010203 00`, ['unsupported 0 Enhanced RTMP']],
    ['nanoseconds before the packet', `97 02 000102 03 ${HVC1} aabb`, ['accessUnit 0 hevc key 0 aabb']],
    [
      'a long modifier before another',
      `97 ff 00ff ${'00'.repeat(256)} 07 00 00 03 ${HVC1} aabb`,
      ['accessUnit 0 hevc key 0 aabb'],
    ],
    ['one track of many', `96 01 ${HVC1} 02 000000 aabb`, ['accessUnit 2 hevc key 0 aabb']],
    [
      'two tracks of one codec',
      `a6 13 ${AVC1} 00 000001 aa 01 000002 bbcc`,
      ['accessUnit 0 h264 other 0 aa', 'accessUnit 1 h264 other 0 bbcc'],
    ],
    [
      'two tracks of two codecs',
      `96 20 ${AVC1} 00 000001 aa ${HVC1} 01 000002 bbcc`,
      ['sequenceHeader 0 h264 aa', 'sequenceHeader 1 hevc bbcc'],
    ],
  ])('reads %s', (_, hex, expected) => {
    expect(shown(parseFlvVideoTag(bytes(hex)))).toEqual(expected);
  });

  it.each([
    ['a FourCC cut short', '90 6876', 'cut short'],
    ['multitrack in multitrack', `96 06 ${HVC1} 00`, 'multitrack type 0 of packets of type 6'],
    ['an unknown multitrack type', `96 31 ${HVC1} 00`, 'multitrack type 3'],
    ['a track longer than the message', `96 13 ${AVC1} 00 0000ff aa`, 'cut short'],
    ['many tracks', `96 13 ${AVC1} ${'00 000001 aa'.repeat(17)}`, 'more than 16 tracks'],
    ['modifiers without end', `97 ${'00 00 07'.repeat(9)}`, 'more than 8 modifiers'],
    ['a composition time of hours', `91 ${HVC1} 7fffff aa`, 'composition time 8388607 ms exceeds 60000'],
  ])('refuses %s', (_, hex, message) => {
    expect(() => parseFlvVideoTag(bytes(hex))).toThrow(message);
  });
});

describe('Enhanced RTMP, audio messages', () => {
  it.each([
    ['a sequence start', `90 ${MP4A} 1190`, ['sequenceHeader 0 aac 1190']],
    ['coded frames', `91 ${MP4A} aabb`, ['accessUnit 0 aac aabb']],
    ['a multichannel configuration', `94 ${MP4A} 0102`, ['ignored']],
    ['Opus', '91 4f707573 aabb', ['unsupported 0 Opus']],
    ['one track of many', `95 01 ${MP4A} 03 aabb`, ['accessUnit 3 aac aabb']],
    [
      'two tracks',
      `95 11 ${MP4A} 00 000001 aa 01 000002 bbcc`,
      ['accessUnit 0 aac aa', 'accessUnit 1 aac bbcc'],
    ],
    [
      'two tracks, one in a codec that is not taken',
      `95 21 ${MP4A} 00 000001 aa 4f707573 01 000002 bbcc`,
      ['accessUnit 0 aac aa', 'unsupported 1 Opus'],
    ],
  ])('reads %s', (_, hex, expected) => {
    expect(shown(parseFlvAudioTag(bytes(hex)))).toEqual(expected);
  });
});

describe('onMetaData', () => {
  const fourCc = (text: string) => Buffer.from(text, 'latin1').readUInt32BE();
  it.each([
    ['FLV numbers of H.264 and AAC', { videocodecid: 7, audiocodecid: 10 }, undefined],
    ['FourCCs as numbers', { videocodecid: fourCc('hvc1'), audiocodecid: fourCc('mp4a') }, undefined],
    ['FourCCs as text', { videocodecid: 'avc1', audiocodecid: 'mp4a' }, undefined],
    ['nothing', {}, undefined],
    ['no audio, said as PCM', { videocodecid: 7, audiocodecid: 0 }, undefined],
    ['Sorenson H.263', { videocodecid: 2, audiocodecid: 10 }, 'video Sorenson H.263'],
    ['screen video', { videocodecid: 3 }, 'video Screen video'],
    ['VP6', { videocodecid: 4 }, 'video VP6'],
    ['VP6 as text', { videocodecid: 'VP6F' }, 'video VP6F'],
    ['AV1', { videocodecid: fourCc('av01') }, 'video av01'],
    ['MP3', { videocodecid: 7, audiocodecid: 2 }, 'audio MP3'],
    ['Speex', { audiocodecid: 11 }, 'audio Speex'],
    ['Opus', { audiocodecid: fourCc('Opus') }, 'audio Opus'],
    ['a number from nowhere', { videocodecid: -1, audiocodecid: 1e300 }, undefined],
    ['another type', { videocodecid: true, audiocodecid: null }, undefined],
  ])('of %s', (_, properties, expected) => {
    const { unsupported } = readStreamMetadata(amf0Object(properties));
    expect(unsupported && `${unsupported.type} ${unsupported.name}`).toBe(expected);
  });

  it('tells the bitrates of all tracks, in thousands of bits, or of 1024 as FFmpeg writes them', () => {
    const rates = {
      videodatarate: 2000,
      audiodatarate: 128,
      framerate: 50,
      audioTrackIdInfoMap: amf0Object({ 1: amf0Object({ audiodatarate: 64 }) }),
      videoTrackIdInfoMap: amf0Object({ 2: amf0Object({ videodatarate: 500, framerate: 25 }) }),
    };
    const read = (properties: Readonly<Record<string, Amf0Value>>) => {
      const { bitrateBps, frameRate } = readStreamMetadata(amf0Object(properties));
      return [
        ...[bitrateBps('video', 0), bitrateBps('audio', 0), bitrateBps('audio', 1), bitrateBps('video', 2)],
        ...[bitrateBps('audio', 2), frameRate(0), frameRate(2), frameRate(1)],
      ];
    };
    const counts = [undefined, 50, 25, undefined];
    expect(read(rates)).toEqual([2_000_000, 128_000, 64_000, 500_000, ...counts]);
    expect(read({ ...rates, encoder: 'Lavf59.27.100' })).toEqual([
      2_048_000,
      131_072,
      65_536,
      512_000,
      ...counts,
    ]);
    expect(read({ videodatarate: 0, audiodatarate: Number.NaN, framerate: -1 })).toEqual(
      Array(8).fill(undefined),
    );
  });
});

describe('connect', () => {
  function answerTo(properties: Readonly<Record<string, Amf0Value>>): Amf0Value {
    const source = { timeMs: 0, random: (size: number) => new Uint8Array(size) };
    const sent: Uint8Array[] = [];
    const server = new RtmpServerConnection({
      send: (data) => sent.push(data),
      handshakeSource: () => source,
    });
    server.receive(writeClientHello(source));
    server.receive(new Uint8Array(HANDSHAKE_PACKET_BYTES));
    const command = { name: 'connect', transactionId: 1 };
    const connect = commandMessage(command, amf0Object({ app: 'live', ...properties }));
    server.receive(new RtmpChunkWriter().write(connect, 3));
    expect(server.next()?.kind).toBe('connect');
    sent.length = 0;
    server.acceptConnect();
    const reader = new RtmpChunkReader();
    reader.append(new Uint8Array(Buffer.concat(sent)));
    for (let message = reader.next(); message !== undefined; message = reader.next()) {
      if (message.typeId === 20) return parseCommand(message).commandObject;
    }
    throw new Error('no answer');
  }

  it('is answered with the codecs that are taken when the encoder speaks Enhanced RTMP', () => {
    const answer = answerTo({ fourCcList: ['av01', 'hvc1'] });
    const map = amf0Property(answer, 'videoFourCcInfoMap');
    expect({
      list: amf0Property(answer, 'fourCcList'),
      hvc1: amf0Property(map, 'hvc1'),
      av01: amf0Property(map, 'av01'),
      capsEx: amf0Property(answer, 'capsEx'),
    }).toEqual({ list: ['avc1', 'hvc1', 'mp4a'], hvc1: 4, av01: undefined, capsEx: 6 });
  });

  it('is answered as ever when it does not', () => {
    const answer = answerTo({});
    expect([amf0Property(answer, 'fmsVer'), amf0Property(answer, 'fourCcList')]).toEqual([
      'FMS/3,0,1,123',
      undefined,
    ]);
  });
});
