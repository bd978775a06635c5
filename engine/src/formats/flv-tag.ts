import { MalformedFlv } from './malformed-flv.ts';

/**
 * What the body of an FLV video tag, or of an RTMP video message, carries of one track. Bytes are views, not copies.
 * Track 0 is the only one outside of multitrack packets.
 */
export type FlvVideoTag =
  | (VideoTrack & { readonly kind: 'sequenceHeader'; readonly configurationRecord: Uint8Array })
  | (VideoTrack & {
      readonly kind: 'accessUnit';
      /** pts − dts. */
      readonly compositionTimeMs: number;
      /** As the encoder flagged it; `containsIdr` and `containsIrap` tell what the access unit really is. */
      readonly isKeyFrame: boolean;
      readonly data: Uint8Array;
    })
  | UnsupportedCodec
  | Ignored;

/** The same for audio, which is AAC. */
export type FlvAudioTag =
  | {
      readonly kind: 'sequenceHeader';
      readonly trackId: number;
      readonly configurationRecord: Uint8Array;
    }
  | { readonly kind: 'accessUnit'; readonly trackId: number; readonly data: Uint8Array }
  | UnsupportedCodec
  | Ignored;

export interface VideoTrack {
  /** 0 to 255. */
  readonly trackId: number;
  readonly codec: 'h264' | 'hevc';
}

/** The name is safe to show: ours, or a FourCC in printable ASCII. */
export interface UnsupportedCodec {
  readonly kind: 'unsupportedCodec';
  readonly trackId: number;
  readonly name: string;
}

/** Empty bodies, ends of sequences, metadata and command frames, which carry no media. */
export interface Ignored {
  readonly kind: 'ignored';
}

export const IGNORED: Ignored = { kind: 'ignored' };
/** Adobe FLV 10.1 §E.4.3.1. */
export const FRAME_TYPE = { key: 1, command: 5 } as const;

/** Bounds what a 24-bit field could claim (± 2.3 hours), so that it fits the 32 bits of a `trun` in any timescale. */
const COMPOSITION_TIME_MS_MAX = 60_000;

/** An access unit; one without bytes is ignored. Throws `MalformedFlv` when its composition time is out of bounds. */
export function videoAccessUnit(
  track: VideoTrack,
  unit: { readonly compositionTimeMs: number; readonly isKeyFrame: boolean; readonly data: Uint8Array },
): FlvVideoTag {
  const { compositionTimeMs, data } = unit;
  if (data.length === 0) return IGNORED;
  if (Math.abs(compositionTimeMs) > COMPOSITION_TIME_MS_MAX) {
    throw new MalformedFlv(`composition time ${compositionTimeMs} ms exceeds ${COMPOSITION_TIME_MS_MAX}`);
  }
  return { kind: 'accessUnit', ...track, ...unit };
}
