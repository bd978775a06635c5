import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingHttpHeaders } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { AuditTrail } from '../../src/keys/audit-trail.ts';
import { DiscoveredKeys } from '../../src/keys/discovered-keys.ts';
import { KeyAuthority } from '../../src/keys/key-authority.ts';
import { type KeyServer, startKeyServer } from '../../src/keys/key-server.ts';
import { KeyService } from '../../src/keys/key-service.ts';
import { readPlainGet } from '../../src/keys/plain-get.ts';
import { QuickConnection } from '../../src/keys/quick-connection.ts';
import { RefusalLog } from '../../src/keys/refusal-log.ts';
import { TokenChecker } from '../../src/keys/token-check.ts';
import { keyDeliveryReader } from '../../src/resources/key-delivery-addresses.ts';
import { makeCertificate } from '../support/certificates.ts';

const KEY_ID = '0fa2bd3c-7d5b-4c4e-9a0a-2f1d3c4b5a69';
const KEY = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
const SLOW_ID = '1fa2bd3c-7d5b-4c4e-9a0a-2f1d3c4b5a69';
const SLOW_MS = 300;
const GET = (path: string, headers = ''): string => `GET ${path} HTTP/1.1\r\nHost: keys\r\n${headers}\r\n`;
const KEY_GET = GET(`/?kid=${KEY_ID}`);
const SLOW_GET = GET(`/?kid=${SLOW_ID}`);

interface Started {
  readonly server: KeyServer;
  readonly logged: readonly unknown[];
  /** Audit records. */
  readonly delivered: readonly string[];
  close(): Promise<unknown>;
}

let tls: { certPem: string; keyPem: string };
let shared: Started;
let answerLength: number;

/** Key delivery as it is, with a directory in memory that knows two keys, of which one is slow to find. */
async function startServer(withTls = false): Promise<Started> {
  const logged: unknown[] = [];
  const delivered: string[] = [];
  const clock = { nowMs: () => Date.now() };
  const write = (event: string, fields?: object) => logged.push({ event, ...fields });
  const log = { info: write, warn: write, error: write };
  const issuers = new DiscoveredKeys({ clock, log, coolDownMs: 1_000, isPrivateAllowed: false });
  const locators = [{ startTimeMs: undefined, endTimeMs: Date.now() + 3_600_000, policyName: 'open' }];
  const authority = new KeyAuthority({
    ...{ issuers, clock, log },
    uses: { take: async () => 'exhausted' },
    tokens: new TokenChecker({ issuerKeys: issuers, clockSkewSeconds: 0 }),
    directory: {
      findAccount: async () => ({ defaultAction: 'Allow', ipAllowList: [] }),
      findContentKey: async (_account, id) => {
        if (id === SLOW_ID) await pause(SLOW_MS);
        return id === KEY_ID || id === SLOW_ID ? { id, value: KEY, locators } : undefined;
      },
      findPolicy: async (_account, name) => ({
        name,
        options: [
          {
            policyOptionId: 'one',
            configuration: { '@odata.type': '#Microsoft.Media.ContentKeyPolicyClearKeyConfiguration' },
            restriction: { '@odata.type': '#Microsoft.Media.ContentKeyPolicyOpenRestriction' },
          },
        ],
      }),
    },
  });
  const audit = new AuditTrail(
    { append: async (_place, lines) => void delivered.push(Buffer.from(lines).toString()) },
    { clock, log },
  );
  const refusals = new RefusalLog(log, clock);
  const server = await startKeyServer({
    ...{ host: '127.0.0.1', port: 0, tls: withTls ? tls : undefined, refusals },
    service: new KeyService({
      ...{ authority, audit, refusals, clock, ownAccount: 'news' },
      licenseServers: { find: () => undefined },
      placeOf: keyDeliveryReader('http://keys/{account}'),
    }),
    clientOf: (peer = '') => peer,
  });
  return { server, logged, delivered, close: () => Promise.all([server.close(), audit.close()]) };
}

beforeAll(async () => {
  tls = await makeCertificate();
  shared = await startServer();
  const [answer = ''] = await ask(KEY_GET);
  answerLength = answer.length;
});
afterAll(() => shared.close());

const clients = new Set<Socket>();
afterEach(() => {
  for (const client of clients) client.destroy();
  clients.clear();
});

async function dial(port: number, isTls = false): Promise<Socket> {
  const socket = isTls
    ? connectTls({ port, host: '127.0.0.1', ca: tls.certPem })
    : connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
  clients.add(socket);
  socket.on('error', () => undefined);
  await once(socket, isTls ? 'secureConnect' : 'connect');
  return socket;
}

