import type { BindingInfo, LogRecord, RetryOptions, RpcTypedData } from './worker-protocol.ts';

/** The part of `@azure/functions-core` that `@azure/functions` 4.16 uses. */
export interface CoreApi {
  readonly version: string;
  readonly hostVersion: string;
  readonly Disposable: typeof CoreDisposable;
  registerFunction(metadata: FunctionMetadata, callback: FunctionCallback): CoreDisposable;
  setProgrammingModel(model: ProgrammingModel): void;
  getProgrammingModel(): ProgrammingModel | undefined;
  registerHook(name: string, callback: HookCallback): CoreDisposable;
  log(level: string, category: LogRecord['logCategory'], message: string): void;
}

export type FunctionCallback = (...args: unknown[]) => unknown;
export type HookCallback = (context: Record<string, unknown>) => unknown;

export interface FunctionMetadata {
  readonly name: string;
  readonly functionId?: string;
  readonly bindings: Readonly<Record<string, BindingInfo>>;
  readonly retryOptions?: RetryOptions;
}

export interface ProgrammingModel {
  readonly name: string;
  readonly version: string;
  getInvocationModel(context: CoreInvocationContext): InvocationModel;
  getCapabilities?(defaults: Record<string, string>): Promise<Record<string, string>>;
}

export interface CoreInvocationContext {
  readonly invocationId: string;
  readonly request: object;
  readonly metadata: FunctionMetadata;
  state?: 'preInvocationHooks' | 'invocation' | 'postInvocationHooks';
  log(level: string, category: LogRecord['logCategory'], message: string): void;
}

export interface InvocationModel {
  getArguments(): Promise<{ context: unknown; inputs: unknown[] }>;
  invokeFunction(context: unknown, inputs: unknown[], callback: FunctionCallback): Promise<unknown>;
  getResponse(context: unknown, result: unknown): Promise<InvocationModelResponse>;
}

export interface InvocationModelResponse {
  readonly returnValue?: RpcTypedData | null;
  readonly outputData?: readonly { readonly name: string; readonly data: RpcTypedData }[];
}

export class CoreDisposable {
  readonly #dispose: () => void;

  constructor(dispose: () => void) {
    this.#dispose = dispose;
  }

  static from(...disposables: { dispose(): void }[]): CoreDisposable {
    return new CoreDisposable(() => {
      for (const disposable of disposables) disposable.dispose();
    });
  }

  dispose(): void {
    this.#dispose();
  }
}

const HOOK_NAMES = ['preInvocation', 'postInvocation', 'appStart', 'appTerminate', 'log'];
const HOOKS_MAX = 256;
const FUNCTIONS_MAX = 1024;

/** A system error as the worker throws them: `@azure/functions` tells them from the app's by this mark. */
export function systemError(error: Error): Error {
  return Object.assign(error, { isAzureFunctionsSystemError: true });
}

/** What an app registers while its entry file is loaded; `lock()` ends the time for registering functions. */
export class Registrations {
  readonly functions = new Map<string, { metadata: FunctionMetadata; callback: FunctionCallback }>();
  model: ProgrammingModel | undefined;
  readonly #hooks = new Map<string, HookCallback[]>();
  #locked = false;

  lock(): void {
    this.#locked = true;
  }

  registerFunction(metadata: FunctionMetadata, callback: FunctionCallback): CoreDisposable {
    if (this.#locked) {
      throw systemError(
        new Error('A function can only be registered during app startup, before functions run.'),
      );
    }
    const functionId = metadata.functionId ?? metadata.name;
    if (this.functions.has(functionId)) {
      throw systemError(new Error(`A function with id "${functionId}" has already been registered.`));
    }
    if (this.functions.size >= FUNCTIONS_MAX) {
      throw systemError(new Error(`More than ${FUNCTIONS_MAX} functions.`));
    }
    this.functions.set(functionId, { metadata: { ...metadata, functionId }, callback });
    return new CoreDisposable(() => {
      if (this.#locked) throw systemError(new Error('A function cannot be removed after app startup.'));
      this.functions.delete(functionId);
    });
  }

  registerHook(name: string, callback: HookCallback): CoreDisposable {
    if (!HOOK_NAMES.includes(name)) {
      throw systemError(new RangeError(`Unrecognized hook "${name}"`));
    }
    const list = this.#hooks.get(name) ?? [];
    if (list.length >= HOOKS_MAX) throw systemError(new Error(`More than ${HOOKS_MAX} ${name} hooks.`));
    list.push(callback);
    this.#hooks.set(name, list);
    return new CoreDisposable(() => {
      const index = list.indexOf(callback);
      if (index >= 0) list.splice(index, 1);
    });
  }

  hooks(name: string): readonly HookCallback[] {
    return this.#hooks.get(name) ?? [];
  }
}
