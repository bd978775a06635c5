import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { AudioChunk } from '../../src/analysis/audio-chunks.ts';
import { WorkingFolder } from '../../src/ffmpeg/working-folder.ts';
import { readSpeech } from '../../src/server/speech-config.ts';
import { readTranscription, refusalText } from '../../src/speech/azure-answer.ts';
import { readSound, waveFile } from '../../src/speech/chunk-sound.ts';
import { findRecognizer } from '../../src/speech/find-recognizer.ts';
import { pocketSphinxWords } from '../../src/speech/pocketsphinx-output.ts';
import { findSherpaModel } from '../../src/speech/sherpa-model.ts';
import { sherpaWords } from '../../src/speech/sherpa-protocol.ts';
import type {
  HeardChunk,
  RecognitionEnd,
  RecognitionTask,
  SpeechRecognizer,
} from '../../src/speech/speech-recognizer.ts';
import { languageFor, type RecognitionMemory, transcribe } from '../../src/speech/transcribe.ts';
import { wordErrorRate } from '../support/word-errors.ts';

const NOTE = { name: 'E', version: undefined, expectedWordErrorRate: 'x', notes: ['n'] };
const NO_CONFINEMENT = { unshare: undefined, setpriv: undefined, prlimit: undefined };

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'headend-speech-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

describe('what PocketSphinx prints', () => {
  it('is words with times and probabilities; silence, noise and sentences as a whole are none', () => {
    const output = [
      'and the board 1 2 3',
      '<s> 0.000 0.140 0.999400',
      'and(2) 0.150 0.360 0.260057',
      '<sil> 3.910 3.930 0.553348',
      "it's 4.000 4.500 1.000100",
      '++NOISE++ 5.000 5.100 1.0',
      '[SPEECH] 5.200 5.300 1.0',
      'w 6.000 6.100 1.2e-05',
      '</s> 7.050 7.080 1.000000',
    ].join('\n');
    expect(pocketSphinxWords(output)).toEqual([
      { text: 'and', startMs: 150, endMs: 370, confidence: 0.260057 },
      { text: "it's", startMs: 4000, endMs: 4510, confidence: 1 },
      { text: 'w', startMs: 6000, endMs: 6110, confidence: 0.000012 },
    ]);
    expect(pocketSphinxWords('')).toEqual([]);
  });
});

describe('what Azure AI Speech answers', () => {
  it('is read word by word, with the language in which most was said', () => {
    const word = (text: string, offsetMilliseconds: number) => ({
      text,
      offsetMilliseconds,
      durationMilliseconds: 200,
    });
    const answer = {
      durationMilliseconds: 9000,
      combinedPhrases: [{ text: 'Good morning. Ja.' }],
      phrases: [
        {
          offsetMilliseconds: 40,
          durationMilliseconds: 900,
          text: 'Good morning.',
          words: [word('Good', 40), word('morning.', 300)],
          locale: 'en-US',
          confidence: 0.9,
        },
        {
          offsetMilliseconds: 2000,
          durationMilliseconds: 300,
          text: 'Ja.',
          locale: 'de-DE',
          confidence: 0.5,
        },
      ],
    };
    expect(readTranscription(answer)).toEqual({
      words: [
        { text: 'Good', startMs: 40, endMs: 240, confidence: 0.9 },
        { text: 'morning.', startMs: 300, endMs: 500, confidence: 0.9 },
        { text: 'Ja.', startMs: 2000, endMs: 2300, confidence: 0.5 },
      ],
      locale: 'en-US',
    });
    expect(readTranscription({ phrases: [] })).toEqual({ words: [], locale: undefined });
    expect(readTranscription({ duration: 1 })).toBeUndefined();
    expect(
      refusalText({
        error: { code: 'InvalidRequest', message: 'no', innerError: { message: 'bad locale' } },
      }),
    ).toBe('InvalidRequest: bad locale');
    expect(refusalText(undefined)).toBe('');
  });
});

