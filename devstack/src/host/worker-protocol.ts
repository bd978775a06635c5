/**
 * What host and worker say to each other. The data shapes are those of the Functions worker protocol (RpcTypedData
 * and friends), because `@azure/functions` itself reads and writes them.
 */

export interface RpcNullableString {
  readonly value?: string;
}

export interface RpcHttpCookie {
  readonly name: string;
  readonly value: string;
  readonly domain?: { readonly value?: string };
  readonly path?: { readonly value?: string };
  readonly expires?: { readonly value?: { readonly seconds?: number } };
  readonly secure?: { readonly value?: boolean };
  readonly httpOnly?: { readonly value?: boolean };
  readonly sameSite?: string;
  readonly maxAge?: { readonly value?: number };
}

export interface RpcHttpData {
  readonly method?: string;
  readonly url?: string;
  readonly nullableHeaders?: Readonly<Record<string, RpcNullableString>>;
  readonly nullableParams?: Readonly<Record<string, RpcNullableString>>;
  readonly nullableQuery?: Readonly<Record<string, RpcNullableString>>;
  readonly statusCode?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cookies?: readonly RpcHttpCookie[];
  readonly body?: RpcTypedData;
}

export interface RpcTypedData {
  readonly string?: string;
  readonly json?: string;
  readonly bytes?: Uint8Array;
  readonly int?: number;
  readonly double?: number;
  readonly collectionString?: { readonly string: readonly string[] };
  readonly http?: RpcHttpData;
}

export interface BindingInfo {
  readonly type: string;
  readonly direction: string;
  readonly [property: string]: unknown;
}

/** `retryOptions` as `@azure/functions` registers them; durations are whole seconds. */
export interface RetryOptions {
  readonly maxRetryCount: number;
  readonly retryStrategy: string;
  readonly delayInterval?: { readonly seconds?: number };
  readonly minimumInterval?: { readonly seconds?: number };
  readonly maximumInterval?: { readonly seconds?: number };
}

export interface RetryContext {
  readonly retryCount: number;
  readonly maxRetryCount: number;
  readonly exception?: RpcException;
}

export interface FunctionInfo {
  readonly functionId: string;
  readonly name: string;
  readonly bindings: Readonly<Record<string, BindingInfo>>;
  readonly retryOptions?: RetryOptions;
  readonly scriptFile: string;
  readonly directory: string;
}

export interface WorkerStart {
  readonly functions: readonly FunctionInfo[];
  readonly capabilities: Readonly<Record<string, string>>;
}

export interface InvocationRequest {
  readonly invocationId: string;
  readonly functionId: string;
  readonly inputData: readonly { readonly name: string; readonly data: RpcTypedData }[];
  readonly triggerMetadata: Readonly<Record<string, RpcTypedData>>;
  readonly retryContext?: RetryContext;
  readonly traceContext?: { readonly traceParent: string; readonly traceState: string };
}

export interface InvocationResponse {
  readonly invocationId: string;
  readonly result: { readonly status: 'success' | 'failure'; readonly exception?: RpcException };
  readonly returnValue?: RpcTypedData;
  readonly outputData: readonly { readonly name: string; readonly data: RpcTypedData }[];
}

export interface RpcException {
  readonly message: string;
  readonly stackTrace: string;
}

export interface LogRecord {
  readonly level: string;
  readonly logCategory: 'user' | 'system';
  readonly message: string;
  readonly category?: string;
  readonly invocationId?: string;
  /** Of a line that the app wrote as JSON, with its own `event` and fields. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** The seam between host and app: a process of its own (`npm start`) or the same process (tests). */
export interface WorkerChannel {
  /** Loads the deployable folder; rejects when an entry file throws. Called once per channel. */
  start(appDir: string): Promise<WorkerStart>;
  /** Runs one invocation; a failing handler resolves with `failure`, a dying worker rejects. */
  invoke(request: InvocationRequest): Promise<InvocationResponse>;
  /** Runs the app's terminate hooks and ends the worker. */
  stop(): Promise<void>;
  kill?(): void;
  onLog?: (record: LogRecord) => void;
  onExit?: (why: string) => void;
}

export type ToWorker =
  | { readonly kind: 'start'; readonly appDir: string }
  | { readonly kind: 'invoke'; readonly request: InvocationRequest }
  | { readonly kind: 'stop' };

export type FromWorker =
  | { readonly kind: 'started'; readonly start: WorkerStart }
  | { readonly kind: 'startFailed'; readonly exception: RpcException }
  | { readonly kind: 'response'; readonly response: InvocationResponse }
  | { readonly kind: 'log'; readonly record: LogRecord }
  | { readonly kind: 'stopped' };

const TO_WORKER_KINDS = ['start', 'invoke', 'stop'];
const FROM_WORKER_KINDS = ['started', 'startFailed', 'response', 'log', 'stopped'];

/** A message of the host; both ends are built from this file, so only its kind is checked. */
export function parseToWorker(message: unknown): ToWorker | undefined {
  // The peer is our own bundle over a private pipe: the kind decides the shape.
  return hasKind(message, TO_WORKER_KINDS) ? (message as ToWorker) : undefined;
}

/** A message of the worker; app code can also call `process.send`, so anything unknown is ignored. */
export function parseFromWorker(message: unknown): FromWorker | undefined {
  // As above.
  return hasKind(message, FROM_WORKER_KINDS) ? (message as FromWorker) : undefined;
}

function hasKind(message: unknown, kinds: readonly string[]): boolean {
  return (
    typeof message === 'object' &&
    message !== null &&
    'kind' in message &&
    typeof message.kind === 'string' &&
    kinds.includes(message.kind)
  );
}
