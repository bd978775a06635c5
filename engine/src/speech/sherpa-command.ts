import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { z } from 'zod';
import { SPEECH_SAMPLING_RATE } from '../analysis/listening.ts';
import { readSound } from './chunk-sound.ts';
import { SherpaResult, SherpaTask } from './sherpa-protocol.ts';

const PACKAGE = 'sherpa-onnx-node';
const SAMPLE_MAX = 32_768;
const PROBLEM_LENGTH_MAX = 500;

// The part of the package that is used (its `types.js`).
type Stream = { acceptWaveform(wave: { readonly samples: Float32Array; readonly sampleRate: number }): void };
type Recognizer = { createStream(): Stream; decodeAsync(stream: Stream): Promise<unknown> };
type SherpaPackage = { OfflineRecognizer: { createAsync(config: object): Promise<Recognizer> } };

/** Recognises the chunks that the task file names, in the working folder, and prints a line for each. */
export async function runSherpaCommand(taskPath: string, print: (line: string) => void): Promise<number> {
  const task = SherpaTask.parse(JSON.parse(await readFile(taskPath, 'utf8')));
  let sherpa: SherpaPackage;
  try {
    sherpa = loadPackage();
  } catch {
    print(JSON.stringify({ problem: `the package ${PACKAGE} is not installed for this system` }));
    return 3;
  }
  let recognizer: Recognizer;
  try {
    recognizer = await sherpa.OfflineRecognizer.createAsync(configOf(task));
  } catch (error) {
    const reason = String(Reflect.get(Object(error), 'message')).slice(0, PROBLEM_LENGTH_MAX);
    print(JSON.stringify({ problem: `its model cannot be loaded (${reason})` }));
    return 4;
  }
  for (const [chunk, interval] of task.chunks.entries()) {
    const stream = recognizer.createStream();
    stream.acceptWaveform({
      samples: toFloats(await readSound(task.soundPath, interval)),
      sampleRate: SPEECH_SAMPLING_RATE,
    });
    const result = SherpaResult.parse(await recognizer.decodeAsync(stream));
    print(JSON.stringify({ chunk, result }));
  }
  return 0;
}

/** It is loaded where it is needed, and not part of the bundle: its libraries are files beside it. */
function loadPackage(): SherpaPackage {
  const loaded: unknown = createRequire(import.meta.url)(PACKAGE);
  const Door = z.object({ OfflineRecognizer: z.custom<SherpaPackage['OfflineRecognizer']>() });
  return Door.parse(loaded);
}

function configOf({ model, language, threads }: SherpaTask): object {
  return {
    featConfig: { sampleRate: SPEECH_SAMPLING_RATE, featureDim: 80 },
    modelConfig: {
      ...filesOf(model, language),
      tokens: model.tokens,
      numThreads: threads,
      provider: 'cpu',
      debug: 0,
    },
  };
}

function filesOf({ kind, encoder, decoder, joiner }: SherpaTask['model'], language: string): object {
  switch (kind) {
    case 'transducer':
      return { transducer: { encoder, decoder, joiner } };
    case 'moonshine':
      return { moonshine: { encoder, mergedDecoder: decoder } };
    case 'whisper':
      return { whisper: { encoder, decoder, language, task: 'transcribe', tailPaddings: -1 } };
  }
}

function toFloats(samples: Buffer): Float32Array {
  const floats = new Float32Array(Math.floor(samples.length / 2));
  for (let index = 0; index < floats.length; index += 1) {
    floats[index] = samples.readInt16LE(index * 2) / SAMPLE_MAX;
  }
  return floats;
}
