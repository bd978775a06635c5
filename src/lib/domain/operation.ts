/** Azure's words. `Canceled`: a later request took its place. */
export type OperationStatus = 'NotStarted' | 'Running' | 'Succeeded' | 'Failed' | 'Canceled';
export type OperationKind =
  | 'channel.start'
  | 'channel.standby'
  | 'channel.stop'
  | 'channel.reset'
  | 'channel.delete'
  | 'program.start'
  | 'program.finish'
  | 'program.publish'
  | 'program.unpublish'
  | 'program.delete'
  | 'video.encode'
  | 'video.publish'
  | 'video.unpublish'
  | 'video.delete'
  | 'streamingEndpoint.start'
  | 'streamingEndpoint.stop'
  | 'streamingEndpoint.scale'
  | 'encodingCapacity.scale';

export interface OperationError {
  readonly code: string;
  readonly message: string;
}

export interface Operation {
  readonly id: string;
  readonly kind: OperationKind;
  readonly channel?: string;
  readonly program?: string;
  readonly video?: string;
  readonly streamingEndpoint?: string;
  readonly encodingCapacity?: string;
  readonly status: OperationStatus;
  readonly percentComplete: number;
  readonly step: string;
  readonly error: OperationError | null;
  readonly createdAtMs: number;
  readonly finishedAtMs?: number;
}

/** It did not do what was asked for: asking again is another operation. */
export const isWithoutResult = ({ status }: Operation): boolean =>
  status === 'Failed' || status === 'Canceled';

export const isFinal = (operation: Operation): boolean =>
  operation.status !== 'NotStarted' && operation.status !== 'Running';