describe('what sherpa-onnx answers', () => {
  it('is words of its tokens, by their times', () => {
    const result = {
      text: ' HELLO WORLD',
      lang: '',
      tokens: ['▁HE', 'LLO', '▁WOR', 'LD'],
      timestamps: [0.04, 0.2, 0.52, 0.72],
      ys_log_probs: [0, Math.log(0.25), 0, 0],
    };
    expect(sherpaWords(result, 800, [])).toEqual([
      { text: 'HELLO', startMs: 40, endMs: 520, confidence: 0.5 },
      { text: 'WORLD', startMs: 520, endMs: 800, confidence: 1 },
    ]);
  });

  it('shares out the sound of a chunk where there are none, and puts no word into a pause', () => {
    const result = { text: ' ab cdef ', lang: 'en', tokens: [], timestamps: [], ys_log_probs: [] };
    const word = (text: string, startMs: number, endMs: number) => ({
      ...{ text, startMs, endMs },
      confidence: undefined,
    });
    expect(sherpaWords(result, 600, [{ startMs: 0, endMs: 600 }])).toEqual([
      word('ab', 0, 200),
      word('cdef', 200, 600),
    ]);
    const sounding = [
      { startMs: 100, endMs: 300 },
      { startMs: 1000, endMs: 1250 },
      { startMs: 1700, endMs: 1850 },
    ];
    expect(sherpaWords(result, 2000, sounding)).toEqual([word('ab', 100, 300), word('cdef', 1000, 1250)]);
    expect(sherpaWords({ ...result, text: '' }, 600, sounding)).toEqual([]);
    expect(sherpaWords(result, 600, [])).toEqual([word('ab', 0, 1), word('cdef', 0, 1)]);
  });

  it.each([
    ['nothing', [], 'the folder lacks *encoder*.onnx, *decoder*.onnx, tokens.txt'],
    ['no tokens', ['encoder.onnx', 'decoder.onnx'], 'the folder lacks tokens.txt'],
  ])('needs a model: a folder with %s', async (_name, files, missing) => {
    await inFolder(async (folder) => {
      for (const file of files) await writeFile(join(folder, file), '');
      expect(await findSherpaModel(folder)).toEqual({ missing });
    });
  });

  it('knows models by the names of their files, the quantised ones first', async () => {
    await inFolder(async (folder) => {
      const at = (name: string) => join(folder, name);
      for (const name of [
        'tiny.en-encoder.onnx',
        'tiny.en-encoder.int8.onnx',
        'tiny.en-decoder.onnx',
        'tiny.en-tokens.txt',
      ]) {
        await writeFile(at(name), '');
      }
      expect(await findSherpaModel(folder)).toEqual({
        model: {
          kind: 'whisper',
          encoder: at('tiny.en-encoder.int8.onnx'),
          decoder: at('tiny.en-decoder.onnx'),
          joiner: undefined,
          tokens: at('tiny.en-tokens.txt'),
          isEnglishOnly: true,
        },
      });
      await writeFile(at('joiner.onnx'), '');
      expect(await findSherpaModel(folder)).toMatchObject({ model: { kind: 'transducer' } });
    });
    await inFolder(async (folder) => {
      for (const name of ['encoder_model.ort', 'decoder_model_merged.ort', 'tokens.txt']) {
        await writeFile(join(folder, name), '');
      }
      expect(await findSherpaModel(folder)).toMatchObject({
        model: { kind: 'moonshine', decoder: join(folder, 'decoder_model_merged.ort'), isEnglishOnly: true },
      });
    });
    expect(await findSherpaModel(join(tmpdir(), 'headend-no-such-folder'))).toEqual({
      missing: 'the folder cannot be read (ENOENT)',
    });
  });
});

