export type OperationStatus = 'NotStarted' | 'Running' | 'Succeeded' | 'Failed';
export type OperationKind =
  | 'channel.start'
  | 'channel.stop'
  | 'channel.reset'
  | 'channel.delete'
  | 'program.start'
  | 'program.finish'
  | 'program.publish'
  | 'program.unpublish'
  | 'program.delete'
  | 'streamingEndpoint.start'
  | 'streamingEndpoint.stop';

export interface OperationError {
  readonly code: string;
  readonly message: string;
}

export interface Operation {
  readonly id: string;
  readonly kind: OperationKind;
  readonly channel?: string;
  readonly program?: string;
  readonly streamingEndpoint?: string;
  readonly status: OperationStatus;
  readonly percentComplete: number;
  readonly step: string;
  readonly error: OperationError | null;
  readonly createdAtMs: number;
  readonly finishedAtMs?: number;
}

export const isFinal = (operation: Operation): boolean =>
  operation.status === 'Succeeded' || operation.status === 'Failed';
