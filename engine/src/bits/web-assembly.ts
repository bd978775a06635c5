// Neither TypeScript's ES library nor Node's types know it.
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

/** Modules of a loop or two, for what no call of the language does as fast; the WebAssembly core specification, §5. */
export const MODULE_HEAD = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0] as const;

export function compileModule(bytes: Uint8Array): object {
  return new WebAssembly.Module(bytes);
}

/** What a module of `compileModule` exports. */
export function instantiate(compiled: object): unknown {
  return new WebAssembly.Instance(compiled).exports;
}

const CONSTANT = 0x41;

export function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

export function name(text: string): number[] {
  return [text.length, ...Buffer.from(text)];
}

/** LEB128. */
export function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

/** `i32.const`, of less than 2^13. */
export function constant(value: number): number[] {
  const isLast = value < 0x40;
  return isLast ? [CONSTANT, value] : [CONSTANT, (value & 0x7f) | 0x80, value >>> 7];
}
