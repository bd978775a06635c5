import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CutGrid } from '../../src/live/cut-grid.ts';
import { type ClosedFragment, OpenFragment } from '../../src/live/open-fragment.ts';
import { type IndexLine, parseIndexLine, writeIndexLine } from '../../src/model/index-line.ts';

const lines: readonly { name: string; line: IndexLine; text: string }[] = [
  { name: 'epoch', line: { kind: 'epoch', epoch: 3, atMs: 5 }, text: '{"t":"epoch","epoch":3,"at":5}\n' },
  { name: 'roll', line: { kind: 'roll' }, text: '{"t":"roll"}\n' },
  { name: 'end', line: { kind: 'end' }, text: '{"t":"end"}\n' },
  {
    name: 'end with a window',
    line: { kind: 'end', archiveWindowTicks: 7 },
    text: '{"t":"end","archiveWindowTicks":7}\n',
  },
];

describe('index line', () => {
  it.each(lines)('$name: writes and parses', ({ line, text }) => {
    expect(writeIndexLine(line)).toBe(text);
    expect(parseIndexLine(text.trimEnd())).toEqual(line);
  });

  it.each([
    '',
    'null',
    '[]',
    '{"t":"f"}',
    '{"t":"epoch","epoch":-1,"at":0}',
    '{"t":"x"}',
    '{"t":"end"',
    '{"t":"end","archiveWindowTicks":0}',
  ])('refuses %j with its own error', (text) => {
    expect(() => parseIndexLine(text)).toThrow(expect.objectContaining({ code: 'MalformedIndexLine' }));
  });
});

describe('open fragment', () => {
  it('keeps every sample once and leaves no hole, wherever it is cut', () => {
    const gaps = fc.array(fc.integer({ min: 1, max: 900_000 }), { minLength: 1, maxLength: 200 });
    const cuts = fc.array(fc.nat(100_000_000), { maxLength: 10 });
    fc.assert(
      fc.property(gaps, cuts, (sampleGaps, boundaries) => {
        const open = new OpenFragment();
        let time = 0;
        for (const gap of sampleGaps) {
          open.add({
            dtsTicks: time,
            compositionOffsetTicks: 0,
            isRandomAccessPoint: true,
            data: new Uint8Array(1),
          });
          time += gap;
        }
        const closed: ClosedFragment[] = [];
        for (const boundary of [...boundaries.toSorted((a, b) => a - b), time]) {
          const fragment = open.closeBefore(boundary, time);
          if (fragment !== undefined) closed.push(fragment);
        }
        expect(closed.flatMap((fragment) => fragment.samples.map((sample) => sample.durationTicks))).toEqual(
          sampleGaps,
        );
        let end = 0;
        for (const fragment of closed) {
          expect(fragment.decodeTimeTicks).toBe(end);
          end += fragment.durationTicks;
        }
        expect(end).toBe(time);
      }),
    );
  });
});

describe('cut grid', () => {
  it('makes the second rung follow the first and refuses fragments under half a second', () => {
    const grid = new CutGrid();
    expect(grid.shouldCut(4_000_000, 4_000_000)).toBe(false);
    expect(grid.shouldCut(6_000_000, 6_000_000)).toBe(true);
    grid.add(6_000_000);
    grid.add(12_000_000);
    expect(grid.shouldCut(6_005_000, 3_000_000)).toBe(true);
    expect(grid.shouldCut(9_000_000, 6_000_000)).toBe(false);
    expect(grid.firstAfter(6_000_000)).toBe(12_000_000);
  });
});
