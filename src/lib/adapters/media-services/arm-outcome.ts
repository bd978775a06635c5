export type ArmOutcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'later' | 'refused'; readonly code: string; readonly message: string };

const DONE: ArmOutcome = { kind: 'done' };
/** 409 OperationInProgress means later; 401 is a token that is being renewed or a right that is being granted. */
const LATER_STATUSES: ReadonlySet<number> = new Set([401, 408, 409, 412, 429]);

export interface ArmError {
  readonly status: number | undefined;
  readonly code: string;
  readonly message: string;
}

/** What an SDK error says; errors that are none of the SDK's (the network) have no status. */
export function readArmError(error: unknown): ArmError {
  if (typeof error !== 'object' || error === null)
    return { status: undefined, code: 'unknown', message: 'unknown' };
  const status = 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : undefined;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : 'unknown';
  const message = 'message' in error && typeof error.message === 'string' ? error.message : 'unknown';
  return { status, code, message: message.slice(0, 300) };
}

/** Runs a write and tells how it ended; `goneIsDone` for removals. */
export async function outcomeOf(
  write: () => Promise<unknown>,
  { goneIsDone = false } = {},
): Promise<ArmOutcome> {
  try {
    await write();
    return DONE;
  } catch (error) {
    const { status, code, message } = readArmError(error);
    if (goneIsDone && status === 404) return DONE;
    const isLater = status === undefined || status >= 500 || LATER_STATUSES.has(status);
    return { kind: isLater ? 'later' : 'refused', code, message };
  }
}

/** A read in which 404 means that there is none. */
export async function findOrNone<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (readArmError(error).status === 404) return undefined;
    throw error;
  }
}