/** Collects what comes until there are `count` heads and the last one's body, or the other side closes. */
async function answersOf(socket: Socket, count: number, hasBody = true): Promise<string[]> {
  let text = '';
  const all = (): string[] => text.split(/(?=HTTP\/1\.1 \d)/).filter((part) => part !== '');
  const isComplete = (answer: string): boolean => {
    const [head = '', ...body] = answer.split('\r\n\r\n');
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
    return answer.includes('\r\n\r\n') && (!hasBody || body.join('\r\n\r\n').length >= length);
  };
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    text += Buffer.from(chunk).toString('latin1');
    const answers = all();
    if (answers.length >= count && isComplete(answers.at(-1) ?? '')) break;
  }
  return all();
}

const ask = async (request: string, count = 1, port = shared.server.port): Promise<string[]> => {
  const socket = await dial(port);
  socket.write(request);
  return answersOf(socket, count);
};
const undated = (answer: string): string => answer.replace(/^Date: .*\r\n/m, '');
const statuses = (answers: readonly string[]): string[] => answers.map((answer) => answer.slice(9, 12));
const KEY_TEXT = KEY.toString('latin1');

describe('answers on a connection of plain GETs', () => {
  it.each([
    ['a key', KEY_GET, '200'],
    ['a key for a page', GET(`/?kid=${KEY_ID}`, 'Origin: https://player.example\r\n'), '200'],
    ['a key for a page of a strange address', GET(`/?kid=${KEY_ID}`, 'Origin: <script>\r\n'), '200'],
    ['a key that takes a while', SLOW_GET, '200'],
    ['a key with what browsers add', GET(`/?kid=${KEY_ID}`, 'Connection: Keep-Alive\r\nTE:\t\r\n'), '200'],
    ['no such key', GET('/?kid=2fa2bd3c-7d5b-4c4e-9a0a-2f1d3c4b5a69'), '404'],
    ['no GUID', GET('/?kid=1'), '400'],
    ['no address of ours', GET('/a/b/c'), '404'],
    ['what has to be posted', GET(`/ClearKey/?kid=${KEY_ID}`), '405'],
  ])("are those of node's own server: %s", async (_name, request, status) => {
    const [quick = ''] = await ask(request);
    const socket = await dial(shared.server.port);
    // In two pieces it is node's.
    socket.write(request.slice(0, 20));
    await pause(30);
    socket.write(request.slice(20));
    const [slow = ''] = await answersOf(socket, 1);
    expect([statuses([quick]), undated(quick)]).toEqual([[status], undated(slow)]);
    expect(quick).toMatch(/^Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r$/m);
  });

  it.each([
    ['what is no HTTP', 'x\r\n\r\n', '400'],
    ['a head that is too long', GET(`/?kid=${KEY_ID}`, `A: ${'b'.repeat(60_000)}\r\n`), '431'],
    ['no host', `GET /?kid=${KEY_ID} HTTP/1.1\r\n\r\n`, '400'],
    ['the end of the connection', GET(`/?kid=${KEY_ID}`, 'Connection: close\r\n'), '200'],
    ['an older version', `GET /?kid=${KEY_ID} HTTP/1.0\r\n\r\n`, '200'],
  ])(
    'are the last of a connection after %s, also when others came before',
    async (_name, request, status) => {
      // It comes to an end because the server closes.
      expect(statuses(await ask(KEY_GET + request + KEY_GET, 3))).toEqual(['200', status]);
    },
  );

  it('come in the order of what was asked at once, whoever makes them', async () => {
    const post = 'POST /ClearKey/ HTTP/1.1\r\nHost: keys\r\nContent-Length: 2\r\n\r\n{}';
    const head = `HEAD /?kid=${KEY_ID} HTTP/1.1\r\nHost: keys\r\n\r\n`;
    const options = 'OPTIONS / HTTP/1.1\r\nHost: keys\r\n\r\n';
    const requests = [KEY_GET, SLOW_GET, GET('/?kid=1'), KEY_GET, post, head, options, KEY_GET];
    const answers = await ask(requests.join(''), requests.length);
    expect(statuses(answers)).toEqual(['200', '200', '400', '200', '400', '405', '204', '200']);
    expect([0, 1, 3, 7].map((at) => answers[at]?.endsWith(KEY_TEXT))).toEqual(Array(4).fill(true));
    const single = await dial(shared.server.port);
    const one: string[] = [];
    for (const request of requests) {
      single.write(request);
      one.push(...(await answersOf(single, 1, request !== head)));
    }
    expect(one.map(undated)).toEqual(answers.map(undated));
  });

  it('go over TLS as well', async () => {
    const { server, close } = await startServer(true);
    const socket = await dial(server.port, true);
    socket.write(KEY_GET + KEY_GET);
    const answers = await answersOf(socket, 2);
    socket.write('POST / HTTP/1.1\r\nHost: keys\r\nContent-Length: 0\r\n\r\n');
    answers.push(...(await answersOf(socket, 1)));
    expect(statuses(answers)).toEqual(['200', '200', '400']);
    const noTls = await dial(server.port);
    noTls.write(KEY_GET);
    expect(await answersOf(noTls, 1)).toEqual([]);
    await close();
  });

  it('reach a client that has said all it had to say', async () => {
    const socket = await dial(shared.server.port);
    socket.end(KEY_GET + KEY_GET);
    expect(statuses(await answersOf(socket, 3))).toEqual(['200', '200']);
  });

  it.each([
    ['has gone', (socket: Socket) => socket.resetAndDestroy()],
    ['has said its last word', (socket: Socket) => socket.end()],
  ])(
    'are not waited for by others when their client %s, and are in the audit records',
    async (_name, leave) => {
      const { server, logged, delivered, close } = await startServer();
      const gone = await dial(server.port);
      gone.write(SLOW_GET + KEY_GET);
      await pause(SLOW_MS / 3);
      leave(gone);
      expect(statuses(await ask(KEY_GET, 1, server.port))).toEqual(['200']);
      await pause(SLOW_MS);
      await close();
      expect(logged).toEqual([]);
      expect(delivered.join('').match(/"outcome":"delivered"/g)).toHaveLength(2);
    },
  );

  it('stop for a client that does not read, and go on when it does', async () => {
    // More than the kernel's buffers hold, both ways.
    const count = 24_000;
    const request = GET(`/?kid=${KEY_ID}`, `A: ${'b'.repeat(600)}\r\n`);
    const { server, delivered, close } = await startServer();
    const answered = (): number => delivered.join('').split('\n').length - 1;
    const socket = await dial(server.port);
    socket.pause();
    socket.write(request.repeat(count));
    let before: number;
    do {
      before = answered();
      // Audit records are there after less than half a second.
      await pause(1_000);
    } while (before === 0 || answered() > before);
    expect(before).toBeGreaterThan(0);
    expect(before).toBeLessThan(count);
    let received = 0;
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
      received += chunk.length;
      if (received >= answerLength * count) break;
    }
    expect(received).toBe(answerLength * count);
    await close();
    expect(answered()).toBe(count);
  });
});