describe('languages', () => {
  const one = { languages: { known: ['en-US'], canDetect: false }, note: NOTE };
  const all = { languages: { known: 'any', canDetect: true }, note: NOTE } as const;
  const refused = { kind: 'configuration', message: "E does not know the language 'en-GB'. It knows en-US." };
  it.each([
    [
      'none, by an engine of one',
      one,
      undefined,
      { asked: 'en-US', notes: [expect.stringContaining('en-US')] },
    ],
    ['its own', one, 'EN-us', { asked: 'en-US', notes: [] }],
    ['its own without a region', one, 'en', { asked: 'en-US', notes: [] }],
    ['another', one, 'en-GB', refused],
    ['none, by an engine that detects', all, undefined, { asked: undefined, notes: [] }],
    ['any, by an engine that knows all', all, 'sw-KE', { asked: 'sw-KE', notes: [] }],
  ])('%s', (_name, engine, asked, expected) => {
    expect(languageFor(engine, asked)).toEqual(expected);
  });
});

describe('a transcription', () => {
  const minute = { minMs: 15_000, maxMs: 60_000 };
  const word = (text: string, startMs: number) => ({ text, startMs, endMs: startMs + 300, confidence: 1 });

  /** Hears a word in each chunk, at its start. */
  function listener(heard: (chunk: AudioChunk) => HeardChunk, end: RecognitionEnd = { kind: 'heard' }) {
    const asked: RecognitionTask[] = [];
    const recognizer: SpeechRecognizer = {
      note: NOTE,
      languages: { known: 'any', canDetect: true },
      chunkLimits: minute,
      recognize: async (task) => {
        asked.push(task);
        for (const chunk of task.chunks) task.onHeard(chunk, heard(chunk));
        return end;
      },
    };
    return { recognizer, asked };
  }

  function memoryOf(entries: Record<number, HeardChunk> = {}) {
    const kept = new Map(Object.entries(entries));
    const memory: RecognitionMemory = {
      recall: async ({ startMs }) => kept.get(String(startMs)),
      keep: async ({ startMs }, heard) => void kept.set(String(startMs), heard),
    };
    return { kept, memory };
  }

  it('goes on where another has stopped, and joins what both have heard', async () => {
    await inFolder(async (scratch) => {
      const folder = await WorkingFolder.create(scratch);
      const { recognizer, asked } = listener(({ startMs }) => ({
        words: [word(`at${startMs}`, 500)],
        language: 'de',
      }));
      const { kept, memory } = memoryOf({ 60000: { words: [word('before', 100)], language: 'fr' } });
      const shares: number[] = [];
      const result = await transcribe({
        recognizer,
        folder,
        durationMs: 200_000,
        pauses: [{ startMs: 120_000, endMs: 180_000 }],
        language: undefined,
        memory,
        signal: new AbortController().signal,
        onProgress: (share) => shares.push(share),
      });
      expect(asked.map(({ chunks }) => chunks.map(({ startMs }) => startMs))).toEqual([[0, 150_000]]);
      expect(result).toEqual({
        kind: 'heard',
        speech: {
          transcript: {
            language: 'de',
            words: [word('at0', 500), word('before', 60_100), word('at150000', 150_500)],
          },
          engine: NOTE,
          isLanguageDetected: true,
        },
      });
      expect([...kept.keys()].sort()).toEqual(['0', '150000', '60000']);
      expect(shares).toEqual([1 / 3, 2 / 3, 1]);
    });
  });

  it('of silence asks nobody, and one that fails keeps what it has heard', async () => {
    await inFolder(async (scratch) => {
      const folder = await WorkingFolder.create(scratch);
      const failed = { kind: 'away', message: 'm' } as const;
      const { recognizer, asked } = listener(() => ({ words: [], language: undefined }), failed);
      const { kept, memory } = memoryOf();
      const task = {
        ...{ recognizer, folder, memory, language: 'en', signal: new AbortController().signal },
        onProgress: () => undefined,
      };
      const silent = await transcribe({ ...task, durationMs: 5000, pauses: [{ startMs: 0, endMs: 5000 }] });
      expect(silent).toMatchObject({ speech: { transcript: { language: 'en', words: [] } } });
      expect(asked).toEqual([]);
      expect(await transcribe({ ...task, durationMs: 5000, pauses: [] })).toEqual(failed);
      expect([...kept.keys()]).toEqual(['0']);
    });
  });
});

