import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseSchedule } from '../../src/host/ncrontab.ts';
import { findRoute, parseRoute } from '../../src/host/routes.ts';

describe('routes', () => {
  it.each([
    { name: 'a literal', template: 'api/a/b', path: '/api/a/b', params: {} },
    { name: 'a literal in another case', template: 'api/a', path: '/API/A/', params: {} },
    { name: 'a longer path', template: 'api/a', path: '/api/a/b', params: undefined },
    { name: 'a parameter', template: 'a/{id}', path: '/a/x%2Fy', params: { id: 'x/y' } },
    { name: 'a missing parameter', template: 'a/{id}', path: '/a', params: undefined },
    { name: 'an optional parameter that is missing', template: 'a/{id?}', path: '/a', params: {} },
    { name: 'a default', template: 'a/{id=7}', path: '/a', params: { id: '7' } },
    { name: 'an int', template: 'a/{id:int}', path: '/a/12', params: { id: '12' } },
    { name: 'no int', template: 'a/{id:int}', path: '/a/1x', params: undefined },
    { name: 'an int too long for 32 bits', template: 'a/{id:int}', path: '/a/9999999999', params: undefined },
    { name: 'an optional int', template: 'a/{id:int?}', path: '/a', params: {} },
    {
      name: 'a guid',
      template: '{id:guid}',
      path: '/0f8fad5b-d9cb-469f-a165-70867728950e',
      params: { id: '0f8fad5b-d9cb-469f-a165-70867728950e' },
    },
    { name: 'no guid', template: '{id:guid}', path: '/x', params: undefined },
    { name: 'a length', template: '{id:length(2,3)}', path: '/abcd', params: undefined },
    { name: 'two constraints', template: '{id:alpha:minlength(2)}', path: '/ab', params: { id: 'ab' } },
    { name: 'a range', template: '{n:range(1,5)}', path: '/6', params: undefined },
    { name: 'a pattern', template: '{id:regex(^x[0-9]+$)}', path: '/x12', params: { id: 'x12' } },
    { name: 'a catch-all', template: 'a/{*rest}', path: '/a/b/c', params: { rest: 'b/c' } },
    { name: 'an empty catch-all', template: 'a/{*rest}', path: '/a', params: {} },
    {
      name: 'a mixed segment',
      template: 'a/{name}.{ext}',
      path: '/a/x.mp4',
      params: { name: 'x', ext: 'mp4' },
    },
    { name: 'a broken escape', template: 'a/{id}', path: '/a/%zz', params: undefined },
  ])('read $name', ({ template, path, params }) => {
    expect(findRoute([parseRoute('f', template, ['get'])], 'GET', path)?.params).toEqual(params);
  });

  it('give back any parameter that was encoded', () => {
    const routes = [parseRoute('f', 'a/{id}', ['GET'])];
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 100 }), (id) => {
        expect(findRoute(routes, 'GET', `/a/${encodeURIComponent(id)}`)?.params).toEqual({ id });
      }),
    );
  });

  it('are tried in their order, verb included', () => {
    const routes = [
      parseRoute('a', '{x}', ['PUT']),
      parseRoute('b', '{x}', ['GET']),
      parseRoute('c', 'c', ['GET']),
    ];
    expect(findRoute(routes, 'GET', '/c')?.route.functionName).toBe('b');
    expect(findRoute(routes, 'DELETE', '/c')).toBeUndefined();
  });

  it('refuse a constraint that does not exist', () => {
    expect(() => parseRoute('f', '{id:nope}', ['GET'])).toThrow('nope');
  });
});

describe('schedules', () => {
  const after = new Date('2026-03-04T05:06:07.500Z'); // a Wednesday
  it.each([
    { text: '* * * * * *', next: '2026-03-04T05:06:08.000Z' },
    { text: '*/10 * * * * *', next: '2026-03-04T05:06:10.000Z' },
    { text: '0 */5 * * * *', next: '2026-03-04T05:10:00.000Z' },
    { text: '*/5 * * * *', next: '2026-03-04T05:10:00.000Z' },
    { text: '5/20 * * * * *', next: '2026-03-04T05:06:25.000Z' },
    { text: '0 30 9 * * Mon-Fri', next: '2026-03-04T09:30:00.000Z' },
    { text: '0 0 0 1 1 *', next: '2027-01-01T00:00:00.000Z' },
    // Both day of month and day of week must match: the next Friday the 13th.
    { text: '0 0 0 13 * 5', next: '2026-03-13T00:00:00.000Z' },
    { text: '0 0 0 4 * 5', next: '2026-09-04T00:00:00.000Z' },
    { text: '00:01:30', next: '2026-03-04T05:07:37.500Z' },
  ])('$text is next due at $next', ({ text, next }) => {
    expect(parseSchedule(text).next(after)?.toISOString()).toBe(next);
  });

  it.each(['', '* * *', '@daily', '0 0 0 L * *', '61 * * * * *', '00:00:00'])('refuse "%s"', (text) => {
    expect(() => parseSchedule(text)).toThrow();
  });
});
