import type { JobOutput, JobState } from '../../src/lib/domain/video.ts';
import type { TransformOutput } from '../../src/lib/domain/video-transform.ts';
import type { Outcome } from '../../src/lib/workflows/media-service.ts';
import type { JobSettings, TextTrack, VideoMedia } from '../../src/lib/workflows/video-ports.ts';

const DONE: Outcome = { kind: 'done' };

interface FakeJob {
  readonly settings: JobSettings;
  state: JobState;
  outputs: JobOutput[];
}

/** Transforms, jobs, tracks and containers in memory: what jobs make is there when `finish` is called. */
export function fakeVideoMedia({
  assets,
  step = () => {},
}: {
  /** Those of the fake media service, by name. */
  assets: Map<string, string>;
  step?: () => void;
}) {
  const state = {
    transforms: new Map<string, readonly TransformOutput[]>(),
    jobs: new Map<string, FakeJob>(),
    /** Every job that was ever made. */
    made: [] as string[],
    tracks: new Map<string, TextTrack>(),
    containers: new Map<string, string>(),
    files: new Map<string, Map<string, string>>(),
    refusedTransforms: false,
    refusedTracks: false,
  };
  const crashable =
    <A extends unknown[], R>(work: (...args: A) => R) =>
    async (...args: A): Promise<R> => {
      step();
      const result = work(...args);
      step();
      return result;
    };
  const filesOf = (asset: string): Map<string, string> => {
    const found = assets.has(asset) ? (state.files.get(asset) ?? new Map<string, string>()) : new Map();
    if (assets.has(asset)) state.files.set(asset, found);
    return found;
  };
  const videoMedia: VideoMedia = {
    transforms: {
      ensure: crashable((name, outputs) => {
        if (state.refusedTransforms)
          return { kind: 'refused', code: 'BadRequest', message: 'This preset is not one.' };
        state.transforms.set(name, outputs);
        return DONE;
      }),
    },
    jobs: {
      find: crashable((transform, name) => {
        const found = state.jobs.get(`${transform}/${name}`);
        return found && { state: found.state, outputs: [...found.outputs] };
      }),
      create: crashable((settings) => {
        const key = `${settings.transform}/${settings.name}`;
        if (state.jobs.has(key)) return DONE;
        const missing = settings.outputs.some(({ asset }) => !assets.has(asset));
        if (missing || !state.transforms.has(settings.transform))
          return { kind: 'refused', code: 'NotFound', message: 'no asset or transform' };
        state.made.push(settings.name);
        const outputs = settings.outputs.map(
          ({ label }): JobOutput => ({ label, state: 'queued', progress: 0, problem: null }),
        );
        state.jobs.set(key, { settings, state: 'queued', outputs });
        return DONE;
      }),
      cancel: crashable((transform, name) => {
        const found = state.jobs.get(`${transform}/${name}`);
        if (found !== undefined) found.state = 'canceled';
        return DONE;
      }),
      remove: crashable((transform, name) => {
        const job = state.jobs.get(`${transform}/${name}`);
        if (job !== undefined && ['queued', 'processing', 'canceling'].includes(job.state))
          return { kind: 'refused', code: 'BadRequest', message: 'The job has not ended.' };
        state.jobs.delete(`${transform}/${name}`);
        return DONE;
      }),
    },
    tracks: {
      find: crashable((asset, name) => (state.tracks.has(`${asset}/${name}`) ? 'succeeded' : undefined)),
      add: crashable((track) => {
        if (state.refusedTracks) return { kind: 'refused', code: 'BadRequest', message: 'No such file.' };
        state.tracks.set(`${track.asset}/${track.name}`, track);
        return DONE;
      }),
    },
    inputs: {
      create: crashable((name, { owner, container }) => {
        assets.set(name, owner);
        state.containers.set(container, name);
        return DONE;
      }),
      exists: crashable((name) => assets.has(name)),
      uploadUrl: crashable((name, expiresAtMs) => {
        const container = [...state.containers].find(([, asset]) => asset === name)?.[0];
        return container && `http://blobs.example/account/${container}?sp=rwl&se=${expiresAtMs}&sig=s3cret`;
      }),
    },
    files: {
      list: crashable((asset) =>
        [...filesOf(asset)].map(([file, text]) => ({ file, sizeBytes: text.length })),
      ),
      read: crashable((asset, file) => filesOf(asset).get(file)),
      write: crashable((asset, { name, text }) => void filesOf(asset).set(name, text)),
      remove: crashable((asset, file) => void filesOf(asset).delete(file)),
    },
  };
  const theJob = (name: string): FakeJob => {
    const found = [...state.jobs.values()].find(({ settings }) => settings.name === name);
    if (found === undefined) throw new Error(`no job ${name}`);
    return found;
  };
  return {
    videoMedia,
    state,
    /** What a client does with the signed address. */
    upload(asset: string, file: string, text = 'media') {
      filesOf(asset).set(file, text);
    },
    /** A job goes on. */
    report(name: string, progress: Readonly<Record<string, number>>) {
      const job = theJob(name);
      job.state = 'processing';
      job.outputs = job.outputs.map((output) => {
        const percent = progress[output.label];
        if (percent === undefined) return output;
        return { ...output, state: percent === 100 ? 'finished' : 'processing', progress: percent };
      });
    },
    /** A job ends, and what it made is there; `failing` are outputs that fail on their own. */
    finish(name: string, { failing = [] as readonly string[] } = {}) {
      const job = theJob(name);
      job.state = 'finished';
      job.outputs = job.outputs.map((output) =>
        failing.includes(output.label)
          ? { ...output, state: 'failed', problem: problem({ mayRetry: false }) }
          : { ...output, state: 'finished', progress: 100 },
      );
      for (const { label, asset } of job.settings.outputs) {
        if (failing.includes(label)) continue;
        for (const [file, text] of Object.entries(MADE[label] ?? {})) filesOf(asset).set(file, text);
      }
    },
    fail(name: string, options: { mayRetry: boolean }) {
      const job = theJob(name);
      job.state = 'failed';
      job.outputs = job.outputs.map((output) =>
        output.label === 'encode'
          ? { ...output, state: 'failed', problem: problem(options) }
          : { ...output, state: 'canceled' },
      );
    },
  };
}

const problem = ({ mayRetry }: { mayRetry: boolean }) => ({
  code: mayRetry ? 'ServiceTransientError' : 'ContentMalformed',
  category: mayRetry ? 'Service' : 'Content',
  message: 'Something is wrong with it.',
  mayRetry,
});

/** As reference §3.5, §5.4 and §5.5 have it. */
const MADE: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  encode: {
    'lecture_640x360_700.mp4': 'mp4',
    'lecture.ismc': '<SmoothStreamingMedia/>',
    'lecture_manifest.json': JSON.stringify({
      AssetFile: [
        {
          Name: 'lecture_640x360_700.mp4',
          Duration: 'PT12.5S',
          VideoTracks: [{ FourCC: 'avc1', Width: '640', Height: '360', TargetBitrate: '700' }],
          AudioTracks: [{ Codec: 'aac', Bitrate: '128', Language: 'eng' }],
        },
      ],
    }),
    'lecture.ism': '<smil/>',
  },
  images: { 'poster-000001.jpg': 'jpg', 'sprite-000001.jpg': 'jpg', 'sprite.vtt': 'WEBVTT' },
  index: {
    'insights.json': '{"insights":{}}',
    'transcript.vtt': 'WEBVTT\nLanguage: en-US\n\n00:00.000 --> 00:02.000\nhello',
  },
};
