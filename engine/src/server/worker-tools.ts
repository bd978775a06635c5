import { type FFmpegFound, findFFmpeg } from '../ffmpeg/ffmpeg-programs.ts';
import { sweepScratch } from '../ffmpeg/working-folder.ts';
import { findRecognizer, type RecognizerFound } from '../speech/find-recognizer.ts';
import { createJobBlobs } from '../store/job-blobs.ts';
import { createJobRecordings } from '../store/job-recordings.ts';
import { InputCache } from '../worker/input-cache.ts';
import type { WorkerTools } from '../worker/workshop.ts';
import type { RoleDeps } from './role.ts';

/** What all accounts of a worker process have in common; says in the log what FFmpeg it has found. */
export async function openWorkerTools({ config, log, storageAccounts }: RoleDeps): Promise<WorkerTools> {
  const { worker } = config;
  const { scratchPath, threads, inputBytesMax, outputBytesMax } = worker;
  const { allowPrivateAddresses, partSeconds, leaseMs } = worker;
  await sweepScratch(scratchPath);
  const ffmpeg = await findFFmpeg(worker);
  if (ffmpeg.kind === 'absent') log.warn('worker.noFFmpeg', { reason: ffmpeg.reason });
  else {
    const { version, confinement } = ffmpeg.programs;
    const confined = Object.entries(confinement).flatMap(([name, path]) =>
      path === undefined ? [] : [name],
    );
    log.info('worker.ffmpeg', { version, confined });
  }
  return {
    blobs: createJobBlobs(storageAccounts),
    recordings: createJobRecordings(storageAccounts),
    ffmpeg,
    speech: await openSpeech({ config, log }, ffmpeg),
    cache: new InputCache(scratchPath),
    settings: {
      ...{ scratchPath, threads, inputBytesMax, outputBytesMax },
      ...{ allowPrivateAddresses, partSeconds, leaseMs },
      bounds: { memoryBytes: worker.memoryBytes, fileBytes: outputBytesMax },
    },
    log,
  };
}

/** What speech is recognised by is looked for once: what is installed later counts from the next start on. */
async function openSpeech(
  { config, log }: Pick<RoleDeps, 'config' | 'log'>,
  ffmpeg: FFmpegFound,
): Promise<RecognizerFound> {
  const { azure, model } = config.worker.speech;
  const confinement = ffmpeg.kind === 'found' ? ffmpeg.programs.confinement : NO_CONFINEMENT;
  const speech = await findRecognizer(
    {
      azure: azure && { endpoint: azure.endpoint, readKey: () => azure.key.reveal() },
      sherpa: model && { ...model, enginePath: process.argv[1] ?? '', threads: config.worker.threads },
      searchPath: config.worker.searchPath,
    },
    confinement,
  );
  if (speech.kind === 'absent') log.warn('worker.noSpeechRecognizer', { reason: speech.reason });
  else log.info('worker.speechRecognizer', { name: speech.recognizer.note.name });
  return speech;
}

const NO_CONFINEMENT = { unshare: undefined, setpriv: undefined, prlimit: undefined } as const;
