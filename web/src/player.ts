import type Hls from 'hls.js';
import type { ErrorData, HlsConfig } from 'hls.js';
import { type Access, bringsToken, clearKeyOf } from './access.ts';

export type PlayerKind = 'hls' | 'dash';

/** One player on the page's video element, loaded when it is chosen. */
export interface Player {
  readonly kind: PlayerKind;
  /** Wall clock of the frame that is shown, from the playlist's or manifest's own dates. */
  playingDate(): Date | undefined;
  /** The captions and subtitles that there are, known once it plays. */
  texts(): readonly TextChoice[];
  /** Undefined: none. */
  showText(id: string | undefined): void;
  close(): Promise<void>;
}

export interface TextChoice {
  readonly id: string;
  readonly label: string;
}

const RETRY_MS = 2000;

export interface Source {
  readonly url: string;
  readonly access: Access;
}

/** Plays an address on `video`, muted, asking for keys with the token; keeps trying until it is closed, since an address may be valid before its first segment is there. */
export async function openPlayer(kind: PlayerKind, video: HTMLVideoElement, source: Source): Promise<Player> {
  // Shaka Player reads the key id of Clear Key where it always is; hls.js, only in `pssh` boxes that a browser hands on.
  const isForHlsJs = kind === 'hls' && clearKeyOf(source.access, source.url) === undefined;
  return isForHlsJs ? await openHls(video, source) : await openShaka(kind, video, source);
}

const CLEAR_KEY = 'org.w3.clearkey';
/** In the brackets of an HLS address: Shaka Player knows Clear Key there by the address of the key itself. */
const IDENTITY_KEYS = ',keyformat=identity';

/** Only requests for keys bring the token. */
function hlsKeys({ access }: Source): Partial<HlsConfig> {
  return {
    xhrSetup(xhr, address) {
      if (!bringsToken(access, address)) return;
      // hls.js opens a request that this has not opened: its own way to set a header.
      if (xhr.readyState === XMLHttpRequest.UNSENT) xhr.open('GET', address, true);
      xhr.setRequestHeader('Authorization', `Bearer ${access.token}`);
    },
  };
}

async function openHls(video: HTMLVideoElement, source: Source): Promise<Player> {
  const { url } = source;
  const { default: HlsPlayer } = await import('hls.js');
  let retry: ReturnType<typeof setTimeout> | undefined;
  const hls = new HlsPlayer({ enableWorker: false, backBufferLength: 30, ...hlsKeys(source) });
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
    texts: () =>
      hls.subtitleTracks.map(({ id, name, lang }) => ({ id: String(id), label: labelOf(name, lang) })),
    showText(id) {
      hls.subtitleDisplay = id !== undefined;
      hls.subtitleTrack = id === undefined ? -1 : Number(id);
    },
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

async function openShaka(
  kind: PlayerKind,
  video: HTMLVideoElement,
  { url, access }: Source,
): Promise<Player> {
  const { default: shaka } = await import('shaka-player');
  shaka.polyfill.installAll();
  const player = new shaka.Player();
  await player.attach(video);
  player.configure({ streaming: { bufferBehind: 30 } });
  const clearKey = clearKeyOf(access, url);
  if (clearKey !== undefined) player.configure({ drm: { servers: { [CLEAR_KEY]: clearKey } } });
  player.getNetworkingEngine()?.registerRequestFilter((_type, request) => {
    if (request.uris.some((uri) => bringsToken(access, uri)))
      request.headers['Authorization'] = `Bearer ${access.token}`;
  });
  const isIdentity = kind === 'hls' && clearKey !== undefined;
  const address = isIdentity ? url.replace(/(?=\)[^()]*$)/, IDENTITY_KEYS) : url;
  let isClosed = false;
  let retry: ReturnType<typeof setTimeout> | undefined;
  const load = () => {
    player.load(address).then(
      () => play(video),
      () => {
        if (!isClosed) retry = setTimeout(load, RETRY_MS);
      },
    );
  };
  load();
  return {
    kind,
    texts: () =>
      player
        .getTextTracks()
        .map(({ id, label, language }) => ({ id: String(id), label: labelOf(label ?? '', language) })),
    showText(id) {
      player.selectTextTrack(player.getTextTracks().find((track) => String(track.id) === id) ?? null);
    },
    playingDate: () => (player.isLive() ? (player.getPlayheadTimeAsDate() ?? undefined) : undefined),
    close: async () => {
      isClosed = true;
      clearTimeout(retry);
      await player.destroy();
    },
  };
}

function labelOf(name: string, language: string | undefined): string {
  return name || language || 'captions';
}

function play(video: HTMLVideoElement): void {
  // A browser may refuse even a muted start; the controls are there for that.
  video.play().catch(() => undefined);
}
