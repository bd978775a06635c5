import { type Amf0Value, amf0Object, parseAmf0, writeAmf0 } from './amf0.ts';
import { MESSAGE_TYPE, type RtmpMessage } from './message.ts';
import { RtmpError } from './rtmp-error.ts';

/** A command message, RTMP 1.0 §7.1.1: its name, then the command object and the arguments. */
export interface RtmpCommand {
  readonly name: string;
  readonly transactionId: number;
  readonly messageStreamId: number;
  readonly commandObject: Amf0Value;
  readonly parameters: readonly Amf0Value[];
}

/** Throws `RtmpError` `MalformedAmf` or `MalformedCommand`. */
export function parseCommand(message: RtmpMessage): RtmpCommand {
  const [name, transactionId, commandObject, ...parameters] = parseAmf0(amf0Part(message));
  if (typeof name !== 'string') throw new RtmpError('MalformedCommand', 'command without a name');
  return {
    name,
    // Some encoders leave it out of commands that want no answer.
    transactionId: typeof transactionId === 'number' ? transactionId : 0,
    messageStreamId: message.messageStreamId,
    commandObject,
    parameters,
  };
}

/** The values of a data message: handler name (without `@setDataFrame`) first. */
export function parseData(message: RtmpMessage): readonly Amf0Value[] {
  const values = parseAmf0(amf0Part(message));
  return values[0] === '@setDataFrame' ? values.slice(1) : values;
}

export function commandMessage(
  command: { readonly name: string; readonly transactionId: number; readonly messageStreamId?: number },
  ...values: readonly Amf0Value[]
): RtmpMessage {
  return {
    typeId: MESSAGE_TYPE.commandAmf0,
    messageStreamId: command.messageStreamId ?? 0,
    timestampMs: 0,
    payload: writeAmf0([command.name, command.transactionId, ...values]),
  };
}

/** The information object of `onStatus`, `_result` and `_error` (§7.2.2). */
export function statusObject(level: 'status' | 'error', code: string, description: string): Amf0Value {
  return amf0Object({ level, code, description });
}

/** The AMF3 variants begin with a zero byte and go on in AMF0, unless something really needs AMF3. */
function amf0Part(message: RtmpMessage): Uint8Array {
  const { payload, typeId } = message;
  const isAmf3 = typeId === MESSAGE_TYPE.commandAmf3 || typeId === MESSAGE_TYPE.dataAmf3;
  return isAmf3 && payload[0] === 0 ? payload.subarray(1) : payload;
}