describe('a server of keys that is closed', () => {
  it('cuts idle connections, answers what was asked, and takes nobody new', async () => {
    const { server, close } = await startServer();
    const [idle, busy, slow, half] = await Promise.all([
      dial(server.port),
      dial(server.port),
      dial(server.port),
      dial(server.port),
    ]);
    idle.write(KEY_GET);
    await answersOf(idle, 1);
    busy.write(SLOW_GET);
    // This one is node's.
    slow.write(SLOW_GET.slice(0, 9));
    await pause(30);
    slow.write(SLOW_GET.slice(9));
    half.write('GET /');
    await pause(50);
    const beganAtMs = performance.now();
    const closed = close();
    const answers = await Promise.all([answersOf(busy, 2), answersOf(slow, 2), answersOf(idle, 1)]);
    expect(answers.map(statuses)).toEqual([['200'], ['200'], []]);
    await expect(dial(server.port)).rejects.toThrow('ECONNREFUSED');
    half.destroy();
    await closed;
    expect(performance.now() - beganAtMs).toBeLessThan(4_000);
  });
});

describe('one connection', () => {
  const servers: Server[] = [];
  afterAll(() => {
    for (const server of servers) server.close();
  });

  async function serve(answer: () => Buffer | Promise<Buffer>, times = { first: 10_000, idle: 10_000 }) {
    const writes: number[] = [];
    const handed: string[] = [];
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      const write = socket._write.bind(socket);
      socket._write = (chunk, encoding, done) => {
        writes.push(chunk.byteLength);
        write(chunk, encoding, done);
      };
      socket._writev = (chunks) => {
        throw new Error(`${chunks.length} pieces`);
      };
      new QuickConnection(socket, {
        ...{ answer, firstRequestMs: times.first, keepAliveMs: times.idle, onGone: () => undefined },
        handOver: (handedOver, rest) => {
          handed.push(rest.toString());
          handedOver.destroy();
        },
      });
    });
    servers.push(server.listen(0, '127.0.0.1'));
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    return { socket: await dial(address.port), writes, handed };
  }

  it('takes one write for an answer', async () => {
    const { socket, writes } = await serve(() => Buffer.from('answer'));
    for (let n = 0; n < 3; n += 1) {
      socket.write(KEY_GET);
      await once(socket, 'data');
    }
    expect(writes).toEqual([6, 6, 6]);
  });

  it('is handed over with all that has not been answered', async () => {
    const { socket, handed } = await serve(() => Promise.resolve(Buffer.from('a')));
    socket.write(`${KEY_GET}${KEY_GET}POST / HTTP/1.1\r\nHost: x\r\n\r\n${KEY_GET}`);
    while (handed.length === 0) await pause(5);
    expect(handed).toEqual([`POST / HTTP/1.1\r\nHost: x\r\n\r\n${KEY_GET}`]);
  });

  it.each([
    ['nothing is asked', '', { first: 100, idle: 60_000 }],
    ['nothing more is asked', KEY_GET, { first: 60_000, idle: 100 }],
  ])('is closed when %s for a while', async (_name, first, times) => {
    const { socket } = await serve(() => Buffer.from('a'), times);
    socket.write(first);
    socket.resume();
    await once(socket, 'end');
  });
});

