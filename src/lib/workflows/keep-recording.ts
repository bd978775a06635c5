import { assetNameOf, type Program } from '../domain/program.ts';
import type { Video } from '../domain/video.ts';
import { newVideo } from './api-videos.ts';
import type { ProfileUsers } from './protection-ports.ts';
import type { Clock, DueIndex } from './stores.ts';
import type { VideoStore } from './video-ports.ts';

interface Dependencies {
  readonly videos: VideoStore;
  readonly videoDue: DueIndex;
  readonly profileUsers: ProfileUsers;
  readonly clock: Clock;
  readonly random: { guid(): string };
}

/**
 * What a deleted program leaves: a video `{channel}-{program}` with its recording, its addresses and its keys, closed
 * until somebody publishes it. False: there is nothing to keep, or another video has the name.
 */
export async function keepRecording(program: Program, deps: Dependencies): Promise<boolean> {
  if (program.deleted !== 'keepRecording' || program.firstFrameAtMs === null) return false;
  const name = assetNameOf(program.channel, program.name);
  const existing = await deps.videos.find(name);
  if (existing !== undefined) return existing.value.id === program.id;
  await deps.profileUsers.add(program.settings.protection, { video: name });
  await deps.videoDue.set(name, deps.clock.now());
  if ((await deps.videos.save(videoOf(program, name, deps), undefined)) !== undefined) return true;
  return keepRecording(program, deps);
}

function videoOf(program: Program, name: string, deps: Dependencies): Video {
  const { channel, settings, firstFrameAtMs, finishedAtMs } = program;
  const source = { program: { channel, program: program.name }, from: null, to: null };
  const { description, protection, labels } = settings;
  const wanted = {
    ...{ description, source, protection, labels, encoding: 'copy', priority: 'normal' as const },
    publish: { when: 'manual', until: null },
    indexing: null,
    poster: false,
  };
  const fresh = newVideo(
    { name, id: program.id, settings: wanted, sourceMark: null, sourceAsset: program.assetName },
    deps,
  );
  const isWhole = finishedAtMs !== null && firstFrameAtMs !== null;
  return {
    ...fresh,
    ownsSource: true,
    encodeWanted: false,
    manifestName: program.manifestName,
    locatorId: program.locatorId,
    contentKeys: program.contentKeys,
    media: {
      attempt: 0,
      transform: '',
      asset: program.assetName,
      durationMs: isWhole ? finishedAtMs - firstFrameAtMs : null,
      renditions: [],
      files: [],
      poster: null,
      sprites: null,
      captions: [],
      transcript: null,
      insights: null,
    },
  };
}
