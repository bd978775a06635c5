import { containsIdr } from '../../codecs/h264.ts';
import { containsRecoveryPoint } from '../../codecs/h264-recovery-point.ts';
import { containsIrap } from '../../codecs/hevc.ts';
import { BoxStream, type StreamedBox } from '../../formats/isobmff/box-stream.ts';
import {
  type MovieFragment,
  type ParsedSample,
  parseMovieFragment,
} from '../../formats/isobmff/fragment-reader.ts';
import { MalformedFragment } from '../../formats/isobmff/malformed-fragment.ts';
import { parseMovieHeader } from '../../formats/isobmff/movie-header-reader.ts';
import type { TimedSample } from '../../model/sample.ts';
import { rescale, TICKS_PER_SECOND } from '../../time/timescale.ts';
import { IngestRefusal } from '../ingest-refusal.ts';
import type { PublishSession } from '../publish-session.ts';
import {
  LIVE_SERVER_MANIFEST_USER_TYPE,
  MANIFEST_BYTES_MAX,
  MalformedLiveServerManifest,
  type ManifestTrack,
  parseLiveServerManifest,
} from './live-server-manifest.ts';
import { describeTracks, type SmoothTrack } from './smooth-tracks.ts';

const MOOV_BYTES_MAX = 1024 * 1024;
/** 60,000 samples with all that can be said of each. */
const MOOF_BYTES_MAX = 1024 * 1024;
/** 20 s, the longest fragment, at 13 Mbit/s; 6 s, the longest recommended one, at 44. */
export const MDAT_BYTES_MAX = 32 * 1024 * 1024;
const SKIPPED_BOX_BYTES_MAX = 4 * 1024 * 1024;
/** Boxes that are stepped over between two fragments. */
const IDLE_BOXES_MAX = 64;
const USER_TYPE_END = 24;
/**
 * Encoders' clocks count from 1970 or the year 1 in units of 100 ns: more than a double holds exactly. What is left of
 * the lowest bits is exact, differences stay what they are, and it comes round every 28 years.
 */
const CLOCK_BITS = 53;
/** `trun` has 32 bits: seven minutes. */
const TEXT_SAMPLE_TICKS_MAX = 2 ** 32 - 1;
const TICKS_PER_SECOND_BIG = BigInt(TICKS_PER_SECOND);

export interface SmoothIntakeOptions {
  /** Called with the first header: lets the encoder in, or throws. */
  open(): Promise<PublishSession>;
  /** Told before memory is taken for what has not arrived whole; throws when there is none to be had. */
  onMemory(bytes: number): void;
}

/** Turns the body of one POST, cut anyhow, into the calls of a publish session. */
export class SmoothIntake {
  readonly #options: SmoothIntakeOptions;
  readonly #boxes: BoxStream;
  #manifest: readonly ManifestTrack[] = [];
  #session: PublishSession | undefined;
  #tracks = new Map<number, SmoothTrack>();
  /** Of tracks that are known and not taken. */
  #ignoredTrackIds = new Set<number>();
  #moof: StreamedBox | undefined;
  #idleBoxes = 0;
  #hasEnded = false;

