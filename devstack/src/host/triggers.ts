import { randomBytes, randomUUID } from 'node:crypto';
import { QueueServiceClient } from '@azure/storage-queue';
import { z } from 'zod';
import type { Log } from '../log.ts';
import { expandSettings, type HostSettings, type Variables } from './host-settings.ts';
import { parseSchedule } from './ncrontab.ts';
import { openQueueListener } from './queue-listener.ts';
import { parseRoute, type Route } from './routes.ts';
import { type Listener, openTimerListener } from './timer-listener.ts';
import type { BindingInfo, FunctionInfo, InvocationResponse, RpcTypedData } from './worker-protocol.ts';
import type { WorkerSupervision } from './worker-supervision.ts';

export type Invoke = (
  input: RpcTypedData,
  metadata?: Readonly<Record<string, RpcTypedData>>,
  traceParent?: string,
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
const QueueBinding = z.object({ queueName: z.string(), connection: z.string().optional() });
const TimerBinding = z.object({
  schedule: z.string(),
  runOnStartup: z.boolean().optional(),
  useMonitor: z.boolean().optional(),
});

/** The app's functions in the order the real host resolves them in; throws for what this host cannot serve. */
export function loadFunctions(workers: WorkerSupervision, env: Variables): LoadedFunction[] {
  const functions = workers.functions.map((info) => loadFunction(info, workers, env));
  return functions.sort((a, b) => compareNames(a.info.name, b.info.name));
}

function loadFunction(info: FunctionInfo, workers: WorkerSupervision, env: Variables): LoadedFunction {
  const found = Object.entries(info.bindings).find(([, binding]) => /trigger$/i.test(binding.type));
  if (found === undefined) throw new Error(`function "${info.name}" has no trigger`);
  const [name, binding] = found;
  if (!SUPPORTED_TRIGGERS.includes(binding.type.toLowerCase())) {
    throw new Error(`function "${info.name}": this host has no ${binding.type}`);
  }
  const others = Object.entries(info.bindings).filter(([other]) => other !== name);
  const unsupported = others.find(([, { type }]) => type.toLowerCase() !== 'http');
  if (unsupported !== undefined) {
    throw new Error(`function "${info.name}": this host has no ${unsupported[1].type} binding`);
  }
  const invoke: Invoke = (data, triggerMetadata = {}, traceParent = newTraceParent()) =>
    workers.invoke({
      invocationId: randomUUID(),
      functionId: info.functionId,
      inputData: [{ name, data }],
      triggerMetadata,
      traceContext: { traceParent, traceState: '' },
    });
  const isDisabled = /^(1|true)$/i.test(env[`AzureWebJobs.${info.name}.Disabled`] ?? '');
  return { info, trigger: { ...binding, name }, invoke, isDisabled };
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

/** Starts listening for queues and timers; all have begun when it resolves. */
export async function openListeners(
  functions: readonly LoadedFunction[],
  settings: HostSettings,
  log: Log,
): Promise<Listener[]> {
  const queues = withTrigger(functions, 'queueTrigger').map(({ trigger, invoke }) => {
    const { queueName, connection } = QueueBinding.parse(trigger);
    return openQueueListener({
      queueName: expandSettings(queueName, settings.env),
      service: queueService(connection || 'AzureWebJobsStorage', settings.env),
      settings: settings.queues,
      invoke,
      log,
    });
  });
  const timers = withTrigger(functions, 'timerTrigger').map(({ info, trigger, invoke }) => {
    const { schedule, runOnStartup, useMonitor } = TimerBinding.parse(trigger);
    return openTimerListener({
      functionName: info.name,
      schedule: parseSchedule(expandSettings(schedule, settings.env)),
      runOnStartup: runOnStartup ?? false,
      useMonitor: useMonitor ?? true,
      stateDir: settings.stateDir,
      invoke,
      log,
    });
  });
  return Promise.all([...queues, ...timers]);
}

function queueService(connection: string, env: Variables): QueueServiceClient {
  // WebJobs looks for the prefixed name first.
  const text = env[`AzureWebJobs${connection}`] ?? env[connection];
  if (text === undefined || text === '') throw new Error(`the app setting "${connection}" is not set`);
  return QueueServiceClient.fromConnectionString(text);
}

function newTraceParent(): string {
  return `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-01`;
}

function compareNames(a: string, b: string): number {
  const [left, right] = [a.toLowerCase(), b.toLowerCase()];
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