describe('sound for recognisers', () => {
  it('is cut by the sample, and shorter where the file is', async () => {
    await inFolder(async (folder) => {
      const path = join(folder, 'a.pcm');
      const samples = Buffer.from(Array.from({ length: 3200 }, (_, index) => index % 256));
      await writeFile(path, Buffer.concat([samples, Buffer.from([1])]));
      expect(await readSound(path, { startMs: 10, endMs: 12 })).toEqual(samples.subarray(320, 384));
      expect((await readSound(path, { startMs: 99, endMs: 200 })).length).toBe(32);
      expect((await readSound(path, { startMs: 500, endMs: 600 })).length).toBe(0);
    });
    const file = waveFile(Buffer.alloc(8));
    expect([file.length, file.readUInt32LE(4), file.readUInt32LE(40)]).toEqual([52, 44, 8]);
  });
});

describe('settings of speech', () => {
  const azure = { HEADEND_SPEECH_AZURE_ENDPOINT: 'https://x.test', HEADEND_SPEECH_AZURE_KEY: 'k' };
  it.each([
    ['nothing', {}, []],
    ['both', azure, []],
    ['one of this machine', { ...azure, HEADEND_SPEECH_AZURE_ENDPOINT: 'http://127.0.0.1:9' }, []],
    [
      'one in the clear',
      { ...azure, HEADEND_SPEECH_AZURE_ENDPOINT: 'http://x.test' },
      ['HEADEND_SPEECH_AZURE_ENDPOINT must be an https address'],
    ],
    [
      'no key',
      { HEADEND_SPEECH_AZURE_ENDPOINT: 'https://x.test' },
      ['HEADEND_SPEECH_AZURE_KEY is required with HEADEND_SPEECH_AZURE_ENDPOINT'],
    ],
    [
      'no endpoint',
      { HEADEND_SPEECH_AZURE_KEY: 'k' },
      ['HEADEND_SPEECH_AZURE_ENDPOINT must be an https address'],
    ],
    ['a model', { HEADEND_SPEECH_MODEL_PATH: '/m', HEADEND_SPEECH_MODEL_LANGUAGES: 'de-DE, fr' }, []],
    [
      'no language',
      { HEADEND_SPEECH_MODEL_PATH: '/m', HEADEND_SPEECH_MODEL_LANGUAGES: 'de_DE' },
      ['HEADEND_SPEECH_MODEL_LANGUAGES must be BCP 47 languages, separated by commas'],
    ],
  ])('%s', (_name, env, expected) => {
    const problems: string[] = [];
    const speech = readSpeech(env, problems);
    expect(problems).toEqual(expected);
    expect(JSON.stringify(speech)).not.toContain('"k"');
  });

  it('without any, and without PocketSphinx, nobody listens, and it is said what to do', async () => {
    const nobody = await findRecognizer(
      { azure: undefined, sherpa: undefined, searchPath: '' },
      NO_CONFINEMENT,
    );
    expect(nobody).toEqual({ kind: 'absent', reason: expect.stringContaining('pocketsphinx-en-us') });
  });
});

describe('the word error rate', () => {
  it('counts words that are wrong, missing and too many', () => {
    expect(wordErrorRate('The quick, brown fox.', 'the quick fox')).toBe(0.25);
    expect(wordErrorRate('a b', 'a x b y')).toBe(1);
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1 }), (words) => {
        expect(wordErrorRate(words.join(' '), words.join(' '))).toBe(0);
        expect(wordErrorRate(words.join(' '), '')).toBe(1);
      }),
    );
  });
});
