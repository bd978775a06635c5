import { BitReader } from '../bits/bit-reader.ts';
import type { AudioFormat } from '../model/track.ts';
import { MalformedCodecConfiguration, parsingConfiguration } from './malformed-codec-configuration.ts';

/** AudioSpecificConfig, ISO/IEC 14496-3 §1.6.2.1. */
export interface AudioSpecificConfig {
  /** Of the core: 2 = AAC LC. */
  readonly audioObjectType: number;
  /** Spectral band replication and parametric stereo, as far as the config signals them. */
  readonly extension: 'none' | 'sbr' | 'ps';
  /** Of the core decoder; a frame is `samplesPerFrame` of these. */
  readonly coreSampleRateHz: number;
  /** Of what comes out of the decoder. */
  readonly sampleRateHz: number;
  readonly channelCount: number;
  /** Of the core, §1.6.3.4; 0: a program config element says it. */
  readonly channelConfiguration: number;
  readonly samplesPerFrame: number;
}

const CONFIG_SIZE_BYTES_MAX = 64;
const AOT_MAIN = 1;
const AOT_LTP = 4;
const AOT_SBR = 5;
const AOT_PS = 29;
const AOT_ESCAPE = 31;
const SYNC_EXTENSION_SBR = 0x2b7;
const SYNC_EXTENSION_PS = 0x548;
const EXPLICIT_FREQUENCY = 15;
const SAMPLE_RATE_HZ_MIN = 7350;
const SAMPLE_RATE_HZ_MAX = 192_000;
/** §1.6.3.3 table 1.18. */
export const SAMPLE_RATES_HZ: readonly number[] = [
  96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350,
];
/** §1.6.3.4 table 1.19, index = channelConfiguration; 0 means: a program config element says it. */
const CHANNEL_COUNTS: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 7, 8, 24, 8];

/** Parses the config an encoder declares its audio with. Throws `MalformedCodecConfiguration`. */
export function parseAacFormat(audioSpecificConfig: Uint8Array): AudioFormat {
  const config = parseAudioSpecificConfig(audioSpecificConfig);
  const { sampleRateHz, channelCount } = config;
  const extended = { none: config.audioObjectType, sbr: AOT_SBR, ps: AOT_PS };
  const codecString = `mp4a.40.${extended[config.extension]}`;
  return { kind: 'aac', configurationRecord: audioSpecificConfig, codecString, sampleRateHz, channelCount };
}

/** Throws `MalformedCodecConfiguration` also for object types other than AAC Main, LC, SSR and LTP. */
export function parseAudioSpecificConfig(bytes: Uint8Array): AudioSpecificConfig {
  return parsingConfiguration('AudioSpecificConfig', () => {
    if (bytes.length > CONFIG_SIZE_BYTES_MAX) {
      throw new MalformedCodecConfiguration(
        `AudioSpecificConfig of ${bytes.length} bytes exceeds ${CONFIG_SIZE_BYTES_MAX}`,
      );
    }
    return readConfig(new BitReader(bytes));
  });
}

interface Extension {
  readonly kind: AudioSpecificConfig['extension'];
  readonly sampleRateHz: number;
}

function readConfig(reader: BitReader): AudioSpecificConfig {
  const outerType = readAudioObjectType(reader);
  const coreSampleRateHz = readSampleRate(reader);
  const channelConfiguration = reader.readBits(4);
  const isExplicit = outerType === AOT_SBR || outerType === AOT_PS;
  const explicit: Extension | undefined = isExplicit
    ? { kind: outerType === AOT_PS ? 'ps' : 'sbr', sampleRateHz: readSampleRate(reader) }
    : undefined;
  const audioObjectType = isExplicit ? readAudioObjectType(reader) : outerType;
  if (audioObjectType < AOT_MAIN || audioObjectType > AOT_LTP) {
    throw new MalformedCodecConfiguration(`audio object type ${audioObjectType} is not supported`);
  }
  const samplesPerFrame = reader.readFlag() ? 960 : 1024; // GASpecificConfig, §4.4.1
  if (reader.readFlag()) reader.skipBits(14); // dependsOnCoreCoder, coreCoderDelay
  reader.skipBits(1); // extensionFlag: nothing follows for these object types
  const coreChannels =
    channelConfiguration === 0 ? readProgramConfigElement(reader) : CHANNEL_COUNTS[channelConfiguration];
  if (coreChannels === undefined || coreChannels === 0) {
    throw new MalformedCodecConfiguration(`channel configuration ${channelConfiguration} is not supported`);
  }
  const extension = explicit ?? readBackwardCompatibleExtension(reader, coreSampleRateHz);
  const channelCount = extension.kind === 'ps' && coreChannels === 1 ? 2 : coreChannels;
  return {
    audioObjectType,
    extension: extension.kind,
    coreSampleRateHz,
    sampleRateHz: extension.sampleRateHz,
    channelCount,
    channelConfiguration,
    samplesPerFrame,
  };
}

function readAudioObjectType(reader: BitReader): number {
  const type = reader.readBits(5);
  return type === AOT_ESCAPE ? 32 + reader.readBits(6) : type;
}

function readSampleRate(reader: BitReader): number {
  const index = reader.readBits(4);
  const rate = index === EXPLICIT_FREQUENCY ? reader.readBits(24) : SAMPLE_RATES_HZ[index];
  if (rate === undefined || rate < SAMPLE_RATE_HZ_MIN || rate > SAMPLE_RATE_HZ_MAX) {
    throw new MalformedCodecConfiguration(`sampling frequency ${rate ?? `index ${index}`} is not supported`);
  }
  return rate;
}

/** §4.5.1.1: an element counts 1 channel, or 2 when it is a pair. */
function readProgramConfigElement(reader: BitReader): number {
  reader.skipBits(10); // element_instance_tag, object_type, sampling_frequency_index
  const front = reader.readBits(4);
  const side = reader.readBits(4);
  const back = reader.readBits(4);
  const lfe = reader.readBits(2);
  const associatedData = reader.readBits(3);
  const couplings = reader.readBits(4);
  if (reader.readFlag()) reader.skipBits(4); // mono mixdown
  if (reader.readFlag()) reader.skipBits(4); // stereo mixdown
  if (reader.readFlag()) reader.skipBits(3); // matrix mixdown
  let channels = lfe;
  for (let element = 0; element < front + side + back; element += 1) {
    channels += reader.readFlag() ? 2 : 1;
    reader.skipBits(4);
  }
  reader.skipBits(4 * lfe + 4 * associatedData + 5 * couplings);
  reader.skipBits(reader.bitsLeft % 8);
  reader.skipBits(8 * reader.readBits(8)); // comment
  return channels;
}

/** §1.6.6.1: signalling that a decoder without SBR steps over. */
function readBackwardCompatibleExtension(reader: BitReader, coreSampleRateHz: number): Extension {
  const none: Extension = { kind: 'none', sampleRateHz: coreSampleRateHz };
  if (reader.bitsLeft < 16 || reader.readBits(11) !== SYNC_EXTENSION_SBR) return none;
  if (readAudioObjectType(reader) !== AOT_SBR || !reader.readFlag()) return none;
  const sampleRateHz = readSampleRate(reader);
  const hasPs = reader.bitsLeft >= 12 && reader.readBits(11) === SYNC_EXTENSION_PS && reader.readFlag();
  return { kind: hasPs ? 'ps' : 'sbr', sampleRateHz };
}
