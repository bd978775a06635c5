import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { Settings } from '../../src/lib/config/config.ts';
import { openapiDocument } from '../../src/lib/contracts/openapi.ts';
import { ROUTES } from '../../src/lib/contracts/routes.ts';
import { ERRORS } from '../../src/lib/domain/errors.ts';

const FUNCTION_LINES_MAX = 30;
const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const sources = readdirSync(new URL('../../src/functions', import.meta.url)).map((name) => ({
  name,
  text: read(`src/functions/${name}`),
}));
const registered = (kind: string) =>
  sources
    .flatMap(({ text }) => [...text.matchAll(/app\.(\w+)\(\s*'(\w+)'/g)])
    .filter(([, found]) => found === kind)
    .map(([, , name]) => name);
const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

describe('the function files', () => {
  it.each(sources)('$name registers one function of its own name and is short', ({ name, text }) => {
    const names = [...text.matchAll(/app\.\w+\(\s*'(\w+)'/g)].map(([, found]) => `${kebab(found ?? '')}.ts`);
    expect(names).toEqual([name]);
    expect(text.split('\n').length).toBeLessThanOrEqual(FUNCTION_LINES_MAX);
    expect(read('src/main.ts')).toContain(`./functions/${name}`);
  });

  it('serve every route and nothing else', () => {
    expect(registered('http').sort()).toEqual(Object.keys(ROUTES).sort());
  });

  it('take every event that a subscription sends', () => {
    const subscriptions: { functionName: string }[] = JSON.parse(read('infra/event-subscriptions.json'));
    expect([...new Set(subscriptions.map(({ functionName }) => functionName))].sort()).toEqual(
      registered('eventGrid').sort(),
    );
  });
});

describe('what is written down', () => {
  it('explains every error code, and no other', () => {
    const documented = [...read('docs/errors.md').matchAll(/^\| `(\w+)` +\| (\d{3}) +\| (yes|no) +\|/gm)];
    const expected = Object.entries(ERRORS).map(([code, { status, retryable }]) => [
      code,
      `${status}`,
      retryable ? 'yes' : 'no',
    ]);
    expect(documented.map(([, ...rest]) => rest).sort()).toEqual(expected.sort());
  });

  it('has a sample of every setting', () => {
    const { FUNCTIONS_WORKER_RUNTIME: _host, ...values } = JSON.parse(
      read('local.settings.sample.json'),
    ).Values;
    expect(Object.keys(values).sort()).toEqual(Object.keys(Settings.shape).sort());
    expect(Settings.safeParse(values).success).toBe(true);
  });

  it('is the OpenAPI document that is served (UPDATE_OPENAPI=1 rewrites it)', () => {
    const text = `${JSON.stringify(openapiDocument(), null, 2)}\n`;
    if (process.env['UPDATE_OPENAPI'] === '1')
      writeFileSync(new URL('../../docs/openapi/headend.json', import.meta.url), text);
    expect(read('docs/openapi/headend.json')).toBe(text);
  });
});
