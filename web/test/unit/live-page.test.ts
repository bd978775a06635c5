import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { fragmentOf, readAddress } from '../../src/address.ts';
import { clockText, modelOf, parseDuration } from '../../src/model.ts';
import { nextPollMs } from '../../src/polling.ts';

function memoryStore(): Storage & { readonly items: Map<string, string> } {
  const items = new Map<string, string>();
  return {
    items,
    length: 0,
    clear: () => items.clear(),
    key: () => null,
    getItem: (name) => items.get(name) ?? null,
    setItem: (name, value) => void items.set(name, value),
    removeItem: (name) => void items.delete(name),
  };
}

describe('readAddress', () => {
  it('reads the fragment and remembers it for this tab', () => {
    const store = memoryStore();
    const address = { key: 'k+/=', channel: 'arena', program: 'final', token: 'a.b-_c.d' };
    const rest = { video: '', all: 'channels' };
    expect(readAddress(`#${new URLSearchParams(address)}`, store)).toEqual({ ...address, ...rest });
    expect(readAddress('', store)).toEqual({ key: 'k+/=', channel: '', program: '', token: '', ...rest });
    expect(readAddress(fragmentOf({ channel: 'a b' }), store)).toEqual({
      key: 'k+/=',
      channel: 'a b',
      program: '',
      token: '',
      ...rest,
    });
    expect(readAddress('#videos', store)).toMatchObject({ video: '', all: 'videos' });
    expect(readAddress(fragmentOf({ video: 'lecture' }), store)).toMatchObject({ video: 'lecture' });
  });

  it.each(['', '#', '#channel=c&program=p', `#channel=c&key=${'x'.repeat(300)}`])(
    'is undefined for %j',
    (fragment) => {
      expect(readAddress(fragment, memoryStore())).toBeUndefined();
    },
  );
});

describe('modelOf', () => {
  it('lights a step by what is so, with the milliseconds since what it waited for', () => {
    const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, seconds) + 86).toISOString();
    const condition = (type: string, seconds: number) => ({ type, status: true, since: at(seconds) });
    const model = modelOf({
      channel: {
        name: 'arena',
        ingest: { sending: true },
        health: { level: 'ok', message: 'The encoder is sending as it should.' },
      },
      program: {
        name: 'final',
        createdAt: '2026-01-01T00:00:00.000Z',
        playback: { status: 'live', hls: 'h', dash: 'd' },
        recording: { duration: 'PT3S' },
        conditions: [
          condition('KeyPolicyReady', 0),
          condition('DeliveryPolicyReady', 0),
          condition('Published', 200),
        ],
      },
      streamingEndpoint: { state: 'Running', scaleUnits: 2 },
      programs: {
        items: [
          { name: 'first', createdAt: '2026-01-01T00:00:00Z' },
          { name: 'final', createdAt: '2026-01-02T00:00:00Z' },
        ],
      },
      timeline: {
        items: [
          {
            at: '2026-01-01T00:03:20.000Z',
            type: 'Microsoft.Media.LiveEventEncoderConnected',
            effect: 'Seen.',
            milliseconds: 12,
          },
        ],
      },
    });
    expect(model.steps.map(({ name, isDone, tookMs }) => ({ name, isDone, tookMs }))).toEqual([
      { name: 'EncoderConnected', isDone: true, tookMs: 12 },
      { name: 'KeyPolicyReady', isDone: true, tookMs: 86 },
      { name: 'DeliveryPolicyReady', isDone: true, tookMs: 86 },
      { name: 'Published', isDone: true, tookMs: 86 },
    ]);
    expect(model).toMatchObject({
      status: 'live',
      recordedSeconds: 3,
      health: { level: 'ok', sentence: 'The encoder is sending as it should.' },
      timeline: [{ text: 'Seen.', tookMs: 12 }],
      scaleUnits: 2,
      programs: ['final', 'first'],
    });
  });

  it('is total: whatever the API answers, there is something to show', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue(), { minLength: 5, maxLength: 5 }), (answers) => {
        const [channel, program, timeline, streamingEndpoint, programs] = answers;
        const model = modelOf({ channel, program, timeline, streamingEndpoint, programs });
        expect(model.steps.map(({ name }) => name)).toEqual([
          'EncoderConnected',
          'KeyPolicyReady',
          'DeliveryPolicyReady',
          'Published',
        ]);
      }),
    );
  });
});

describe('parseDuration', () => {
  it.each([
    ['PT0S', 0],
    ['PT1H12M', 4320],
    ['PT2.5S', 2.5],
    ['P1DT1S', 86_401],
    ['P', undefined],
    ['PT', undefined],
    ['12', undefined],
    [undefined, undefined],
  ])('reads %s as %s', (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds);
  });
});

describe('clockText', () => {
  it.each([
    [0, '0:00'],
    [59.9, '0:59'],
    [600, '10:00'],
    [3723, '1:02:03'],
  ])('shows %s as %s', (seconds, text) => {
    expect(clockText(seconds)).toBe(text);
  });
});

describe('nextPollMs', () => {
  it.each([
    { name: 'a second after news', state: { failures: 0, unchanged: 0, isHidden: false }, waitMs: 1000 },
    { name: 'less often when calm', state: { failures: 0, unchanged: 20, isHidden: false }, waitMs: 3000 },
    { name: 'rarely when hidden', state: { failures: 0, unchanged: 0, isHidden: true }, waitMs: 10_000 },
    { name: 'backing off', state: { failures: 2, unchanged: 0, isHidden: false }, waitMs: 4000 },
    { name: 'up to a bound', state: { failures: 99, unchanged: 0, isHidden: false }, waitMs: 15_000 },
  ])('is $name', ({ state, waitMs }) => {
    expect(nextPollMs(state)).toBe(waitMs);
  });
});
