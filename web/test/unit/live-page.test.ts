import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readAddress } from '../../src/address.ts';
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
    const address = { key: 'k+/=', channel: 'arena', program: 'final' };
    expect(readAddress(`#${new URLSearchParams(address)}`, store)).toEqual(address);
    expect(readAddress('', store)).toEqual(address);
    expect(readAddress('#program=other', store)).toEqual({ ...address, program: 'other' });
  });

  it.each(['', '#', '#key=k', '#key=k&channel=c&program=', `#key=k&channel=c&program=${'x'.repeat(300)}`])(
    'is undefined for %j',
    (fragment) => {
      expect(readAddress(fragment, memoryStore())).toBeUndefined();
    },
  );
});

describe('modelOf', () => {
  it('is total: whatever the API answers, there is something to show', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), fc.jsonValue(), (channel, program, timeline) => {
        const model = modelOf({ channel, program, timeline });
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
