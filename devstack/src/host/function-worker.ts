import { readFile } from 'node:fs/promises';
import type NodeModule from 'node:module';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import {
  type CoreApi,
  CoreDisposable,
  type CoreInvocationContext,
  type FunctionCallback,
  type FunctionMetadata,
  Registrations,
} from './core-api.ts';
import type {
  BindingInfo,
  FunctionInfo,
  InvocationRequest,
  InvocationResponse,
  LogRecord,
  RpcException,
  WorkerStart,
} from './worker-protocol.ts';

const HOST_VERSION = '4.1048.200';
const WORKER_VERSION = '3.14.1';
const LOG_MESSAGE_CHARACTERS_MAX = 16_384;
const STACK_CHARACTERS_MAX = 4096;

const PackageJson = z.object({ main: z.string().min(1), type: z.string().optional() });

/**
 * The app's side of the seam: loads a deployable folder as Microsoft's Node worker does, by answering
 * `require('@azure/functions-core')`, and runs its functions. One per process at a time, because the app's own
 * modules are loaded into the process.
 */
export class FunctionWorker {
  readonly #registrations = new Registrations();
  readonly #onLog: (record: LogRecord) => void;
  readonly #appHookData: Record<string, unknown> = {};
  #unpatch: (() => void) | undefined;
  #inLogHook = false;

  constructor(onLog: (record: LogRecord) => void) {
    this.#onLog = onLog;
  }

  async start(appDir: string): Promise<WorkerStart> {
    const { main, type } = PackageJson.parse(
      JSON.parse(await readFile(join(appDir, 'package.json'), 'utf8')),
    );
    if (/[*?{[]/.test(main)) throw new Error(`package.json: "main" must be one file here, not "${main}"`);
    const scriptFile = join(appDir, main);
    // The real module system also where a test runner has put its own in front of it.
    const module = process.getBuiltinModule('node:module');
    this.#patchRequire(module);
    const isModule = main.endsWith('.mjs') || (type === 'module' && !main.endsWith('.cjs'));
    if (isModule) await import(pathToFileURL(scriptFile).href);
    else module.createRequire(pathToFileURL(scriptFile))(scriptFile);
    await this.#runHooks('appStart', { hookData: this.#appHookData });
    const defaults = {
      RawHttpBodyBytes: 'true',
      RpcHttpTriggerMetadataRemoved: 'true',
      RpcHttpBodyOnly: 'true',
      IgnoreEmptyValuedRpcHttpHeaders: 'true',
      UseNullableValueDictionaryForHttp: 'true',
      TypedDataCollection: 'true',
      HandlesWorkerTerminateMessage: 'true',
    };
    const capabilities = (await this.#registrations.model?.getCapabilities?.(defaults)) ?? defaults;
    this.#registrations.lock();
    return { functions: this.#functionInfos(scriptFile), capabilities };
  }

  /** Runs one function; what goes wrong in it is the response's `failure`. Never rejects. */
  async invoke(request: InvocationRequest): Promise<InvocationResponse> {
    try {
      return await this.#run(request);
    } catch (error) {
      return {
        invocationId: request.invocationId,
        result: { status: 'failure', exception: toRpcException(error) },
        outputData: [],
      };
    }
  }

  async stop(): Promise<void> {
    try {
      await this.#runHooks('appTerminate', { hookData: this.#appHookData });
    } finally {
      this.#unpatch?.();
    }
  }

  async #run(request: InvocationRequest): Promise<InvocationResponse> {
    const registered = this.#registrations.functions.get(request.functionId);
    const programming = this.#registrations.model;
    if (registered === undefined || programming === undefined) {
      throw new Error(`no function with id "${request.functionId}"`);
    }
    const core = this.#invocationContext(request, registered.metadata);
    const model = programming.getInvocationModel(core);
    const { context, inputs } = await model.getArguments();
    const hookData: Record<string, unknown> = {};
    const before: { functionCallback: FunctionCallback; inputs: unknown[] } & Record<string, unknown> = {
      hookData,
      appHookData: this.#appHookData,
      invocationContext: context,
      functionCallback: registered.callback,
      inputs,
    };
    core.state = 'preInvocationHooks';
    await this.#runHooks('preInvocation', before);
    const after: { result: unknown; error: unknown } & Record<string, unknown> = {
      hookData,
      appHookData: this.#appHookData,
      invocationContext: context,
      inputs: before.inputs,
      result: null,
      error: null,
    };
    core.state = 'invocation';
    try {
      after.result = await model.invokeFunction(context, before.inputs, before.functionCallback);
    } catch (error) {
      after.error = error ?? new Error('the function threw nothing');
    }
    core.state = 'postInvocationHooks';
    await this.#runHooks('postInvocation', after);
    if (after.error !== null && after.error !== undefined) throw after.error;
    const response = await model.getResponse(context, after.result);
    return {
      invocationId: request.invocationId,
      result: { status: 'success' },
      ...(response.returnValue ? { returnValue: response.returnValue } : {}),
      outputData: response.outputData ?? [],
    };
  }

  #invocationContext(request: InvocationRequest, metadata: FunctionMetadata): CoreInvocationContext {
    return {
      invocationId: request.invocationId,
      request,
      metadata,
      log: (level, logCategory, message) =>
        this.#log({
          level,
          logCategory,
          message,
          invocationId: request.invocationId,
          category: `${metadata.name}.Invocation`,
        }),
    };
  }