  constructor(options: SmoothIntakeOptions) {
    this.#options = options;
    this.#boxes = new BoxStream({
      sizeBytesMax: boxSizeBytesMax,
      skippedSizeBytesMax: SKIPPED_BOX_BYTES_MAX,
      onMemory: (bytes) => options.onMemory(bytes),
    });
  }

  /** Bytes that are held until the rest of their box arrives. */
  get memoryBytes(): number {
    return this.#boxes.memoryBytes;
  }

  /** Whether the encoder said that the stream is over: with `mfra`, which is otherwise ignored. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Whether nothing is half here. */
  get isBetweenFragments(): boolean {
    return this.#boxes.isBetweenBoxes && this.#moof === undefined;
  }

  /** Resolves when the next bytes may come. Throws `IngestRefusal`, or what `open` and `onMemory` throw. */
  async take(bytes: Uint8Array): Promise<void> {
    this.#boxes.push(bytes);
    for (;;) {
      const box = readable(() => this.#boxes.next());
      if (box === undefined) return;
      await this.#takeBox(box);
    }
  }

  #takeBox(box: StreamedBox): Promise<void> | undefined {
    if (box.type === 'moof' || box.type === 'mdat') this.#idleBoxes = 0;
    else this.#countIdle();
    switch (box.type) {
      case 'uuid':
        this.#takeManifest(box);
        return undefined;
      case 'moov':
        return this.#takeHeader(box);
      case 'moof':
        if (this.#tracks.size === 0) throw notDescribed('A fragment came before ftyp, manifest and moov.');
        this.#moof = box;
        return undefined;
      case 'mdat':
        return this.#takePayload(box);
      case 'mfra':
        this.#hasEnded = true;
        return undefined;
      default:
        return undefined;
    }
  }

  #countIdle(): void {
    this.#idleBoxes += 1;
    if (this.#idleBoxes > IDLE_BOXES_MAX)
      throw notDescribed(`More than ${IDLE_BOXES_MAX} boxes without media.`);
  }

  #takeManifest({ bytes }: StreamedBox): void {
    if (bytes === undefined) return;
    try {
      this.#manifest = parseLiveServerManifest(bytes.subarray(USER_TYPE_END));
    } catch (cause) {
      if (!(cause instanceof MalformedLiveServerManifest)) throw cause;
      throw notDescribed(`The Live Server Manifest cannot be read: ${cause.message}.`, cause);
    }
  }

  async #takeHeader({ bytes }: StreamedBox): Promise<void> {
    if (bytes === undefined) return;
    const headers = readable(() => parseMovieHeader(bytes));
    const tracks = describeTracks(headers, this.#manifest);
    this.#session ??= await this.#options.open();
    for (const { key, published } of tracks) this.#session.setTrack(key, published);
    this.#tracks = new Map(tracks.map((track) => [track.trackId, track]));
    const ignored = headers.filter(({ trackId }) => !this.#tracks.has(trackId));
    this.#ignoredTrackIds = new Set(ignored.map(({ trackId }) => trackId));
  }

  #takePayload(mdat: StreamedBox): Promise<void> | undefined {
    const moof = this.#moof;
    this.#moof = undefined;
    // Media that no fragment header announces: what comes before the first one, or of a file.
    if (moof?.bytes === undefined || mdat.bytes === undefined) {
      throw notDescribed('Media came without the header of its fragment (moof).');
    }
    const distance = mdat.streamOffset - moof.streamOffset;
    const payload = {
      offset: distance + mdat.headerSizeBytes,
      sizeBytes: mdat.sizeBytes - mdat.headerSizeBytes,
    };
    const header = moof.bytes;
    const fragment = readable(() =>
      parseMovieFragment(header, payload, (trackId) => this.#tracks.get(trackId)?.defaults),
    );
    return this.#takeFragment(fragment, mdat.bytes, distance);
  }

  /** `payload` begins `distance` bytes after what the samples' offsets count from. */
  #takeFragment(fragment: MovieFragment, payload: Uint8Array, distance: number): Promise<void> | undefined {
    const track = this.#tracks.get(fragment.trackId);
    const session = this.#session;
    if (track === undefined || session === undefined) {
      if (this.#ignoredTrackIds.has(fragment.trackId)) return undefined;
      throw notDescribed(`The headers do not describe track ${fragment.trackId}.`);
    }
    const { timestampTicks, durations } = timesOf(fragment, track);
    const durationTicks = durations.endTicks;
    if (!session.beginFragment(track.key, { timestampTicks, durationTicks })) return undefined;
    if (track.published.type === 'text') {
      const samples = textSamples({ fragment, payload, distance, timestampTicks, durations });
      if (samples.length === 0) return undefined;
      return session.addTextFragment(track.key, { timestampTicks, samples });
    }
    let pending: Promise<void> | undefined;
    for (const [index, sample] of fragment.samples.entries()) {
      if (sample.sizeBytes === 0) continue;
      const data = payload.subarray(sample.offset - distance, sample.offset - distance + sample.sizeBytes);
      pending =
        session.addSample(track.key, {
          dtsTicks: timestampTicks + (durations.starts[index] ?? 0),
          compositionOffsetTicks: toTicks(sample.compositionOffsetTicks, track.timescale),
          isRandomAccessPoint: isRandomAccessPoint(track, sample, index, data),
          data,
        }) ?? pending;
    }
    return pending;
  }
}

