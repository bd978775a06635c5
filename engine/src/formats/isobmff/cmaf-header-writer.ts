import { ByteWriter } from '../../bits/byte-writer.ts';
import { pictureOf } from '../../codecs/video-picture.ts';
import {
  type AudioFormat,
  type CaptionFormat,
  isVideoFormat,
  type Track,
  type VideoFormat,
} from '../../model/track.ts';
import { TICKS_PER_SECOND } from '../../time/timescale.ts';

type MediaFormat = VideoFormat | AudioFormat | CaptionFormat;

const VERSION_0 = { version: 0, flags: 0 } as const;
const UNITY_MATRIX = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000] as const;
/** §8.3.2: enabled, in movie, in preview. */
const TRACK_FLAGS = 7;
const LANGUAGE_UNDETERMINED = 0x55c4; // 'und', three times 5 bits
const RESOLUTION_72_DPI = 0x48_0000;
const DEPTH_24_BITS = 0x18;
const PRE_DEFINED_MINUS_1 = 0xffff;
const OBJECT_TYPE_AAC = 0x40; // ISO/IEC 14496-1 table 5: ISO/IEC 14496-3
const STREAM_TYPE_AUDIO = 0x15; // audio stream, reserved bit set
const AUDIO_DECODER_BUFFER_BYTES = 6144; // ISO/IEC 14496-3: 6144 bits per channel, up to 8 channels

/**
 * Writes the CMAF header (ISO/IEC 23000-19 §7.3.1) of one format of a track: `ftyp <moov>`, timescale ticks, track_ID
 * its ordinal. Throws a RangeError when the track has no such format, or one that has no header.
 */
export function writeCmafHeader(track: Track, formatIndex: number): Uint8Array {
  const format = track.formats[formatIndex];
  if (format === undefined) throw new RangeError(`no format ${formatIndex} of ${track.formats.length}`);
  if (format.kind === 'data') throw new RangeError('sparse text has no header');
  const writer = new ByteWriter();
  writer.box('ftyp', (body) => body.ascii('cmfc').u32(0).ascii('iso6').ascii('cmfc'));
  writer.box('moov', (moov) => {
    moov.fullBox('mvhd', VERSION_0, (body) => writeMvhd(body, track.ordinal + 1));
    moov.box('trak', (trak) => writeTrak(trak, track, format));
    moov.box('mvex', (mvex) => {
      mvex.fullBox('trex', VERSION_0, (body) => body.u32(track.ordinal).u32(1).u32(0).u32(0).u32(0));
    });
  });
  return writer.finish();
}

function writeMvhd(writer: ByteWriter, nextTrackId: number): void {
  writer.u32(0).u32(0).u32(TICKS_PER_SECOND).u32(0); // creation, modification, timescale, duration
  writer.u32(0x1_0000).u16(0x100).zeros(10); // rate 1.0, volume 1.0
  writeMatrix(writer);
  writer.zeros(24).u32(nextTrackId);
}

function writeMatrix(writer: ByteWriter): void {
  for (const value of UNITY_MATRIX) writer.u32(value);
}

function writeTrak(trak: ByteWriter, track: Track, format: MediaFormat): void {
  const isVideo = isVideoFormat(format);
  trak.fullBox('tkhd', { version: 0, flags: TRACK_FLAGS }, (tkhd) => {
    tkhd.u32(0).u32(0).u32(track.ordinal).u32(0).u32(0); // creation, modification, track_ID, reserved, duration
    tkhd.zeros(8).u16(0).u16(0); // reserved, layer, alternate_group
    tkhd.u16(format.kind === 'aac' ? 0x100 : 0).u16(0); // volume
    writeMatrix(tkhd);
    const display = isVideo ? displaySize(format) : { width: 0, height: 0 };
    tkhd.u32(display.width).u32(display.height);
  });
  trak.box('mdia', (mdia) => {
    mdia.fullBox('mdhd', VERSION_0, (mdhd) => {
      mdhd.u32(0).u32(0).u32(TICKS_PER_SECOND).u32(0).u16(LANGUAGE_UNDETERMINED).u16(0);
    });
    mdia.fullBox('hdlr', VERSION_0, (hdlr) => {
      const { handler, name } = handlerOf(format);
      hdlr.u32(0).ascii(handler).zeros(12).ascii(name).u8(0);
    });
    mdia.box('minf', (minf) => writeMinf(minf, track, format));
  });
}

function handlerOf({ kind }: MediaFormat): { readonly handler: string; readonly name: string } {
  if (kind === 'aac') return { handler: 'soun', name: 'audio' };
  return kind === 'wvtt' ? { handler: 'text', name: 'text' } : { handler: 'vide', name: 'video' };
}

