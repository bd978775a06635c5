import type { z } from 'zod';
import { cuesOf } from '../analysis/captions.ts';
import { type Findings, insightsJson, type NotExtracted, type Speech } from '../analysis/insights.ts';
import type { Listening } from '../analysis/listening.ts';
import { phrasesOf } from '../analysis/transcript.ts';
import { writeTtml } from '../analysis/ttml-writer.ts';
import type { VideoFindings } from '../analysis/video-findings.ts';
import { writeWebVtt } from '../analysis/web-vtt-writer.ts';
import type * as contract from '../contract/encoding.ts';
import type { OutputFile } from '../encoding/encoding-plan.ts';
import { type PlacedClip, placeClip } from '../encoding/timeline.ts';
import { Unplannable } from '../encoding/unplannable.ts';
import { WorkingFolder } from '../ffmpeg/working-folder.ts';
import { listen, transcribeSound } from './analysis-listening.ts';
import { AUDIO_NOT_EXTRACTED, notExtracted, VIDEO_NOT_EXTRACTED } from './analysis-refusals.ts';
import type { Analysis } from './analysis-task.ts';
import { watch } from './analysis-watching.ts';
import { type BroughtInputs, bringInputs } from './bring-inputs.ts';
import { commitOutputs } from './commit-outputs.ts';
import { type EncodingControl, type EncodingTask, withoutEncoder } from './encoders.ts';
import { jobError, jobFailure } from './job-errors.ts';
import type { PresetEncoder } from './preset-encoder.ts';
import type { Workshop } from './workshop.ts';

type AudioPreset = z.output<typeof contract.AudioAnalyzerPresetItself>;
type VideoPreset = z.output<typeof contract.VideoAnalyzerPreset>;

/** Of the progress of an output, in percent: what is done until when. */
const BROUGHT = 10;
const LISTENED = 20;
const TRANSCRIBED = { alone: 95, beforeVideo: 60 } as const;
const WATCHED = 95;
const DONE = 100;

/** Transcripts and insights. */
export const ANALYZERS: PresetEncoder = {
  types: ['#Microsoft.Media.AudioAnalyzerPreset', '#Microsoft.Media.VideoAnalyzerPreset'],
  create: (workshop) => ({
    async encode(task, control) {
      const { preset } = task;
      const type = preset['@odata.type'];
      if (
        type !== '#Microsoft.Media.AudioAnalyzerPreset' &&
        type !== '#Microsoft.Media.VideoAnalyzerPreset'
      ) {
        return withoutEncoder(preset);
      }
      return encode({ workshop, task, control, wanted: wantedOf(preset) });
    },
  }),
};

/** It is refused in words: whoever moves here has to know that it will not be done later either. */
export const FACE_DETECTOR: PresetEncoder = {
  types: ['#Microsoft.Media.FaceDetectorPreset'],
  create: () => ({
    encode: async () =>
      jobError(
        'ConfigurationUnsupported',
        'Faces are neither detected nor blurred: no model for it is part of this service.',
      ),
  }),
};

/** `required`: the output fails where it cannot be had; `optional`: the insights say why it is not there. */
interface Wanted {
  readonly audio: 'required' | 'optional' | 'no';
  readonly video: 'required' | 'optional' | 'no';
  /** With `Basic` there is a transcript and nothing else. */
  readonly mode: 'Standard' | 'Basic';
  readonly language: string | undefined;
}

function wantedOf(preset: AudioPreset | VideoPreset): Wanted {
  const common = { mode: preset.mode ?? 'Standard', language: preset.audioLanguage ?? undefined } as const;
  if (preset['@odata.type'] === '#Microsoft.Media.AudioAnalyzerPreset') {
    return { ...common, audio: 'required', video: 'no' };
  }
  switch (preset.insightsToExtract ?? 'AllInsights') {
    case 'AudioInsightsOnly':
      return { ...common, audio: 'required', video: 'no' };
    case 'VideoInsightsOnly':
      return { ...common, audio: 'no', video: 'required' };
    case 'AllInsights':
      return { ...common, audio: 'optional', video: 'optional' };
  }
}

interface Work {
  readonly workshop: Workshop;
  readonly task: EncodingTask;
  readonly control: EncodingControl;
  readonly wanted: Wanted;
}

async function encode(work: Work): Promise<undefined> {
  const { workshop, task, control } = work;
  const folder = await WorkingFolder.create(workshop.settings.scratchPath);
  try {
    const inputs = await bringInputs(workshop, task, {
      folder,
      signal: control.signal,
      onProgress: (share) => control.progress(share * BROUGHT),
    });
    const clip = placeOnlyClip(inputs);
    const analysis: Analysis = { workshop, task, folder, clip, inputs, signal: control.signal };
    const files = await analyze(work, analysis);
    await commitOutputs(workshop, task, {
      files,
      folder,
      control,
      onProgress: (share) => control.progress(WATCHED + share * (DONE - WATCHED)),
    });
    return undefined;
  } finally {
    await folder.close();
  }
}