function boxSizeBytesMax(type: string, userType: string | undefined): number | undefined {
  switch (type) {
    case 'uuid':
      return userType === LIVE_SERVER_MANIFEST_USER_TYPE ? MANIFEST_BYTES_MAX : undefined;
    case 'moov':
      return MOOV_BYTES_MAX;
    case 'moof':
      return MOOF_BYTES_MAX;
    case 'mdat':
      return MDAT_BYTES_MAX;
    default:
      return undefined;
  }
}

/** The flag alone is not believed: a fragment that begins with it must be decodable from there. */
function isRandomAccessPoint(
  { published }: SmoothTrack,
  sample: ParsedSample,
  index: number,
  data: Uint8Array,
): boolean {
  if (published.type !== 'video') return true;
  // Some encoders set no flags at all; then only a fragment's first sample is looked at.
  const mayBe = sample.isRandomAccessPoint || index === 0;
  if (!mayBe) return false;
  return published.format.kind === 'hevc'
    ? containsIrap(data)
    : containsIdr(data) || containsRecoveryPoint(data);
}

/** What is empty says nothing. Durations are what the fragment's header can hold. */
function textSamples(whole: {
  readonly fragment: MovieFragment;
  readonly payload: Uint8Array;
  readonly distance: number;
  readonly timestampTicks: number;
  readonly durations: SampleTimes;
}): TimedSample[] {
  const { fragment, payload, distance, timestampTicks, durations } = whole;
  return fragment.samples.flatMap(({ offset, sizeBytes }, index) => {
    if (sizeBytes === 0) return [];
    const startTicks = durations.starts[index] ?? 0;
    const endTicks = durations.starts[index + 1] ?? durations.endTicks;
    return {
      dtsTicks: timestampTicks + startTicks,
      durationTicks: Math.min(endTicks - startTicks, TEXT_SAMPLE_TICKS_MAX),
      compositionOffsetTicks: 0,
      isRandomAccessPoint: true,
      // A copy: it may be kept for long, and the mdat around it need not be.
      data: payload.slice(offset - distance, offset - distance + sizeBytes),
    };
  });
}

interface SampleTimes {
  /** Of each sample, in ticks after the fragment's beginning. */
  readonly starts: readonly number[];
  readonly endTicks: number;
}

/** On the encoder's clock, of which only the lowest bits are kept. */
function timesOf(fragment: MovieFragment, { timescale }: SmoothTrack) {
  const time = fragment.tfxd?.absoluteTime ?? fragment.tfdt;
  if (time === undefined) throw notDescribed('A fragment says no time: tfxd is missing.');
  // Sound that begins a frame before zero, for the decoder's delay, is written so.
  const start = BigInt.asIntN(64, time);
  const scale = BigInt(timescale);
  const wholeTicks = Number(BigInt.asIntN(CLOCK_BITS, (start / scale) * TICKS_PER_SECOND_BIG));
  const restUnits = Number(start % scale);
  const timestampTicks = wholeTicks + toTicks(restUnits, timescale);
  const durations = sampleTimes(
    fragment,
    (units) => wholeTicks + toTicks(restUnits + units, timescale) - timestampTicks,
  );
  return { timestampTicks, durations };
}

function sampleTimes(fragment: MovieFragment, toTicksAfterStart: (units: number) => number): SampleTimes {
  const { samples, tfxd } = fragment;
  const total = samples.reduce((sum, { durationTicks }) => sum + durationTicks, 0);
  // An encoder that says only how long all of them take together.
  const shared = total === 0 && tfxd !== undefined ? Number(tfxd.duration) / samples.length : undefined;
  const starts: number[] = [];
  let units = 0;
  for (const { durationTicks } of samples) {
    starts.push(toTicksAfterStart(Math.round(units)));
    units += shared ?? durationTicks;
  }
  return { starts, endTicks: toTicksAfterStart(Math.round(units)) };
}

function toTicks(units: number, timescale: number): number {
  const ticks = rescale(units, { from: timescale, to: TICKS_PER_SECOND });
  if (!Number.isSafeInteger(ticks)) throw notDescribed('The times of a fragment are out of range.');
  return ticks;
}

function readable<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof MalformedFragment)) throw cause;
    throw notDescribed(`What the encoder sent is no fragmented MP4: ${cause.message}.`, cause);
  }
}

function notDescribed(message: string, cause?: unknown): IngestRefusal {
  return new IngestRefusal('MPE_INGEST_DESCRIPTION_INFO_NOT_RECEIVED', message, { cause });
}