function writeMinf(minf: ByteWriter, track: Track, format: MediaFormat): void {
  if (isVideoFormat(format)) minf.fullBox('vmhd', { version: 0, flags: 1 }, (vmhd) => vmhd.zeros(8));
  else if (format.kind === 'wvtt') minf.fullBox('nmhd', VERSION_0, () => undefined);
  else minf.fullBox('smhd', VERSION_0, (smhd) => smhd.zeros(4));
  minf.box('dinf', (dinf) => {
    dinf.fullBox('dref', VERSION_0, (dref) => {
      dref.u32(1).fullBox('url ', { version: 0, flags: 1 }, () => undefined); // flags 1: in this file
    });
  });
  minf.box('stbl', (stbl) => {
    stbl.fullBox('stsd', VERSION_0, (stsd) => {
      stsd.u32(1);
      if (isVideoFormat(format)) writeVideoEntry(stsd, format);
      else if (format.kind === 'wvtt') writeWvtt(stsd, format);
      else writeMp4a(stsd, format, track.bitrateBps);
    });
    stbl.fullBox('stts', VERSION_0, (body) => body.u32(0));
    stbl.fullBox('stsc', VERSION_0, (body) => body.u32(0));
    stbl.fullBox('stsz', VERSION_0, (body) => body.u32(0).u32(0));
    stbl.fullBox('stco', VERSION_0, (body) => body.u32(0));
  });
}

/** ISO/IEC 14496-15 §5.4.2.1 and §8.4.1.1: the parameter sets are in the entry, not in the samples. */
const VIDEO_BOXES = {
  h264: { sampleEntry: 'avc1', configuration: 'avcC' },
  hevc: { sampleEntry: 'hvc1', configuration: 'hvcC' },
} as const;

/** ISO/IEC 14496-12 §12.1.3. */
function writeVideoEntry(stsd: ByteWriter, format: VideoFormat): void {
  const { sampleAspectRatio, colour } = pictureOf(format);
  const boxes = VIDEO_BOXES[format.kind];
  stsd.box(boxes.sampleEntry, (entry) => {
    entry.zeros(6).u16(1).zeros(16); // reserved, data_reference_index, pre_defined
    entry.u16(format.width).u16(format.height);
    entry.u32(RESOLUTION_72_DPI).u32(RESOLUTION_72_DPI).u32(0).u16(1); // frame_count 1
    entry.zeros(32).u16(DEPTH_24_BITS).u16(PRE_DEFINED_MINUS_1); // compressorname
    entry.box(boxes.configuration, (box) => box.bytes(format.configurationRecord));
    if (colour !== undefined) {
      entry.box('colr', (colr) => {
        colr.ascii('nclx').u16(colour.primaries).u16(colour.transfer).u16(colour.matrix);
        colr.u8(colour.isFullRange ? 0x80 : 0);
      });
    }
    if (sampleAspectRatio !== undefined) {
      entry.box('pasp', (pasp) => pasp.u32(sampleAspectRatio.width).u32(sampleAspectRatio.height));
    }
  });
}

/** ISO/IEC 14496-30 §6.5. */
function writeWvtt(stsd: ByteWriter, { configurationRecord }: CaptionFormat): void {
  stsd.box('wvtt', (wvtt) => {
    wvtt.zeros(6).u16(1); // reserved, data_reference_index
    wvtt.box('vttC', (vttC) => vttC.bytes(configurationRecord));
  });
}

/** 16.16 fixed point; the width is stretched by the sample aspect ratio, §8.3.2.3. */
function displaySize(format: VideoFormat): { width: number; height: number } {
  const { width, height } = pictureOf(format).sampleAspectRatio ?? { width: 1, height: 1 };
  const displayWidth = Math.min(Math.round((format.width * width * 0x1_0000) / height), 0xffff_ffff);
  return { width: displayWidth, height: format.height * 0x1_0000 };
}

/** ISO/IEC 14496-12 §12.2.3, 14496-14 §5.6. */
function writeMp4a(stsd: ByteWriter, format: AudioFormat, bitrateBps: number): void {
  stsd.box('mp4a', (mp4a) => {
    mp4a.zeros(6).u16(1).zeros(8); // reserved, data_reference_index, reserved
    mp4a.u16(format.channelCount).u16(16).u32(0); // samplesize, pre_defined
    mp4a.u32(format.sampleRateHz < 0x1_0000 ? format.sampleRateHz * 0x1_0000 : 0); // 16.16; the config rules
    mp4a.fullBox('esds', VERSION_0, (esds) => writeEsDescriptor(esds, format, bitrateBps));
  });
}

/** ISO/IEC 14496-1 §7.2.6.5. The config is at most 64 bytes, so every length fits one byte. */
function writeEsDescriptor(writer: ByteWriter, format: AudioFormat, bitrateBps: number): void {
  const config = format.configurationRecord;
  const decoderConfigSize = 13 + 2 + config.length;
  writer
    .u8(3)
    .u8(3 + 2 + decoderConfigSize + 3)
    .u16(0)
    .u8(0); // ES_DescrTag, ES_ID 0, no flags
  writer.u8(4).u8(decoderConfigSize).u8(OBJECT_TYPE_AAC).u8(STREAM_TYPE_AUDIO); // DecoderConfigDescrTag
  writer.u24(AUDIO_DECODER_BUFFER_BYTES).u32(bitrateBps).u32(bitrateBps);
  writer.u8(5).u8(config.length).bytes(config); // DecSpecificInfoTag
  writer.u8(6).u8(1).u8(2); // SLConfigDescrTag, predefined 2: MP4
}
