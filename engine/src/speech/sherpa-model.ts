import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** The files of a model as its authors name them; full paths. */
export interface SherpaModel {
  readonly kind: 'transducer' | 'whisper' | 'moonshine';
  readonly encoder: string;
  readonly decoder: string;
  /** Of a transducer. */
  readonly joiner: string | undefined;
  readonly tokens: string;
  /** A model of one language says so in its name (`tiny.en-encoder.onnx`). */
  readonly isEnglishOnly: boolean;
}

const ENTRIES_MAX = 1000;

/** Looks at a folder for a model; what is missing is told in words for whoever set the folder. */
export async function findSherpaModel(
  folder: string,
): Promise<{ readonly model: SherpaModel } | { readonly missing: string }> {
  let names: readonly string[];
  try {
    names = (await readdir(folder)).slice(0, ENTRIES_MAX);
  } catch (error) {
    return { missing: `the folder cannot be read (${String(Reflect.get(Object(error), 'code'))})` };
  }
  const encoder = named(names, 'encoder');
  const decoder = named(names, 'decoder');
  const joiner = named(names, 'joiner');
  const tokens = names.find((name) => name === 'tokens.txt' || name.endsWith('-tokens.txt'));
  const missing = [
    encoder === undefined ? ['*encoder*.onnx'] : [],
    decoder === undefined ? ['*decoder*.onnx'] : [],
    tokens === undefined ? ['tokens.txt'] : [],
  ].flat();
  if (encoder === undefined || decoder === undefined || tokens === undefined) {
    return { missing: `the folder lacks ${missing.join(', ')}` };
  }
  const at = (name: string) => join(folder, name);
  const kind = joiner === undefined ? kindOf(decoder) : 'transducer';
  return {
    model: {
      kind,
      encoder: at(encoder),
      decoder: at(decoder),
      joiner: joiner === undefined ? undefined : at(joiner),
      tokens: at(tokens),
      isEnglishOnly: kind !== 'whisper' || /\.en\b/.test(encoder),
    },
  };
}

/** Moonshine's two decoders, with and without what was said before, are merged in one file. */
const kindOf = (decoder: string) => (decoder.includes('merged') ? 'moonshine' : 'whisper');

/** Of a file in several sizes the quantised one: a third of the memory, and hardly a word worse. */
function named(names: readonly string[], part: string): string | undefined {
  const fitting = names.filter((name) => /\.(?:onnx|ort)$/.test(name) && name.includes(part)).sort();
  return fitting.find((name) => name.includes('.int8.')) ?? fitting[0];
}
