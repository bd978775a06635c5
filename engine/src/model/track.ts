/** Larger ones are refused where they are parsed; the index of a recording keeps them as text in every roll. */
export const CONFIGURATION_RECORD_SIZE_BYTES_MAX = 6144;

export interface VideoFormat {
  readonly kind: 'h264' | 'hevc';
  /** AVC- or HEVCDecoderConfigurationRecord, ISO/IEC 14496-15 §5.3.3.1 and §8.3.3.1. */
  readonly configurationRecord: Uint8Array;
  /** RFC 6381, such as `avc1.64001f` or `hvc1.1.6.L93.90`. */
  readonly codecString: string;
  readonly width: number;
  readonly height: number;
  /** Frames per second from the VUI timing, undefined when the stream does not say. */
  readonly frameRate: number | undefined;
}

export interface AudioFormat {
  readonly kind: 'aac';
  /** AudioSpecificConfig, ISO/IEC 14496-3 §1.6.2.1. */
  readonly configurationRecord: Uint8Array;
  /** RFC 6381, such as `mp4a.40.2`. */
  readonly codecString: string;
  readonly sampleRateHz: number;
  readonly channelCount: number;
}

/** What a sparse track says of itself: ad markers, timed metadata, captions. Its media is opaque, and has no header. */
export interface DataFormat {
  readonly kind: 'data';
  /** Always empty: nothing is needed to read it. */
  readonly configurationRecord: Uint8Array;
  /** Always empty. */
  readonly codecString: string;
  /** Of the encoder's moov, such as `urim`; empty when there is none. */
  readonly sampleEntry: string;
  /** [MS-SSTR] §2.2.2.3: `DATA`, `CAPT`, `SUBT`… */
  readonly subtype: string;
  /** What its media means, such as `urn:scte:scte35:2013:bin`. */
  readonly scheme?: string;
  /** The encoder's name of the track that it goes with. */
  readonly parentTrackName?: string;
  /** The encoder wants its media in manifests. */
  readonly manifestOutput: boolean;
}

export type TrackFormat = VideoFormat | AudioFormat | DataFormat;
/** `text` is what comes now and then: its fragments do not abut, and nothing waits for them. */
export type TrackType = 'video' | 'audio' | 'text';

export function isVideoFormat(format: TrackFormat): format is VideoFormat {
  return format.kind === 'h264' || format.kind === 'hevc';
}

/**
 * One quality of one elementary stream of a presentation. All of it but `formats` is fixed at the first fragment and
 * never changes or is reused within the asset; `formats` grows when an encoder comes back with another configuration.
 */
export interface Track {
  readonly type: TrackType;
  /** 1…65535, unique in the presentation: the `track_ID` of its header. */
  readonly ordinal: number;
  /** The name in `Fragments(name=…)`, shared by the qualities of one stream: `video`, `audio`, `audio_2`, `commentary`. */
  readonly streamName: string;
  /** The n of `QualityLevels(n)`, unique per stream name: the declared bitrate, measured when none was declared. */
  readonly bitrateBps: number;
  /** The folder of its blobs in the asset container: `{streamName}_{bitrateBps}`. */
  readonly folder: string;
  /** The encoder's own name of it, for people; absent when it has none. */
  readonly label?: string;
  /** RFC 5646; absent when nobody said. */
  readonly language?: string;
  /** Indexed by `FragmentEntry.formatIndex`; each has an initialization segment of its own. */
  readonly formats: readonly TrackFormat[];
}