/** Times of insights are those of one time line. */
function placeOnlyClip({ clips }: BroughtInputs): PlacedClip {
  const [brought] = clips;
  if (brought === undefined || clips.length > 1) {
    throw jobFailure('ConfigurationUnsupported', 'The analyzers take one input, not several or a sequence.');
  }
  const { clip, files, startsAtMs } = brought;
  try {
    return placeClip({
      files,
      start: clip.start ?? undefined,
      end: clip.end ?? undefined,
      startsAtMs,
      inputDefinitions: clip.inputDefinitions ?? [],
    });
  } catch (error) {
    throw error instanceof Unplannable ? jobFailure(error.code, error.message) : error;
  }
}

async function analyze(work: Work, analysis: Analysis): Promise<readonly OutputFile[]> {
  const { wanted, control } = work;
  const { clip } = analysis;
  const missing: NotExtracted[] = [];
  refuseWithout(wanted, clip);
  const heard = await hear(work, analysis, missing);
  const watched = await see(work, analysis, missing);
  control.progress(WATCHED);
  const isStandard = wanted.mode === 'Standard';
  const findings: Findings = {
    durationMs: Math.round(clip.durationSeconds * 1000),
    speech: heard?.speech,
    silences: isStandard ? heard?.listening.silences : undefined,
    loudness: isStandard ? heard?.listening.loudness : undefined,
    video: watched?.findings,
    notExtracted: missing,
  };
  return [
    ...(watched?.files ?? []),
    ...(heard?.speech === undefined ? [] : transcriptFiles(heard.speech)),
    text('insights.json', 'application/json', insightsJson(findings)),
  ];
}

function refuseWithout({ audio, video }: Wanted, clip: PlacedClip): void {
  const name = clip.tracks.audios[0]?.file.name ?? clip.tracks.videos[0]?.file.name ?? '';
  if (audio === 'required' && clip.audios.length === 0) {
    throw jobFailure('ContentUnsupported', `There is no sound in '${name}': nothing can be heard.`);
  }
  if (video === 'required' && clip.video === undefined) {
    throw jobFailure('ContentUnsupported', `There is no picture in '${name}': nothing can be seen.`);
  }
}

interface Heard {
  readonly listening: Listening;
  readonly speech: Speech | undefined;
}

async function hear(work: Work, analysis: Analysis, missing: NotExtracted[]): Promise<Heard | undefined> {
  const { wanted, control } = work;
  const { speech: recognizer } = work.workshop;
  if (wanted.audio === 'no') return undefined;
  missing.push(...AUDIO_NOT_EXTRACTED);
  const isRequired = wanted.audio === 'required';
  const [track] = analysis.clip.audios;
  if (track === undefined) {
    missing.push(notExtracted('transcript', 'There is no sound in the input.'));
    return undefined;
  }
  if (recognizer.kind === 'absent' && isRequired) {
    throw jobFailure('ConfigurationUnsupported', recognizer.reason);
  }
  const until = wanted.video === 'no' ? TRANSCRIBED.alone : TRANSCRIBED.beforeVideo;
  const listening = await listen(analysis, track, (share) =>
    control.progress(BROUGHT + share * (LISTENED - BROUGHT)),
  );
  if (listening.durationMs === 0) {
    if (isRequired) throw jobFailure('ContentUnsupported', `There is no sound in '${track.file.name}'.`);
    missing.push(notExtracted('transcript', 'There is no sound in the input.'));
    return undefined;
  }
  if (recognizer.kind === 'absent') {
    missing.push(notExtracted('transcript', recognizer.reason));
    return { listening, speech: undefined };
  }
  const speech = await transcribeSound(analysis, {
    recognizer: recognizer.recognizer,
    track,
    listening,
    language: wanted.language,
    onProgress: (share) => control.progress(LISTENED + share * (until - LISTENED)),
  });
  return { listening, speech };
}

async function see(
  { wanted, control }: Work,
  analysis: Analysis,
  missing: NotExtracted[],
): Promise<{ readonly findings: VideoFindings; readonly files: readonly OutputFile[] } | undefined> {
  if (wanted.video === 'no') return undefined;
  missing.push(...VIDEO_NOT_EXTRACTED);
  const { video } = analysis.clip;
  if (video === undefined) {
    missing.push(notExtracted('shots', 'There is no picture in the input.'));
    return undefined;
  }
  const from = wanted.audio === 'no' ? BROUGHT : TRANSCRIBED.beforeVideo;
  return watch(analysis, video, (share) => control.progress(from + share * (WATCHED - from)));
}

function transcriptFiles({ transcript, engine, isLanguageDetected }: Speech): readonly OutputFile[] {
  const { language } = transcript;
  const cues = cuesOf(phrasesOf(transcript.words));
  const file = { language, madeBy: engine.name, cues };
  const detected = `${JSON.stringify({ language, engine: engine.name }, undefined, 2)}\n`;
  return [
    text('transcript.vtt', 'text/vtt', writeWebVtt(file)),
    text('transcript.ttml', 'application/ttml+xml', writeTtml(file)),
    ...(isLanguageDetected ? [text('lid.json', 'application/json', detected)] : []),
  ];
}

const text = (name: string, contentType: string, content: string): OutputFile => ({
  kind: 'text',
  name,
  contentType,
  text: content,
});
