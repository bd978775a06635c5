import { setTimeout as sleep } from 'node:timers/promises';
import type { AudioChunk } from '../analysis/audio-chunks.ts';
import { cleanEvidence } from '../ffmpeg/evidence.ts';
import { type AzureTranscription, readTranscription, refusalText } from './azure-answer.ts';
import { readSound, waveFile } from './chunk-sound.ts';
import type { RecognitionFailure, RecognitionTask, SpeechRecognizer } from './speech-recognizer.ts';

const API_VERSION = '2024-11-15';
const PATH = '/speechtotext/transcriptions:transcribe';
/** The service takes 2 h and 200 MB in one request; 20 minutes are 38 MB, and progress is seen. */
const CHUNK_MS = { minMs: 10 * 60_000, maxMs: 20 * 60_000 } as const;
const REQUEST_MS_MAX = 10 * 60_000;
const ATTEMPTS_MAX = 4;
const WAIT_MS_FIRST = 1000;
const WAIT_MS_MAX = 60_000;
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
const REFUSAL_LENGTH_MAX = 500;

export interface AzureSpeech {
  /** Of the resource, such as `https://westeurope.api.cognitive.microsoft.com`. */
  readonly endpoint: URL;
  readonly readKey: () => string;
  /** Of the first wait between attempts; later ones are twice as long each. */
  readonly waitMsFirst?: number;
}

/** Azure AI Speech by its fast transcription REST interface. Sound leaves the machine. */
export function createAzureRecognizer(azure: AzureSpeech): SpeechRecognizer {
  return {
    note: {
      name: 'Azure AI Speech',
      version: API_VERSION,
      expectedWordErrorRate: 'not measured here: the service publishes none for this interface',
      notes: [],
    },
    languages: { known: 'any', canDetect: true },
    chunkLimits: CHUNK_MS,
    async recognize(task) {
      for (const chunk of task.chunks) {
        const answer = await transcribe(azure, task, chunk);
        if ('kind' in answer) return answer;
        const language = task.language === undefined ? answer.locale : undefined;
        task.onHeard(chunk, { words: answer.words, language });
      }
      return { kind: 'heard' };
    },
  };
}

async function transcribe(
  azure: AzureSpeech,
  task: RecognitionTask,
  chunk: AudioChunk,
): Promise<AzureTranscription | RecognitionFailure> {
  const samples = await readSound(task.folder.resolve(task.soundPath), chunk);
  if (samples.length === 0) return { words: [], locale: undefined };
  const sound = new Blob([new Uint8Array(waveFile(samples))], { type: 'audio/wav' });
  let waitMs = azure.waitMsFirst ?? WAIT_MS_FIRST;
  for (let attempt = 1; ; attempt += 1) {
    const answer = await ask(azure, sound, task);
    if (!('kind' in answer)) return answer;
    const { kind, message, retryAfterMs } = answer;
    if (kind !== 'away' || attempt >= ATTEMPTS_MAX) return { kind, message };
    await sleep(Math.min(WAIT_MS_MAX, Math.max(waitMs, retryAfterMs)), undefined, {
      signal: task.signal,
    });
    waitMs *= 2;
  }
}

type Refused = RecognitionFailure & { readonly retryAfterMs: number };

async function ask(
  { endpoint, readKey }: AzureSpeech,
  sound: Blob,
  { language, signal }: RecognitionTask,
): Promise<AzureTranscription | Refused> {
  const address = new URL(PATH, endpoint);
  address.searchParams.set('api-version', API_VERSION);
  const form = new FormData();
  form.set('audio', sound, 'sound.wav');
  form.set('definition', JSON.stringify({ locales: language === undefined ? [] : [language] }));
  try {
    const response = await fetch(address, {
      method: 'POST',
      headers: { 'Ocp-Apim-Subscription-Key': readKey() },
      body: form,
      // The key would go along.
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_MS_MAX)]),
    });
    const json = parseJson(await boundedText(response));
    if (!response.ok) return refused(response, json);
    return readTranscription(json) ?? failure('failed', 'Azure AI Speech answered with something else.');
  } catch (error) {
    signal.throwIfAborted();
    const code = Reflect.get(Object(Reflect.get(Object(error), 'cause')), 'code');
    const reason = typeof code === 'string' ? code : String(Reflect.get(Object(error), 'name'));
    return failure('away', `Azure AI Speech could not be reached (${reason}).`);
  }
}

function refused(response: Response, json: unknown): Refused {
  const { status } = response;
  const said = cleanEvidence(refusalText(json)).slice(0, REFUSAL_LENGTH_MAX);
  const message = `Azure AI Speech answered ${status}. ${said}`.trim();
  if (status === 408 || status === 429 || status >= 500) {
    const seconds = Number(response.headers.get('retry-after') ?? '0');
    return { ...failure('away', message), retryAfterMs: seconds > 0 ? seconds * 1000 : 0 };
  }
  return failure(status === 413 ? 'failed' : 'configuration', message);
}

const failure = (kind: RecognitionFailure['kind'], message: string): Refused => ({
  kind,
  message,
  retryAfterMs: 0,
});

async function boundedText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.byteLength;
    if (bytes > ANSWER_BYTES_MAX) throw new RangeError('the answer is too large');
    text += decoder.decode(part, { stream: true });
  }
  return text + decoder.decode();
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
