interface PresetCase {
  readonly name: string;
  readonly sent: Readonly<Record<string, unknown>>;
  readonly answered: Readonly<Record<string, unknown>>;
}

const type = (name: string) => ({ '@odata.type': `#Microsoft.Media.${name}` });

/** Every type of preset with what is in it, and what the service makes of what is left out. */
export const PRESETS: readonly PresetCase[] = [
  {
    name: 'FaceDetectorPreset',
    sent: { ...type('FaceDetectorPreset'), experimentalOptions: { a: 'b' } },
    answered: {
      ...type('FaceDetectorPreset'),
      resolution: 'SourceResolution',
      mode: 'Analyze',
      experimentalOptions: { a: 'b' },
    },
  },
  {
    name: 'AudioAnalyzerPreset',
    sent: { ...type('AudioAnalyzerPreset'), audioLanguage: null },
    answered: { ...type('AudioAnalyzerPreset'), mode: 'Standard' },
  },
  {
    name: 'VideoAnalyzerPreset',
    sent: { ...type('VideoAnalyzerPreset'), audioLanguage: 'en-US' },
    answered: {
      ...type('VideoAnalyzerPreset'),
      audioLanguage: 'en-US',
      mode: 'Standard',
      insightsToExtract: 'AllInsights',
    },
  },
  {
    name: 'BuiltInStandardEncoderPreset with configurations',
    sent: {
      ...type('BuiltInStandardEncoderPreset'),
      presetName: 'ContentAwareEncoding',
      configurations: { complexity: 'Speed', maxLayers: 4, minHeight: 180, maxHeight: 720 },
    },
    answered: {
      ...type('BuiltInStandardEncoderPreset'),
      presetName: 'ContentAwareEncoding',
      configurations: { complexity: 'Speed', maxLayers: 4, minHeight: 180, maxHeight: 720 },
    },
  },
  {
    name: 'StandardEncoderPreset with H.264 and thumbnails',
    sent: {
      ...type('StandardEncoderPreset'),
      codecs: [
        type('AacAudio'),
        { ...type('H264Video'), layers: [{ bitrate: 3_600_000, width: '1280', height: '720', label: 'HD' }] },
        {
          ...type('JpgImage'),
          start: '25%',
          step: '25%',
          range: '80%',
          layers: [{ width: '50%', height: '50%' }],
        },
        { ...type('PngImage'), start: '{Best}' },
      ],
      formats: [
        { ...type('Mp4Format'), filenamePattern: 'Video-{Basename}-{Label}-{Bitrate}{Extension}' },
        { ...type('JpgFormat'), filenamePattern: 'Thumbnail-{Basename}-{Index}{Extension}' },
        { ...type('PngFormat'), filenamePattern: 'Thumbnail-{Basename}-{Index}{Extension}' },
      ],
    },
    answered: {
      ...type('StandardEncoderPreset'),
      codecs: [
        { ...type('AacAudio'), channels: 2, samplingRate: 48_000, bitrate: 128_000, profile: 'AacLc' },
        {
          ...type('H264Video'),
          keyFrameInterval: 'PT2S',
          stretchMode: 'AutoSize',
          syncMode: 'Auto',
          sceneChangeDetection: false,
          rateControlMode: 'ABR',
          complexity: 'Balanced',
          layers: [
            {
              width: '1280',
              height: '720',
              label: 'HD',
              bitrate: 3_600_000,
              maxBitrate: 3_600_000,
              bFrames: 3,
              slices: 0,
              adaptiveBFrame: true,
              profile: 'Auto',
              level: 'auto',
              bufferWindow: 'PT5S',
              referenceFrames: 3,
              crf: 23,
              entropyMode: 'Cabac',
            },
          ],
        },
        {
          ...type('JpgImage'),
          stretchMode: 'AutoSize',
          syncMode: 'Auto',
          start: '25%',
          step: '25%',
          range: '80%',
          layers: [{ width: '50%', height: '50%', quality: 70 }],
        },
        {
          ...type('PngImage'),
          stretchMode: 'AutoSize',
          syncMode: 'Auto',
          start: '{Best}',
          step: '10%',
          range: '100%',
          layers: [],
        },
      ],
      formats: [
        {
          ...type('Mp4Format'),
          filenamePattern: 'Video-{Basename}-{Label}-{Bitrate}{Extension}',
          outputFiles: [],
        },
        { ...type('JpgFormat'), filenamePattern: 'Thumbnail-{Basename}-{Index}{Extension}' },
        { ...type('PngFormat'), filenamePattern: 'Thumbnail-{Basename}-{Index}{Extension}' },
      ],
    },
  },
  {
    name: 'StandardEncoderPreset with H.265, Dolby, copies, filters and overlays',
    sent: {
      ...type('StandardEncoderPreset'),
      filters: {
        deinterlace: {},
        crop: { left: '0', top: '10%', width: '100%', height: '80%' },
        fadeIn: { duration: 'PT2S', fadeColor: '#ff0000' },
        overlays: [
          { ...type('VideoOverlay'), inputLabel: 'logo', position: { left: '10', top: '10' } },
          { ...type('AudioOverlay'), inputLabel: 'jingle', start: 'PT1S', end: 'PT4S', audioGainLevel: 0.5 },
        ],
      },
      codecs: [
        { ...type('H265Video'), label: 'v', layers: [{ bitrate: 1_800_000 }] },
        { ...type('DDAudio'), label: 'a' },
        { ...type('CopyAudio'), label: 'copied' },
        type('CopyVideo'),
      ],
      formats: [
        {
          ...type('TransportStreamFormat'),
          filenamePattern: '{Basename}_{Label}{Extension}',
          outputFiles: [{ labels: ['v', 'a'] }, { labels: ['copied'] }],
        },
      ],
    },
    answered: {
      ...type('StandardEncoderPreset'),
      filters: {
        rotation: 'Auto',
        deinterlace: { parity: 'Auto', mode: 'AutoPixelAdaptive' },
        crop: { left: '0', top: '10%', width: '100%', height: '80%' },
        fadeIn: { duration: 'PT2S', fadeColor: '#ff0000' },
        overlays: [
          {
            ...type('VideoOverlay'),
            inputLabel: 'logo',
            position: { left: '10', top: '10' },
            audioGainLevel: 1,
            opacity: 1,
          },
          { ...type('AudioOverlay'), inputLabel: 'jingle', start: 'PT1S', end: 'PT4S', audioGainLevel: 0.5 },
        ],
      },
      codecs: [
        {
          ...type('H265Video'),
          label: 'v',
          keyFrameInterval: 'PT2S',
          stretchMode: 'AutoSize',
          syncMode: 'Auto',
          sceneChangeDetection: false,
          complexity: 'Balanced',
          layers: [
            {
              bitrate: 1_800_000,
              maxBitrate: 1_800_000,
              bFrames: 3,
              slices: 0,
              adaptiveBFrame: true,
              profile: 'Auto',
              level: 'auto',
              bufferWindow: 'PT5S',
              referenceFrames: 3,
              crf: 28,
            },
          ],
        },
        { ...type('DDAudio'), label: 'a', channels: 2, samplingRate: 48_000, bitrate: 192_000 },
        { ...type('CopyAudio'), label: 'copied' },
        type('CopyVideo'),
      ],
      formats: [
        {
          ...type('TransportStreamFormat'),
          filenamePattern: '{Basename}_{Label}{Extension}',
          outputFiles: [{ labels: ['v', 'a'] }, { labels: ['copied'] }],
        },
      ],
    },
  },
];