  #functionInfos(scriptFile: string): FunctionInfo[] {
    return [...this.#registrations.functions].map(([functionId, { metadata }]) => ({
      functionId,
      name: metadata.name,
      bindings: plainBindings(metadata.bindings),
      ...(metadata.retryOptions === undefined ? {} : { retryOptions: metadata.retryOptions }),
      scriptFile: basename(scriptFile),
      directory: dirname(scriptFile),
    }));
  }

  #coreApi(): CoreApi {
    const registrations = this.#registrations;
    return {
      version: WORKER_VERSION,
      hostVersion: HOST_VERSION,
      Disposable: CoreDisposable,
      registerFunction: (metadata, callback) => registrations.registerFunction(metadata, callback),
      setProgrammingModel: (model) => {
        registrations.model = model;
      },
      getProgrammingModel: () => registrations.model,
      registerHook: (name, callback) => registrations.registerHook(name, callback),
      log: (level, logCategory, message) => this.#log({ level, logCategory, message }),
    };
  }

  #patchRequire(module: typeof NodeModule): void {
    const original = module.prototype.require;
    const core = this.#coreApi();
    const patched = function (this: NodeModule, id: string): unknown {
      return id === '@azure/functions-core' ? core : original.call(this, id);
    };
    Object.assign(patched, original);
    module.prototype.require = Object.assign(patched, { resolve: undefined });
    this.#unpatch = () => {
      module.prototype.require = original;
    };
  }

  async #runHooks(name: string, context: Record<string, unknown>): Promise<void> {
    for (const hook of this.#registrations.hooks(name)) await hook(context);
  }

  #log(record: LogRecord): void {
    let { level, message } = record;
    const hooks = this.#registrations.hooks('log');
    // A log hook that logs would call itself without end.
    if (hooks.length > 0 && !this.#inLogHook) {
      this.#inLogHook = true;
      try {
        const context = { level, message, category: record.logCategory };
        for (const hook of hooks) hook(context);
        ({ level, message } = context);
      } catch {
        // A broken log hook must not fail what is being logged.
      } finally {
        this.#inLogHook = false;
      }
    }
    this.#onLog({ ...record, level, message: message.slice(0, LOG_MESSAGE_CHARACTERS_MAX) });
  }
}

/** Bindings without what cannot cross a process border (functions, schemas). */
function plainBindings(bindings: FunctionMetadata['bindings']): Record<string, BindingInfo> {
  return JSON.parse(JSON.stringify(bindings));
}

export function toRpcException(error: unknown): RpcException {
  const isErrorLike = typeof error === 'object' && error !== null;
  const message =
    isErrorLike && 'message' in error && typeof error.message === 'string' ? error.message : String(error);
  const stack = isErrorLike && 'stack' in error && typeof error.stack === 'string' ? error.stack : '';
  return {
    message: message.slice(0, LOG_MESSAGE_CHARACTERS_MAX),
    stackTrace: stack.slice(0, STACK_CHARACTERS_MAX),
  };
}
