import { Agent, get } from 'node:http';

export interface LoadResult {
  readonly answered: number;
  /** Connections that were opened for it. */
  readonly connections: number;
  /** What went wrong, one line each: reset, refused, short or unexpected answers. */
  readonly dropped: readonly string[];
}

export interface Load {
  readonly result: LoadResult;
  stop(): Promise<LoadResult>;
}

const DROPPED_MAX = 50;
const ANSWER_MS_MAX = 20_000;

/**
 * Viewers, each with one keep-alive connection that it opens anew only when the server says so, asking again `thinkMs`
 * after each answer. Nothing is retried: whatever fails is in `dropped`.
 */
export function startLoad(
  baseUrl: string,
  options: {
    readonly viewers: number;
    readonly paths: readonly { readonly path: string; readonly sizeBytes: number }[];
    readonly thinkMs: (viewer: number) => number;
  },
): Load {
  let isStopped = false;
  const tally = { answered: 0, connections: 0, dropped: [] as string[] };
  const viewers = Array.from({ length: options.viewers }, async (_, viewer) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let turn = viewer; !isStopped; turn += 1) {
      const asked = options.paths[turn % options.paths.length];
      if (asked === undefined) return;
      const problem = await ask(`${baseUrl}${asked.path}`, agent, asked.sizeBytes, tally);
      if (problem === undefined) tally.answered += 1;
      else if (tally.dropped.length < DROPPED_MAX) tally.dropped.push(problem);
      await new Promise((resolve) => setTimeout(resolve, options.thinkMs(viewer)));
    }
    agent.destroy();
  });
  return {
    get result() {
      return tally;
    },
    async stop() {
      isStopped = true;
      await Promise.all(viewers);
      return tally;
    },
  };
}

function ask(
  url: string,
  agent: Agent,
  sizeBytes: number,
  tally: { connections: number },
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const request = get(url, { agent, timeout: ANSWER_MS_MAX }, (response) => {
      let received = 0;
      response.on('data', (chunk: Buffer) => {
        received += chunk.byteLength;
      });
      response.once('error', (error) => resolve(`answer: ${error.message}`));
      response.once('end', () => {
        const isWhole = response.statusCode === 200 && received === sizeBytes && response.complete;
        resolve(isWhole ? undefined : `status ${response.statusCode}, ${received} of ${sizeBytes} bytes`);
      });
    });
    request.once('socket', () => {
      if (!request.reusedSocket) tally.connections += 1;
    });
    request.once('timeout', () => request.destroy(new Error('no answer in time')));
    request.once('error', (error) => {
      resolve(`request on a ${request.reusedSocket ? 'used' : 'new'} connection: ${error.message}`);
    });
  });
}
