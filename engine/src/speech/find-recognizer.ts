import type { Confinement } from '../ffmpeg/confinement.ts';
import { type AzureSpeech, createAzureRecognizer } from './azure-recognizer.ts';
import { createPocketSphinx, findPocketSphinx } from './pocketsphinx-recognizer.ts';
import { createSherpaRecognizer, type SherpaSettings } from './sherpa-recognizer.ts';
import type { SpeechRecognizer } from './speech-recognizer.ts';

export interface SpeechSettings {
  readonly azure: AzureSpeech | undefined;
  readonly sherpa: SherpaSettings | undefined;
  /** As in `PATH`: where PocketSphinx is looked for. */
  readonly searchPath: string;
}

export type RecognizerFound =
  | { readonly kind: 'found'; readonly recognizer: SpeechRecognizer }
  /** Why not, and what to do about it, in a sentence. */
  | { readonly kind: 'absent'; readonly reason: string };

/** What listens: the first that is set up of Azure AI Speech and a model of the user's own, else PocketSphinx if it is there. */
export async function findRecognizer(
  { azure, sherpa, searchPath }: SpeechSettings,
  confinement: Confinement,
): Promise<RecognizerFound> {
  if (azure !== undefined) return { kind: 'found', recognizer: createAzureRecognizer(azure) };
  if (sherpa !== undefined) {
    const made = await createSherpaRecognizer(sherpa, confinement);
    return 'missing' in made
      ? {
          kind: 'absent',
          reason: `HEADEND_SPEECH_MODEL_PATH has no model that can be used: ${made.missing}.`,
        }
      : { kind: 'found', recognizer: made.recognizer };
  }
  const program = await findPocketSphinx(searchPath);
  if (program !== undefined) return { kind: 'found', recognizer: createPocketSphinx(program, confinement) };
  return {
    kind: 'absent',
    reason:
      'No speech recogniser is set up. Install the packages pocketsphinx and pocketsphinx-en-us of Debian, or set ' +
      'HEADEND_SPEECH_MODEL_PATH or HEADEND_SPEECH_AZURE_ENDPOINT and HEADEND_SPEECH_AZURE_KEY.',
  };
}
