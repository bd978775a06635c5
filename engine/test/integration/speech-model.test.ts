import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from '@plussub/srt-vtt-parser';
import { LISTENING_FILES, listeningRun, readListening } from '../../src/analysis/listening.ts';
import type { Confinement } from '../../src/ffmpeg/confinement.ts';
import { findFFmpeg } from '../../src/ffmpeg/ffmpeg-programs.ts';
import { WorkingFolder } from '../../src/ffmpeg/working-folder.ts';
import { createPocketSphinx, findPocketSphinx } from '../../src/speech/pocketsphinx-recognizer.ts';
import { createSherpaRecognizer } from '../../src/speech/sherpa-recognizer.ts';
import type { SpeechRecognizer } from '../../src/speech/speech-recognizer.ts';
import { transcribe } from '../../src/speech/transcribe.ts';
import { startJobStack } from '../support/job-stack.ts';
import { run } from '../support/programs.ts';
import { wordErrorRate } from '../support/word-errors.ts';

/** A folder with a model of English for sherpa-onnx, and the engine as it is built beside its packages. */
const MODEL_PATH = process.env['HEADEND_TEST_SPEECH_MODEL'];
const ENGINE_PATH = process.env['HEADEND_BUILT_ENGINE'];
const isThere = MODEL_PATH !== undefined && ENGINE_PATH !== undefined;
const long = isThere ? describe : describe.skip;

const CASE_MS_MAX = 600_000;
const JOB_MS_MAX = 300_000;
/** Of /proc/self/stat: sysconf(_SC_CLK_TCK), 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
/** Half of what PocketSphinx has wrong. */
const WORSE_THAN_DEFAULT = 0.5;
const READINGS = '/usr/share/pocketsphinx/test/data/librivox';
const READING_PARTS = ['0870', '0880', '0890', '0920', '0930'];
const READ =
  'and mr john dashwood had then leisure to consider how much there might be prudently in his power to do for them ' +
  'he was not an ill disposed young man unless to be rather cold hearted and rather selfish is to be ill disposed ' +
  'had he married a more amiable woman he might have been made still more respectable than he was ' +
  'he might even have been made amiable himself';
const SPOKEN =
  'The committee will meet on Tuesday to discuss the new budget for the city library. ' +
  'Several members have asked for more time to read the report. ' +
  'They want to know how much the building will cost and who is going to pay for it. ' +
  'A short film about the history of the library will be shown before the meeting. ' +
  'Everybody who lives in the city is welcome to come and listen.';

let scratch: string;
let confinement: Confinement;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'headend-speech-model-'));
  const found = await findFFmpeg({ ffmpegPath: undefined, searchPath: process.env['PATH'] ?? '' });
  if (found.kind === 'absent') throw new Error(found.reason);
  confinement = found.programs.confinement;
});

afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
});

async function ffmpeg(...args: readonly string[]): Promise<void> {
  const { code, stderr } = await run('ffmpeg', '-y', '-v', 'error', '-nostdin', ...args);
  if (code !== 0) throw new Error(stderr);
}

const readings = (): readonly string[] =>
  READING_PARTS.flatMap((part) => ['-i', `${READINGS}/sense_and_sensibility_01_austen_64kb-${part}.wav`]);
const JOINED = `concat=n=${READING_PARTS.length}:v=0:a=1`;

/** Processor seconds of programs that this process has run and that have ended. */
async function childrenSeconds(): Promise<number> {
  const fields = (await readFile('/proc/self/stat', 'utf8')).split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND;
}

interface Heard {
  readonly text: string;
  readonly processorShare: number;
}

/** As a worker does it: the sound that FFmpeg makes of a file, cut at its pauses. */
async function listen(recognizer: SpeechRecognizer, path: string): Promise<Heard> {
  const folder = await WorkingFolder.create(scratch);
  const { arguments: args } = listeningRun(
    { path, startSeconds: 0, durationSeconds: 0, beginsLate: false, threads: 1 },
    0,
  );
  const { code } = await run(
    'sh',
    '-c',
    'cd "$0" && shift 0; exec ffmpeg -v error -nostdin "$@"',
    folder.path,
    ...args,
  );
  expect(code).toBe(0);
  const note = (name: string) => readFile(folder.resolve(name), 'utf8').catch(() => '');
  const { durationMs, pauses } = readListening({
    silenceStarts: await note(LISTENING_FILES.silenceStarts),
    silenceEnds: await note(LISTENING_FILES.silenceEnds),
    loudness: '',
    soundBytes: (await readFile(folder.resolve(LISTENING_FILES.sound))).length,
  });
  const before = await childrenSeconds();
  const transcription = await transcribe({
    ...{ recognizer, folder, durationMs, pauses, language: 'en-US' },
    memory: { recall: async () => undefined, keep: async () => undefined },
    signal: new AbortController().signal,
    onProgress: () => undefined,
  });
  if (transcription.kind !== 'heard') throw new Error(transcription.message);
  const text = transcription.speech.transcript.words.map((word) => word.text).join(' ');
  return { text, processorShare: ((await childrenSeconds()) - before) / (durationMs / 1000) };
}

