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

/**
 * Captions and subtitles that manifests list. A stored fragment is a WebVTT file of the cues that are shown during it,
 * whole, with the times of the file that they come from; each form of delivery makes its own of that.
 */
export interface CaptionFormat {
  readonly kind: 'wvtt';
  /** What a WebVTT file has before its cues: signature, regions, styles. UTF-8, without the blank line at its end. */
  readonly configurationRecord: Uint8Array;
  readonly codecString: 'wvtt';
  /** Where time 0 of the cues is on the timeline. */
  readonly zeroTicks: number;
}

export type TrackFormat = VideoFormat | AudioFormat | DataFormat | CaptionFormat;
/**
 * `text` of a live event is what comes now and then: its fragments do not abut, and nothing waits for them. Captions
 * (`CaptionFormat`) have a fragment wherever the picture has one.
 */
export type TrackType = 'video' | 'audio' | 'text';

export function isCaptions({ formats: [format] }: Pick<Track, 'formats'>): boolean {
  return format?.kind === 'wvtt';
}

/** How players are to offer a track; what is absent is not said. */
export interface TrackSettings {
  readonly isDefault?: boolean | undefined;
  /** Subtitles that belong to the picture, such as those of what is said in another language. */
  readonly isForced?: boolean | undefined;
  /** Of HLS, such as `public.accessibility.describes-video`; without quotes and line breaks. */
  readonly characteristics?: string | undefined;
  /** Of DASH, urn:mpeg:dash:role:2011. */
  readonly role?: string | undefined;
  /** Sound that tells what is to be seen. */
  readonly isDescription?: boolean | undefined;
}

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
  readonly settings?: TrackSettings;
  /** Its file may be replaced: nobody keeps what is made of it for long. */
  readonly isReplaceable?: true;
  /** Indexed by `FragmentEntry.formatIndex`; each has an initialization segment of its own. */
  readonly formats: readonly TrackFormat[];
}
