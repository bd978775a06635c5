import type { Failure } from './channel.ts';
import type { OperationKind } from './operation.ts';
import type { KeyLabel } from './protection.ts';

export interface ProgramSettings {
  readonly description: string;
  readonly start: string;
  readonly rewind: string | null;
  readonly keep: string;
  /** The name of a protection profile. */
  readonly protection: string;
  readonly publish: { readonly when: string; readonly until: string | null };
  readonly labels: Readonly<Record<string, string>>;
}

export type ConditionType = 'KeyPolicyReady' | 'DeliveryPolicyReady' | 'Recording' | 'Published';

export interface Condition<T extends string = ConditionType> {
  readonly type: T;
  readonly status: boolean;
  readonly reason: string;
  readonly sinceMs: number;
  /** The timeline tells that it became true. */
  readonly noted: boolean;
}

/** A content key of a program without its value. */
export interface ContentKey extends KeyLabel {
  /** A GUID; what players ask for, and what its secret is named by. */
  readonly id: string;
  /** Who made it: `own`, or a key service. */
  readonly source: string;
}

export interface Program {
  readonly channel: string;
  readonly name: string;
  readonly id: string;
  readonly createdAtMs: number;
  readonly generation: number;
  /** When what is wanted last changed. */
  readonly changedAtMs: number;
  /** `auto` follows the settings; the others are what a verb asked for. */
  readonly recordingWanted: 'auto' | 'started' | 'finished';
  readonly publishingWanted: 'auto' | 'published' | 'unpublished';
  readonly deleted: false | 'keepRecording' | 'deleteRecording';
  readonly settings: ProgramSettings;
  readonly assetName: string;
  readonly manifestName: string;
  readonly locatorId: string;
  /** Made once, kept until the program is deleted; their values are in the secret store. */
  readonly contentKeys: readonly ContentKey[];
  /** What was last read. */
  readonly outputExists: boolean;
  readonly published: boolean;
  readonly firstFrameAtMs: number | null;
  readonly finishedAtMs: number | null;
  readonly conditions: readonly Condition[];
  /** The generation whose end state has been reached: nothing is left to do or to read until it changes. */
  readonly settledGeneration: number | null;
  readonly lastOperation: { readonly kind: OperationKind; readonly id: string } | null;
  readonly failure: Failure | null;
}

/** A stored program, with what an older version of the app did not store. */
export const upgradedProgram = (stored: Program): Program => ({
  ...stored,
  contentKeys: stored.contentKeys ?? [],
});

export type ProgramState = 'idle' | 'armed' | 'recording' | 'finishing' | 'finished' | 'deleting' | 'failed';

/** The state a user reads, from what is wanted and what was last read. */
export function programState(program: Program, channel: { readonly encoderSending: boolean }): ProgramState {
  if (program.deleted !== false) return 'deleting';
  if (program.finishedAtMs !== null) return 'finished';
  if (program.recordingWanted === 'finished') return 'finishing';
  if (program.failure !== null && !program.outputExists) return 'failed';
  if (!program.outputExists) return 'idle';
  return program.firstFrameAtMs !== null || channel.encoderSending ? 'recording' : 'armed';
}

export function setCondition<T extends string>(
  conditions: readonly Condition<T>[],
  next: { type: T; status: boolean; reason: string },
  nowMs: number,
): readonly Condition<T>[] {
  const before = conditions.find(({ type }) => type === next.type);
  if (before?.status === next.status && before.reason === next.reason) return conditions;
  const sinceMs = before?.status === next.status ? before.sinceMs : nowMs;
  const noted = before?.status === next.status && before.noted;
  return [...conditions.filter(({ type }) => type !== next.type), { ...next, sinceMs, noted }];
}

/** Names are lower case and channel names hold no underscore, yet `a-b` + `c` and `a` + `b-c` meet: the owner tells them apart. */
export const assetNameOf = (channel: string, program: string): string => `${channel}-${program}`;
export const assetOwnerOf = (channel: string, program: string): string => `headend:${channel}/${program}`;
