import { describe, expect, it } from '@jest/globals';
import { listTracks } from '../../src/lib/adapters/preview/list-tracks.ts';

const playlist = (...lines: readonly string[]) => ['#EXTM3U', '#EXT-X-VERSION:7', ...lines, ''].join('\n');
const sound = (name: string, bps: number, language = '') =>
  `#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="${name}",DEFAULT=NO,AUTOSELECT=YES${language},` +
  `URI="QualityLevels(${bps})/Manifest(${name},format=m3u8-cmaf)"`;
const picture = (bps: number, height: number) => [
  `#EXT-X-STREAM-INF:BANDWIDTH=${bps * 2},CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=640x${height},FRAME-RATE=25.000,AUDIO="audio"`,
  `QualityLevels(${bps})/Manifest(video,format=m3u8-cmaf)`,
];

describe('what the encoder sends, from its preview', () => {
  it('is each quality and each sound once, with the declared bitrates', () => {
    const text = playlist(
      sound('audio', 128_000),
      sound('audio_2', 96_000, ',LANGUAGE="de"'),
      ...picture(2_500_000, 720),
      ...picture(800_000, 360),
    );
    const video = { type: 'video', codec: 'avc1.64001f', width: 640, frameRate: 25, language: null };
    const audio = { type: 'audio', codec: 'mp4a.40.2', width: null, height: null, frameRate: null };
    expect(listTracks(text)).toEqual([
      { ...video, bitrateBps: 2_500_000, height: 720 },
      { ...audio, bitrateBps: 128_000, language: null },
      { ...audio, bitrateBps: 96_000, language: 'de' },
      { ...video, bitrateBps: 800_000, height: 360 },
    ]);
  });

  it('is sound alone, and the peak where an address does not say the bitrate', () => {
    const text = playlist('#EXT-X-STREAM-INF:BANDWIDTH=140000,CODECS="mp4a.40.2"', 'sound.m3u8');
    expect(listTracks(text)).toEqual([
      {
        type: 'audio',
        codec: 'mp4a.40.2',
        bitrateBps: 140_000,
        width: null,
        height: null,
        frameRate: null,
        language: null,
      },
    ]);
  });

  it.each(['', 'not a playlist', '#EXTM3U\n#EXT-X-STREAM-INF:\n', '<html></html>'])(
    'is nothing in %j',
    (text) => {
      expect(listTracks(text)).toEqual([]);
    },
  );
});