describe('a request that is no plain GET', () => {
  const field = (line: string): string => GET('/', `${line}\r\n`);
  it.each([
    ['another method', 'POST / HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['another version', 'GET / HTTP/1.0\r\nHost: a\r\n\r\n'],
    ['an absolute address', GET('http://keys/')],
    ['a fragment', GET('/#a')],
    ['a blank in the address', GET('/a b')],
    ['no host', 'GET / HTTP/1.1\r\nAccept: */*\r\n\r\n'],
    ['two hosts', field('HOST: other')],
    ['two tokens', field('Authorization: a\r\nauthorization: b')],
    ['a length', field('Content-Length: 0')],
    ['chunks', field('Transfer-Encoding: chunked')],
    ['an expectation', field('Expect: 100-continue')],
    ['another protocol', field('Upgrade: h2c')],
    ['an end of the connection', field('Connection: close')],
    ['more of the connection', field('Connection: keep-alive, upgrade')],
    ['a proxy’s connection', field('Proxy-Connection: close')],
    ['a folded line', field('A: b\r\n c')],
    ['a blank before the colon', field('Content-Length : 1')],
    ['a line feed alone', field('A: b\nContent-Length: 1')],
    ['a carriage return alone', field('A: b\rContent-Length: 1')],
    ['a zero', field('A: \0')],
    ['letters that are no ASCII', field('A: \u00e9')],
    ['a line before', `\r\n${KEY_GET}`],
    ['many fields', field(Array(70).fill('A: b').join('\r\n'))],
    ['a long head', field(`A: ${'b'.repeat(20_000)}`)],
    ['half a head', KEY_GET.slice(0, -2)],
  ])('has %s', (_name, text) => {
    expect(readPlainGet(text, 0)).toBeUndefined();
  });

  it("is every one that node's own parser reads otherwise", async () => {
    const seen: { url: string | undefined; headers: IncomingHttpHeaders; body: string }[] = [];
    const server = createHttpServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      seen.push({ url: request.url, headers: request.headers, body });
      response.end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port }: Pick<AddressInfo, 'port'> = Object(server.address());
    const names = fc.constantFrom(
      'host',
      'Authorization',
      'ORIGIN',
      'x-forwarded-for',
      'connection',
      'A',
      'é',
    );
    const values = fc.oneof(
      fc.constantFrom(
        ' keep-alive ',
        'Keep-Alive',
        'close',
        '',
        '\t a \t',
        'Bearer=x.y',
        '5',
        'a\rb',
        'a\nb: c',
      ),
      fc.string({ maxLength: 8 }),
    );
    const requests = fc
      .tuple(
        fc.constantFrom('/', '/a?b=c&d=%20', '/é', '/"'),
        fc.array(fc.tuple(names, values), { maxLength: 5 }),
      )
      .map(([path, fields]) => GET(path, fields.map(([name, value]) => `${name}:${value}\r\n`).join('')))
      .map((text) => Buffer.from(text).toString('latin1'));
    let plainOnes = 0;
    try {
      await fc.assert(
        fc.asyncProperty(requests, async (text) => {
          const read = readPlainGet(text, 0);
          if (read === undefined) return;
          plainOnes += 1;
          const socket = await dial(port);
          seen.length = 0;
          socket.end(Buffer.from(text, 'latin1'));
          await once(socket.resume(), 'close');
          const { url, host, authorization, origin, forwardedFor, end } = read;
          expect(end).toBe(text.length);
          const own = { host, authorization, origin, 'x-forwarded-for': forwardedFor };
          const [one] = seen;
          const nodes = Object.keys(own).map((name) => [name, one?.headers[name]]);
          expect({ url, body: '', headers: own }).toEqual({
            ...{ url: one?.url, body: one?.body, headers: Object.fromEntries(nodes) },
          });
          expect(seen).toHaveLength(1);
        }),
        { numRuns: 300 },
      );
    } finally {
      server.close();
    }
    expect(plainOnes).toBeGreaterThan(30);
  });
});
