import { randomBytes, randomUUID } from 'node:crypto';
import { z } from 'zod';
import { expandSettings, type HostSettings } from './host-settings.ts';
import { type Output, openOutput } from './outputs.ts';
import { parseRoute, type Route } from './routes.ts';
import type {
  BindingInfo,
  FunctionInfo,
  InvocationResponse,
  RetryContext,
  RpcTypedData,
} from './worker-protocol.ts';
import type { WorkerSupervision } from './worker-supervision.ts';

export interface InvokeOptions {
  readonly traceParent?: string | undefined;
  readonly retryContext?: RetryContext | undefined;
}

/** Runs the function and brings its outputs away; resolves with `failure` when either fails. */
export type Invoke = (
  input: RpcTypedData,
  metadata?: Readonly<Record<string, RpcTypedData>>,
  options?: InvokeOptions,
) => Promise<InvocationResponse>;

export interface HttpFunction {
  readonly name: string;
  readonly route: Route;
  readonly authLevel: 'anonymous' | 'function' | 'admin';
  readonly invoke: Invoke;
}

export interface LoadedFunction {
  readonly info: FunctionInfo;
  readonly trigger: BindingInfo & { readonly name: string };
  readonly invoke: Invoke;
  readonly isDisabled: boolean;
}

const HTTP_METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS'];
const SUPPORTED_TRIGGERS = ['httptrigger', 'queuetrigger', 'eventgridtrigger', 'timertrigger'];

const HttpBinding = z.object({
  route: z.string().optional(),
  methods: z.array(z.string()).optional(),
  authLevel: z
    .string()
    .optional()
    .transform((level) => (level ?? 'anonymous').toLowerCase())
    .pipe(z.enum(['anonymous', 'function', 'admin'])),
});

/** The app's functions in the order the real host resolves them in; throws for what this host cannot serve. */
export function loadFunctions(workers: WorkerSupervision, settings: HostSettings): LoadedFunction[] {
  const functions = workers.functions.map((info) => loadFunction(info, workers, settings));
  return functions.sort((a, b) => compareNames(a.info.name, b.info.name));
}

function loadFunction(
  info: FunctionInfo,
  workers: WorkerSupervision,
  settings: HostSettings,
): LoadedFunction {
  const found = Object.entries(info.bindings).find(([, binding]) => /trigger$/i.test(binding.type));
  if (found === undefined) throw new Error(`function "${info.name}" has no trigger`);
  const [name, binding] = found;
  if (!SUPPORTED_TRIGGERS.includes(binding.type.toLowerCase())) {
    throw new Error(`function "${info.name}": this host has no ${binding.type}`);
  }
  const isDisabled = /^(1|true)$/i.test(settings.env[`AzureWebJobs.${info.name}.Disabled`] ?? '');
  const outputs = openOutputs(info, name, settings);
  const invoke: Invoke = async (data, triggerMetadata = {}, { traceParent, retryContext } = {}) => {
    const response = await workers.invoke({
      invocationId: randomUUID(),
      functionId: info.functionId,
      inputData: [{ name, data }],
      triggerMetadata,
      ...(retryContext === undefined ? {} : { retryContext }),
      traceContext: { traceParent: traceParent ?? newTraceParent(), traceState: '' },
    });
    return response.result.status === 'success' ? writeOutputs(response, outputs) : response;
  };
  return { info, trigger: { ...binding, name }, invoke, isDisabled };
}

function openOutputs(
  info: FunctionInfo,
  triggerName: string,
  settings: HostSettings,
): ReadonlyMap<string, Output> {
  const outputs = new Map<string, Output>();
  for (const [name, binding] of Object.entries(info.bindings)) {
    // An HTTP answer is the HTTP trigger's own business.
    if (name === triggerName || binding.type.toLowerCase() === 'http') continue;
    const output = binding.direction === 'out' ? openOutput(binding, settings) : undefined;
    if (output === undefined) {
      throw new Error(
        `function "${info.name}": this host has no ${binding.type} binding "${binding.direction}"`,
      );
    }
    outputs.set(name, output);
  }
  return outputs;
}

/** As with the real host, an output that cannot be written fails the invocation. */
async function writeOutputs(
  response: InvocationResponse,
  outputs: ReadonlyMap<string, Output>,
): Promise<InvocationResponse> {
  if (outputs.size === 0) return response;
  try {
    const returned = response.returnValue;
    if (returned !== undefined) await outputs.get('$return')?.write(returned);
    for (const { name, data } of response.outputData) await outputs.get(name)?.write(data);
    return response;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const exception = { message: `an output could not be written: ${message}`, stackTrace: '' };
    return { ...response, result: { status: 'failure', exception } };
  }
}

/** The enabled functions with this trigger. */
export function withTrigger(functions: readonly LoadedFunction[], type: string): LoadedFunction[] {
  return functions.filter(
    (loaded) => !loaded.isDisabled && loaded.trigger.type.toLowerCase() === type.toLowerCase(),
  );
}

export function httpFunctions(functions: readonly LoadedFunction[], settings: HostSettings): HttpFunction[] {
  return withTrigger(functions, 'httpTrigger').map(({ info, trigger, invoke }) => {
    const { route, methods, authLevel } = HttpBinding.parse(trigger);
    const path = [settings.routePrefix, expandSettings(route ?? info.name, settings.env)];
    const template = path.filter((part) => part !== '').join('/');
    const verbs = methods === undefined || methods.length === 0 ? HTTP_METHODS : methods;
    return { name: info.name, route: parseRoute(info.name, template, verbs), authLevel, invoke };
  });
}

function newTraceParent(): string {
  return `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-01`;
}

function compareNames(a: string, b: string): number {
  const [left, right] = [a.toLowerCase(), b.toLowerCase()];
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
