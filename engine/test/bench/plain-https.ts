import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { makeCertificate } from '../support/certificates.ts';

export interface PlainServer {
  readonly base: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** Reads what is sent and answers the bytes that it was given: as little as node:https can do. */
const PROGRAM = `
  import { createServer } from 'node:https';
  let text = '';
  await new Promise((resolve) => process.stdin.on('data', (chunk) => { text += chunk; if (text.endsWith('\\n')) resolve(); }));
  const { cert, key, bodies } = JSON.parse(text);
  const answers = new Map(Object.entries(bodies).map(([name, body]) => [name, Buffer.from(body)]));
  const server = createServer({ cert, key }, (request, response) => {
    const body = answers.get(request.url.slice(1).split('?')[0]);
    const answer = () => response.writeHead(body ? 200 : 404, { 'content-type': 'application/json', 'content-length': body?.length ?? 0 }).end(body);
    if (request.method === 'GET') return answer();
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk)).once('end', () => { JSON.parse(Buffer.concat(chunks)); answer(); });
  });
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
  process.stdin.once('close', () => process.exit());
`;

/** A bare node:https server in a process of its own; `bodies` are answers by the first part of the path. */
export async function startPlainServer(bodies: Readonly<Record<string, string>>): Promise<PlainServer> {
  const { certPem, keyPem } = await makeCertificate();
  const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.write(`${JSON.stringify({ cert: certPem, key: keyPem, bodies })}\n`);
  const ended = once(child, 'exit').then(() => Promise.reject(new Error('the plain server ended')));
  const [line] = await Promise.race([once(child.stdout, 'data'), ended]);
  return {
    base: `https://127.0.0.1:${Number(line)}`,
    pid: child.pid ?? 0,
    async stop() {
      child.kill('SIGTERM');
      await ended.catch(() => undefined);
    },
  };
}
