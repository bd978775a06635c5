import { setFlagsFromString } from 'node:v8';

/** The old generation may grow to five times what survived before it is collected again. */
const HEAP_GROWING_PERCENT = 400;

/**
 * V8 counts media buffers towards the next full collection but sizes its limit by the heap, which is small here: with a
 * few encoders it would mark the whole heap every second, for more processor time than the media itself takes.
 * Whatever the heap, V8 still collects after every 64 MiB of buffers.
 */
export function tuneGarbageCollection(): void {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`);
}
