import type { StreamingForm } from '../../src/packager/streaming-path.ts';

/** What nothing but a format asks for. */
export const clearForm = (format: StreamingForm['format']): StreamingForm => ({
  format,
  encryption: undefined,
  filters: [],
  isAudioOnlyListed: false,
  defaultAudio: undefined,
});
