import { Secret } from './secret.ts';
import type { Environment } from './settings-reader.ts';

export interface SpeechConfig {
  /** Azure AI Speech; undefined: sound stays here. */
  readonly azure: { readonly endpoint: URL; readonly key: Secret } | undefined;
  /** A folder with a model for sherpa-onnx; undefined: none. */
  readonly model:
    | { readonly modelPath: string; readonly languages: readonly string[] | undefined }
    | undefined;
}

const LANGUAGE = /^[a-z]{2,3}(?:-[a-z0-9]{2,8})*$/i;
const LANGUAGES_MAX = 200;

export function readSpeech(env: Environment, problems: string[]): SpeechConfig {
  const modelPath = env['HEADEND_SPEECH_MODEL_PATH'];
  return {
    azure: readAzure(env, problems),
    model: modelPath ? { modelPath, languages: readLanguages(env, problems) } : undefined,
  };
}

function readAzure(env: Environment, problems: string[]): SpeechConfig['azure'] {
  const [address, key] = [env['HEADEND_SPEECH_AZURE_ENDPOINT'], env['HEADEND_SPEECH_AZURE_KEY']];
  if (!address && !key) return undefined;
  const endpoint = address && URL.canParse(address) ? new URL(address) : undefined;
  // What is said in it, and the key, go over the wire.
  const isSafe = endpoint?.protocol === 'https:' || (endpoint !== undefined && isLoopback(endpoint));
  if (endpoint === undefined || !isSafe) {
    problems.push('HEADEND_SPEECH_AZURE_ENDPOINT must be an https address');
    return undefined;
  }
  if (!key) {
    problems.push('HEADEND_SPEECH_AZURE_KEY is required with HEADEND_SPEECH_AZURE_ENDPOINT');
    return undefined;
  }
  return { endpoint, key: new Secret(key) };
}

const isLoopback = ({ protocol, hostname }: URL): boolean =>
  protocol === 'http:' && ['127.0.0.1', '[::1]', 'localhost'].includes(hostname);

function readLanguages(env: Environment, problems: string[]): readonly string[] | undefined {
  const text = env['HEADEND_SPEECH_MODEL_LANGUAGES'];
  if (!text) return undefined;
  const languages = text.split(',').map((language) => language.trim());
  if (languages.length <= LANGUAGES_MAX && languages.every((language) => LANGUAGE.test(language))) {
    return languages;
  }
  problems.push('HEADEND_SPEECH_MODEL_LANGUAGES must be BCP 47 languages, separated by commas');
  return undefined;
}
