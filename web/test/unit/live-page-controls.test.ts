import { describe, expect, it } from '@jest/globals';
import { unzipSync } from 'fflate';
import { actionsOf } from '../../src/actions.ts';
import { channelBody } from '../../src/home.ts';
import { obsProfileFiles, obsProfileZip } from '../../src/obs-profile.ts';
import { alignedSeries, bitrateText } from '../../src/plot-data.ts';

describe('actionsOf', () => {
  const playing = (state: string, status: string) => ({ state, playback: { status } });
  it.each([
    { name: 'a stopped channel', channel: { state: 'stopped' }, program: undefined, can: ['start'] },
    {
      name: 'a running channel whose program waits',
      channel: { state: 'running' },
      program: playing('armed', 'waiting'),
      can: ['stop', 'finish', 'unpublish'],
    },
    {
      name: 'a live program',
      channel: { state: 'running' },
      program: playing('recording', 'live'),
      can: ['stop', 'finish', 'unpublish'],
    },
    {
      name: 'a recording that nobody may see',
      channel: { state: 'running' },
      program: playing('recording', 'notPublished'),
      can: ['stop', 'finish', 'publish'],
    },
    {
      name: 'a finished program',
      channel: { state: 'stopped' },
      program: playing('finished', 'onDemand'),
      can: ['start', 'unpublish'],
    },
    {
      name: 'a channel that is on its way',
      channel: { state: 'stopping' },
      program: undefined,
      can: [],
    },
    { name: 'nothing known', channel: undefined, program: undefined, can: [] },
  ])('of $name: $can', ({ channel, program, can }) => {
    const actions = actionsOf({ channel, program, timeline: {}, streamingEndpoint: undefined, programs: {} });
    expect(Object.entries(actions).flatMap(([action, isAllowed]) => (isAllowed ? [action] : []))).toEqual(
      can,
    );
  });

  it('scales a streaming endpoint that stands still', () => {
    const at = (state: string) =>
      actionsOf({ channel: {}, program: {}, timeline: {}, streamingEndpoint: { state }, programs: {} }).scale;
    expect(['Running', 'Scaling', 'Stopping'].map(at)).toEqual([true, false, false]);
  });
});

describe('channelBody', () => {
  const form = (fields: Readonly<Record<string, string>>): FormData => {
    const data = new FormData();
    for (const [name, value] of Object.entries(fields)) data.set(name, value);
    return data;
  };
  it.each([
    [{}, { autoStop: 'PT30M' }],
    [
      { autoStop: 'never', description: ' The arena ' },
      { autoStop: null, description: 'The arena' },
    ],
    [
      { allowFrom: '203.0.113.0/24, 2001:db8::/32\n192.0.2.1', autoStop: 'PT2H' },
      { autoStop: 'PT2H', allowFrom: ['203.0.113.0/24', '2001:db8::/32', '192.0.2.1'] },
    ],
  ])('of %j leaves to the API what was left empty', (fields, body) => {
    expect(channelBody(form(fields))).toEqual(body);
  });
});

describe('the OBS profile', () => {
  const target = {
    channel: 'arena',
    server: 'rtmps://127.0.0.1:2935/live',
    streamKey: 'abcd/main',
    videoKbps: 6000,
    height: 1080,
    framesPerSecond: 60,
  } as const;

  it('has server, key, and a key frame every two seconds', () => {
    const files = obsProfileFiles(target);
    expect(JSON.parse(files['service.json'] ?? '')).toEqual({
      type: 'rtmp_custom',
      settings: { server: target.server, key: target.streamKey, use_auth: false, bwtest: false },
    });
    expect(JSON.parse(files['streamEncoder.json'] ?? '')).toMatchObject({ keyint_sec: 2, bitrate: 6000 });
    expect(files['basic.ini']).toContain('[Video]\nBaseCX=1920\nBaseCY=1080\n');
    expect(files['basic.ini']).toContain('FPSInt=60');
  });

  it('is a folder in a ZIP file', () => {
    expect(Object.keys(unzipSync(obsProfileZip(target)))).toEqual([
      'Headend_arena/basic.ini',
      'Headend_arena/service.json',
      'Headend_arena/streamEncoder.json',
    ]);
  });
});

describe('the plot', () => {
  const track = (id: string) => ({ id, title: id, detail: '' });
  it('has one ascending time axis for all tracks', () => {
    expect(
      alignedSeries([
        {
          track: track('v'),
          points: [
            { at: 2, bitsPerSecond: 20 },
            { at: 4, bitsPerSecond: 40 },
          ],
        },
        {
          track: track('a'),
          points: [
            { at: 1, bitsPerSecond: 1 },
            { at: 4, bitsPerSecond: 4 },
          ],
        },
      ]),
    ).toEqual([
      [1, 2, 4],
      [null, 20, 40],
      [1, null, 4],
    ]);
  });

  it.each([
    [128_000, '128 kbit/s'],
    [6_240_000, '6.2 Mbit/s'],
    [0, '0 kbit/s'],
  ])('writes %d as %s', (bitsPerSecond, text) => {
    expect(bitrateText(bitsPerSecond)).toBe(text);
  });
});
