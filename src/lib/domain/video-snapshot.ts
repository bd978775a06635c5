import type { ProtectionReading } from './snapshot.ts';
import type { JobReading, UploadedFile, Video } from './video.ts';

/** One reading of everything that belongs to a video; what reconcile decides from. */
export interface VideoSnapshot {
  readonly video: Video;
  /** What has been uploaded, the newest last; undefined: not read, as nothing depends on it. */
  readonly uploads: readonly UploadedFile[] | undefined;
  readonly inputAsset: 'absent' | 'ready' | 'notRead';
  /** Of a video that is made of a recording. */
  readonly isRecordingOver: boolean;
  /** Of the attempt that runs; undefined: there is none. */
  readonly job: JobReading | undefined;
  /** `outdated`: for another protection or other files than it has now. */
  readonly locator: 'absent' | 'ours' | 'outdated';
  readonly imagesLocator: 'absent' | 'ours' | 'outdated';
  /** Undefined: there is no such profile. */
  readonly protection: ProtectionReading | undefined;
  /** The name of the transform that makes what the settings ask for now. */
  readonly transform: string;
  readonly nowMs: number;
}
