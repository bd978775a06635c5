import { ByteWriter } from '../../src/bits/byte-writer.ts';
import { writeFragment } from '../../src/formats/isobmff/fragment-writer.ts';
import { TICKS_PER_SECOND } from '../../src/time/timescale.ts';

const TRACK_ID = 7;
const VERSION_0 = { version: 0, flags: 0 } as const;
const LIVE_SERVER_MANIFEST = Buffer.from('a5d40b30e81411ddba2f0800200c9a66', 'hex');

/** What a Live Server Manifest says of ad markers (media-services reference §2.7). */
export const CUE_MANIFEST = `<?xml version="1.0" encoding="utf-8"?>
<smil xmlns="http://www.w3.org/2001/SMIL20/Language"><head/><body><switch>
<textstream src="cues.isml" systemBitrate="0" systemLanguage="und">
<param name="systemBitrate" value="0" valuetype="data"/>
<param name="trackID" value="${TRACK_ID}" valuetype="data"/>
<param name="trackName" value="scte35-sparse-stream" valuetype="data"/>
<param name="Subtype" value="DATA" valuetype="data"/>
<param name="parentTrackName" value="video" valuetype="data"/>
<param name="manifestOutput" value="true" valuetype="data"/>
<param name="Scheme" value="urn:scte:scte35:2013:bin" valuetype="data"/>
</textstream></switch></body></smil>`;

export interface Cue {
  readonly atTicks: number;
  readonly durationTicks: number;
  readonly data: Uint8Array;
}

/** ftyp, Live Server Manifest (when there is one) and moov of one sparse track. */
export function sparseHeaders(
  options: {
    readonly manifest?: string | undefined;
    readonly handler?: string;
    readonly sampleEntry?: string;
  } = {},
): Buffer {
  const { manifest, handler = 'meta', sampleEntry = 'urim' } = options;
  const writer = new ByteWriter();
  writer.box('ftyp', (body) => body.ascii('isml').u32(1).ascii('piff').ascii('iso2'));
  if (manifest !== undefined) {
    writer.box('uuid', (body) => body.bytes(LIVE_SERVER_MANIFEST).u32(0).bytes(Buffer.from(manifest)));
  }
  writer.box('moov', (moov) => {
    moov.fullBox('mvhd', VERSION_0, (body) => body.zeros(96));
    moov.box('trak', (trak) => {
      trak.fullBox('tkhd', VERSION_0, (body) => body.zeros(8).u32(TRACK_ID).zeros(68));
      trak.box('mdia', (mdia) => {
        mdia.fullBox('mdhd', VERSION_0, (body) =>
          body.zeros(8).u32(TICKS_PER_SECOND).u32(0).u16(0x55c4).u16(0),
        );
        mdia.fullBox('hdlr', VERSION_0, (body) => body.u32(0).ascii(handler).zeros(13));
        mdia.box('minf', (minf) => {
          minf.box('stbl', (stbl) => {
            stbl.fullBox('stsd', VERSION_0, (stsd) => {
              stsd.u32(1).box(sampleEntry, (entry) => entry.zeros(6).u16(1));
            });
          });
        });
      });
    });
  });
  return Buffer.from(writer.finish());
}

/** One moof + mdat of the sparse track, by the encoder's clock. */
export function sparseFragment({ atTicks, durationTicks, data }: Cue): Buffer {
  const { head, payload } = writeFragment({
    track: { ordinal: TRACK_ID, type: 'text', streamName: '', bitrateBps: 0, folder: '', formats: [] },
    sequence: 1,
    decodeTimeTicks: atTicks,
    samples: [
      { dtsTicks: atTicks, durationTicks, compositionOffsetTicks: 0, isRandomAccessPoint: true, data },
    ],
  });
  return Buffer.concat([head, ...payload]);
}
