import type Hls from 'hls.js';
import type { ErrorData } from 'hls.js';

export type PlayerKind = 'hls' | 'dash';

/** One player on the page's video element, loaded when it is chosen. */
export interface Player {
  readonly kind: PlayerKind;
  /** Wall clock of the frame that is shown, from the playlist's or manifest's own dates. */
  playingDate(): Date | undefined;
  close(): Promise<void>;
}

const RETRY_MS = 2000;

/** Plays `url` on `video`, muted; keeps trying until it is closed, since an address may be valid before its first segment is there. */
export async function openPlayer(kind: PlayerKind, video: HTMLVideoElement, url: string): Promise<Player> {
  return kind === 'hls' ? await openHls(video, url) : await openDash(video, url);
}

async function openHls(video: HTMLVideoElement, url: string): Promise<Player> {
  const { default: HlsPlayer } = await import('hls.js');
  let retry: ReturnType<typeof setTimeout> | undefined;
  const hls = new HlsPlayer({ enableWorker: false, backBufferLength: 30 });
  hls.on(HlsPlayer.Events.ERROR, (_name: string, data: ErrorData) => {
    if (!data.fatal) return;
    clearTimeout(retry);
    retry = setTimeout(() => recover(hls, HlsPlayer.ErrorTypes.MEDIA_ERROR === data.type, url), RETRY_MS);
  });
  hls.loadSource(url);
  hls.attachMedia(video);
  hls.on(HlsPlayer.Events.MANIFEST_PARSED, () => play(video));
  return {
    kind: 'hls',
    playingDate: () => hls.playingDate ?? undefined,
    close: async () => {
      clearTimeout(retry);
      hls.destroy();
    },
  };
}

function recover(hls: Hls, isMediaError: boolean, url: string): void {
  if (isMediaError) {
    hls.recoverMediaError();
    return;
  }
  hls.loadSource(url);
}

async function openDash(video: HTMLVideoElement, url: string): Promise<Player> {
  const { default: shaka } = await import('shaka-player');
  shaka.polyfill.installAll();
  const player = new shaka.Player();
  await player.attach(video);
  player.configure({ streaming: { bufferBehind: 30 } });
  let isClosed = false;
  let retry: ReturnType<typeof setTimeout> | undefined;
  const load = () => {
    player.load(url).then(
      () => play(video),
      () => {
        if (!isClosed) retry = setTimeout(load, RETRY_MS);
      },
    );
  };
  load();
  return {
    kind: 'dash',
    playingDate: () => (player.isLive() ? (player.getPlayheadTimeAsDate() ?? undefined) : undefined),
    close: async () => {
      isClosed = true;
      clearTimeout(retry);
      await player.destroy();
    },
  };
}

function play(video: HTMLVideoElement): void {
  // A browser may refuse even a muted start; the controls are there for that.
  video.play().catch(() => undefined);
}
