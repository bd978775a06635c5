import { Agent, request } from 'node:https';
import type { ArmStack } from '../../support/arm-stack.ts';
import { type Operation, operationAt, violations } from './specifications.ts';

const POLL_MS = 50;
const POLLS_MAX = 600;
const SOCKETS_MAX = 8;
const CALL_TIMEOUT_MS = 60_000;

export interface Call {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly version: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Sent instead of `body`, as it is. */
  readonly rawBody?: string | Uint8Array;
  /** Empty: none is sent. */
  readonly authorization?: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: unknown;
}

export interface Finished extends Answer {
  /** `code: message` of an operation that was begun and came to nothing. */
  readonly failure?: string;
}

export interface Violation {
  readonly operation: string;
  readonly version: string;
  readonly status: number;
  readonly problem: string;
}

/** What the engine was seen to do, by operation and api-version. */
export interface Seen {
  /** `id version status` of every answer. */
  readonly answers: Set<string>;
  /** Where an answer was not what the specification says. */
  readonly violations: Violation[];
  /** `code message` of every refusal. */
  readonly refusals: Set<string>;
}

export interface Caller {
  readonly seen: Seen;
  call(call: Call): Promise<Answer>;
  /** The same, and what it began is followed to its end by its headers. */
  finish(call: Call): Promise<Finished>;
  close(): void;
}

/** Calls the engine and holds each answer against the specification of its operation. */
export function createCaller(stack: ArmStack): Caller {
  const agent = new Agent({ keepAlive: true, maxSockets: SOCKETS_MAX, ca: stack.program.caPem });
  const seen: Seen = { answers: new Set(), violations: [], refusals: new Set() };
  const send = (call: Call): Promise<Answer> => exchange(stack, agent, call);
  const call = async (wanted: Call): Promise<Answer> => {
    const answer = await send(wanted);
    note(seen, wanted, answer);
    return answer;
  };
  return {
    seen,
    call,
    async finish(wanted) {
      const first = await call(wanted);
      const failure = await follow(call, wanted, first);
      if (failure === undefined) return first;
      seen.refusals.add(failure.replace(': ', ' '));
      return { ...first, failure };
    },
    close: () => agent.destroy(),
  };
}

/** Polls what the headers of an answer name, first the status, then the place of the result. */
async function follow(call: Caller['call'], { version }: Call, first: Answer): Promise<string | undefined> {
  const status = first.headers['azure-asyncoperation'];
  const location = first.headers['location'];
  const last =
    typeof status === 'string'
      ? await until(call, status, version, ({ body }) => fieldOf(body, 'status') !== 'InProgress')
      : undefined;
  if (typeof location === 'string') await until(call, location, version, (answer) => answer.status !== 202);
  if (fieldOf(last?.body, 'status') !== 'Failed') return undefined;
  const error = fieldOf(last?.body, 'error');
  return `${String(fieldOf(error, 'code'))}: ${String(fieldOf(error, 'message'))}`;
}

async function until(
  call: Caller['call'],
  address: string,
  version: string,
  isOver: (answer: Answer) => boolean,
): Promise<Answer> {
  const { pathname } = new URL(address);
  for (let poll = 0; poll < POLLS_MAX; poll += 1) {
    const answer = await call({ method: 'GET', path: pathname, version });
    if (answer.status >= 400 || isOver(answer)) return answer;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new Error(`${pathname} does not end`);
}

const fieldOf = (body: unknown, name: string): unknown => Reflect.get(Object(body), name);

function note(seen: Seen, call: Call, answer: Answer): void {
  if (answer.status >= 400) {
    const error: unknown = Reflect.get(Object(answer.body), 'error');
    seen.refusals.add(
      `${String(Reflect.get(Object(error), 'code'))} ${String(Reflect.get(Object(error), 'message'))}`,
    );
  }
  const operation = operationAt(call.method, call.path, call.version);
  if (operation === undefined) return;
  seen.answers.add(`${operation.id} ${operation.version} ${answer.status}`);
  for (const problem of answerProblems(operation, answer)) {
    const { id, version } = operation;
    const known = seen.violations.some(
      (other) =>
        other.operation === id &&
        other.version === version &&
        other.problem === problem &&
        other.status === answer.status,
    );
    if (!known) seen.violations.push({ operation: id, version, status: answer.status, problem });
  }
}

/** What is not as the specification says about an answer. */
function answerProblems(operation: Operation, { status, body }: Answer): string[] {
  const { answers } = operation;
  const schema = answers[status] ?? (status >= 400 ? answers['default'] : undefined);
  if (status >= 500) return ['a server error'];
  if (schema === undefined && answers[status] !== null) return [`the status ${status} is not one of its own`];
  if (schema === undefined || schema === null)
    return body === undefined ? [] : ['a body where there is none'];
  if (status >= 400) return violations(operation, schema, withoutNulls(body), false);
  switch (nullsOf(operation)) {
    case 'absent':
      return violations(operation, schema, withoutNulls(body), false);
    case 'hidden':
      return violations(operation, schema, body, true);
    default:
      return [
        ...nullPaths(body).map((path) => `${path} is null`),
        ...violations(operation, schema, withoutNulls(body), false),
      ];
  }
}

/**
 * Recorded traffic: streaming answers with null for what is not set, content key policies with null for secrets that
 * the specification requires, and what the others do not know they leave out.
 */
function nullsOf({ service, id }: Operation): 'absent' | 'hidden' | 'never' {
  if (id.startsWith('ContentKeyPolicies_')) return 'hidden';
  return service === 'streaming' ? 'absent' : 'never';
}

function nullPaths(value: unknown, path = ''): string[] {
  if (value === null) return [path];
  if (typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, item]) => nullPaths(item, `${path}/${key}`));
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  const left = Object.entries(value).filter(([, item]) => item !== null);
  return Object.fromEntries(left.map(([key, item]) => [key, withoutNulls(item)]));
}

function exchange(stack: ArmStack, agent: Agent, call: Call): Promise<Answer> {
  const version = call.version === '' ? {} : { 'api-version': call.version };
  const query = new URLSearchParams({ ...version, ...call.query });
  const body = call.rawBody ?? (call.body === undefined ? undefined : JSON.stringify(call.body));
  const authorization = call.authorization ?? `Bearer ${stack.token}`;
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port: stack.engine.ports['arm'],
        path: `${call.path}?${query}`,
        method: call.method,
        agent,
        timeout: CALL_TIMEOUT_MS,
        headers: {
          ...(authorization === '' ? {} : { authorization }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: text === '' ? undefined : JSON.parse(text),
          });
        });
      },
    );
    sent.once('timeout', () => sent.destroy(new Error(`${call.method} ${call.path} has no answer`)));
    sent.once('error', reject);
    sent.end(body);
  });
}