long('sherpa-onnx with a model', () => {
  it(
    'has far fewer words wrong than PocketSphinx, for less of a processor',
    async () => {
      const noise = 'anoisesrc=r=16000:c=pink:a=0.02:seed=5';
      const mixed = `${JOINED}[speech];[speech][5:a]amix=inputs=2:duration=first:normalize=0`;
      const texts = join(scratch, 'spoken.txt');
      await writeFile(texts, SPOKEN);
      const sounds = [
        { name: 'a reading', said: READ, args: [...readings(), '-filter_complex', JOINED] },
        {
          name: 'a reading in noise',
          said: READ,
          args: [...readings(), '-f', 'lavfi', '-i', noise, '-filter_complex', mixed],
        },
        ...['slt', 'awb', 'rms', 'kal'].map((voice) => ({
          name: `flite's ${voice}`,
          said: SPOKEN,
          args: ['-f', 'lavfi', '-i', `flite=textfile=${texts}:voice=${voice}`],
        })),
      ];
      const made = await createSherpaRecognizer(
        { modelPath: MODEL_PATH ?? '', languages: undefined, enginePath: ENGINE_PATH ?? '', threads: 1 },
        confinement,
      );
      if ('missing' in made) throw new Error(made.missing);
      const program = (await findPocketSphinx(process.env['PATH'] ?? '')) ?? '';
      const engines = [createPocketSphinx(program, confinement), made.recognizer];
      const sums = [0, 0];
      for (const { name, said, args } of sounds) {
        const path = join(scratch, 'sound.wav');
        await ffmpeg(...args, '-ar', '16000', '-ac', '1', path);
        for (const [index, engine] of engines.entries()) {
          const { text, processorShare } = await listen(engine, path);
          const rate = wordErrorRate(said, text);
          sums[index] = (sums[index] ?? 0) + rate;
          process.stderr.write(
            `${name}, ${engine.note.name}: ${(rate * 100).toFixed(1)} % wrong, ${processorShare.toFixed(2)} s/s: ${text}\n`,
          );
        }
      }
      expect(sums[1]).toBeLessThan((sums[0] ?? 0) * WORSE_THAN_DEFAULT);
    },
    CASE_MS_MAX,
  );

  it(
    'makes captions of a film in a job, with words where they are said and none in a pause',
    async () => {
      const stack = await startJobStack();
      try {
        const worker = await stack.startWorker({ HEADEND_SPEECH_MODEL_PATH: MODEL_PATH ?? '' });
        const film = join(scratch, 'film.mp4');
        await ffmpeg(
          ...readings(),
          ...[
            '-f',
            'lavfi',
            '-i',
            'anullsrc=r=16000:cl=mono:d=8',
            '-f',
            'lavfi',
            '-i',
            'testsrc2=s=160x90:r=25',
          ],
          ...['-filter_complex', '[0:a][1:a][5:a][2:a][3:a][4:a]concat=n=6:v=0:a=1[sound]'],
          ...['-map', '6:v', '-map', '[sound]', '-shortest', '-c:v', 'libx264', '-preset', 'ultrafast'],
          ...['-c:a', 'aac', '-ac', '2', '-ar', '48000', film],
        );
        await stack.upload('film', { 'film.mp4': film });
        const preset = { odataType: '#Microsoft.Media.AudioAnalyzerPreset' };
        await stack.runJob('speech', { preset, input: 'film' });
        const job = await stack.ended('speech', JOB_MS_MAX);
        expect(job.outputs?.map(({ state, error }) => ({ state, error }))).toEqual([
          { state: 'Finished', error: undefined },
        ]);
        expect(worker.log()).toContain('sherpa-onnx (Moonshine)');
        const text = async (name: string) => readFile(await stack.download('speech-out', name), 'utf8');
        const insights = JSON.parse(await text('insights.json'));
        expect(insights.engine.name).toBe('sherpa-onnx (Moonshine)');
        const heard: string = insights.transcript.map((phrase: { text: string }) => phrase.text).join(' ');
        expect(wordErrorRate(READ, heard)).toBeLessThan(0.1);
        const parsed = parse(await text('transcript.vtt'));
        const entries: readonly { readonly from: number; readonly to: number; readonly text: string }[] =
          parsed.entries;
        process.stderr.write(`${entries.map(({ from, to, text }) => `${from} ${to} ${text}`).join('\n')}\n`);
        expect(entries.map((entry) => entry.text.replaceAll('\n', ' ')).join(' ')).toBe(heard);
        // The readings end at 10.1 s and go on at 18.1 s.
        expect(entries.filter(({ from, to }) => to > 10_600 && from < 17_600)).toEqual([]);
        const cue = (word: string) => entries.find((entry) => entry.text.includes(word));
        expect(cue('young man')?.to).toBeLessThan(10_600);
        expect(cue('cold')?.from).toBeGreaterThan(17_600);
      } finally {
        await stack.close();
      }
    },
    CASE_MS_MAX,
  );
});
