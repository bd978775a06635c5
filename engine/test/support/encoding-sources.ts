import type {
  BuiltInPreset,
  EncoderPreset,
  EncodingRequest,
  SourceClip,
} from '../../src/encoding/encoding-request.ts';
import type { SourceAudio, SourceFile, SourceVideo } from '../../src/encoding/source.ts';
import { withDefaults } from '../../src/resources/encoding/preset-defaults.ts';

export const rate = (numerator: number, denominator = 1) => ({ numerator, denominator });

export const typed = <T extends string>(name: T) => ({ '@odata.type': `#Microsoft.Media.${name}` as const });

/** 1080p of a minute in MP4. */
export function sourceVideo(more: Partial<SourceVideo> = {}): SourceVideo {
  return {
    streamIndex: 0,
    codec: 'h264',
    width: 1920,
    height: 1080,
    pixelAspect: rate(1),
    rotationDegrees: 0,
    frameRate: rate(30),
    frameCount: 1800,
    isInterlaced: false,
    pixelFormat: 'yuv420p',
    startSeconds: 0,
    durationSeconds: 60,
    bitrateBps: 12_000_000,
    ...more,
  };
}

export function sourceAudio(more: Partial<SourceAudio> = {}): SourceAudio {
  return {
    streamIndex: 1,
    codec: 'aac',
    channels: 2,
    channelLayout: 'stereo',
    samplingRate: 48_000,
    language: undefined,
    startSeconds: 0,
    durationSeconds: 60,
    bitrateBps: 128_000,
    ...more,
  };
}

export function sourceFile(more: Partial<SourceFile> = {}): SourceFile {
  return {
    name: 'holiday.mp4',
    path: 'input-0',
    formatName: 'mov,mp4,m4a,3gp,3g2,mj2',
    sizeBytes: 90_000_000,
    startSeconds: 0,
    durationSeconds: 60,
    bitrateBps: 12_128_000,
    video: [sourceVideo()],
    audio: [sourceAudio()],
    ...more,
  };
}

export function sourceClip(files: readonly SourceFile[], more: Partial<SourceClip> = {}): SourceClip {
  return { files, start: undefined, end: undefined, startsAtMs: undefined, inputDefinitions: [], ...more };
}

export function encodingRequest(preset: EncoderPreset, more: Partial<EncodingRequest> = {}): EncodingRequest {
  return {
    preset: withDefaults(preset),
    clips: [sourceClip([sourceFile()])],
    overlays: [],
    outputAssetId: '00000000-0000-0000-0000-000000000001',
    threads: 1,
    ...more,
  };
}

export const builtIn = (presetName: BuiltInPreset['presetName']): BuiltInPreset => ({
  ...typed('BuiltInStandardEncoderPreset'),
  presetName,
});
