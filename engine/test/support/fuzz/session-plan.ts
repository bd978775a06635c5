import fc from 'fast-check';

/** How one session differs from a valid one, and how it is sent. */
export interface SessionPlan {
  /** Which valid session; taken modulo their number, as every position here. */
  readonly session: number;
  readonly changes: readonly Change[];
  /** Bytes per write; 0: all at once. */
  readonly pieceBytes: number;
  /** After how many writes the client does nothing for how long. */
  readonly pauses: readonly { readonly after: number; readonly ms: number }[];
  /** Closes in order, resets, or does nothing more and waits for the server to close. */
  readonly ending: 'end' | 'reset' | 'linger';
}

export type Change =
  | { readonly kind: 'drop' | 'truncate'; readonly at: number; readonly offset: number }
  | { readonly kind: 'repeat'; readonly at: number; readonly times: number }
  | { readonly kind: 'swap'; readonly at: number; readonly with: number }
  | { readonly kind: 'stop'; readonly at: number }
  | { readonly kind: 'set'; readonly at: number; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: 'insert'; readonly at: number; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: 'splice'; readonly at: number; readonly session: number; readonly from: number };

const REPEATS_MAX = 30;
/** Pieces of one session: sending byte by byte takes time, not bytes. */
const PIECES_MAX = 3000;

const position = fc.nat(65_535);
/** Early bytes of a part are its headers, where damage goes furthest. */
const offset = fc.oneof(fc.nat(24), position);
const bytes = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 8 }),
  fc
    .constantFrom(0x00, 0x7f, 0x80, 0xff)
    .chain((byte) => fc.integer({ min: 1, max: 64 }).map((length) => new Uint8Array(length).fill(byte))),
);
const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('set' as const), at: position, offset, bytes }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('insert' as const), at: position, offset, bytes }) },
  fc.record({ kind: fc.constantFrom('drop' as const, 'truncate' as const), at: position, offset }),
  fc.record({
    kind: fc.constant('repeat' as const),
    at: position,
    times: fc.integer({ min: 1, max: REPEATS_MAX }),
  }),
  fc.record({ kind: fc.constant('swap' as const), at: position, with: position }),
  fc.record({ kind: fc.constant('stop' as const), at: position }),
  fc.record({ kind: fc.constant('splice' as const), at: position, session: position, from: position }),
);

export const sessionPlan: fc.Arbitrary<SessionPlan> = fc.record({
  session: position,
  changes: fc.array(change, { maxLength: 5 }),
  pieceBytes: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 64 }), fc.integer({ min: 65, max: 65_536 })),
  pauses: fc.array(fc.record({ after: fc.nat(50), ms: fc.integer({ min: 1, max: 40 }) }), { maxLength: 2 }),
  ending: fc.oneof(
    { weight: 6, arbitrary: fc.constant('end' as const) },
    { weight: 2, arbitrary: fc.constant('reset' as const) },
    { weight: 1, arbitrary: fc.constant('linger' as const) },
  ),
});

/** The writes that a plan makes of the valid sessions. */
export function piecesOf(plan: SessionPlan, sessions: readonly (readonly Uint8Array[])[]): Uint8Array[] {
  const parts = [...pick(sessions, plan.session)];
  for (const each of plan.changes) applyChange(parts, each, sessions);
  const whole = new Uint8Array(Buffer.concat(parts));
  const wanted = plan.pieceBytes === 0 ? whole.length : plan.pieceBytes;
  const pieceBytes = Math.max(1, wanted, Math.ceil(whole.length / PIECES_MAX));
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < whole.length; at += pieceBytes) pieces.push(whole.subarray(at, at + pieceBytes));
  return pieces;
}

function applyChange(parts: Uint8Array[], each: Change, sessions: readonly (readonly Uint8Array[])[]): void {
  if (parts.length === 0) return;
  const at = each.at % parts.length;
  const part = parts[at] ?? new Uint8Array(0);
  switch (each.kind) {
    case 'drop':
      parts.splice(at, 1);
      return;
    case 'truncate':
      parts[at] = part.subarray(0, each.offset % (part.length + 1));
      return;
    case 'repeat':
      parts.splice(at, 0, ...Array.from({ length: each.times }, () => part));
      return;
    case 'swap': {
      const other = each.with % parts.length;
      [parts[at], parts[other]] = [parts[other] ?? part, part];
      return;
    }
    case 'stop':
      parts.splice(at);
      return;
    case 'set': {
      const changed = part.slice();
      const offset = each.offset % (part.length + 1);
      changed.set(each.bytes.subarray(0, changed.length - offset), offset);
      parts[at] = changed;
      return;
    }
    case 'insert': {
      const offset = each.offset % (part.length + 1);
      parts[at] = new Uint8Array(
        Buffer.concat([part.subarray(0, offset), each.bytes, part.subarray(offset)]),
      );
      return;
    }
    case 'splice': {
      const other = pick(sessions, each.session);
      parts.splice(at, parts.length, ...other.slice(each.from % other.length));
      return;
    }
  }
}

function pick<T>(list: readonly T[], index: number): T {
  const found = list[index % list.length];
  if (found === undefined) throw new RangeError('nothing to pick from');
  return found;
}
