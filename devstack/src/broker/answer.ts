export interface Answer {
  readonly status: number;
  readonly body?: object;
}

/** Azure's shape of an error. */
export function failure(status: number, code: string, message: string): Answer {
  return { status, body: { error: { code, message } } };
}
