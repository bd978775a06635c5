import type { Address } from './address.ts';
import { type Api, ApiProblem } from './api.ts';
import type { PlayerKind } from './player.ts';
import { nextPollMs } from './polling.ts';
import { Screen } from './screen.ts';
import { Storyboard } from './storyboard.ts';
import { UploadCard } from './upload-card.ts';
import { VideoControls } from './video-controls.ts';
import { type VideoModel, videoModelOf } from './video-model.ts';
import { renderVideo } from './video-view.ts';
import { videoPath } from './videos.ts';
import { setText, showProblem } from './view.ts';

interface VideoPageState {
  readonly model: VideoModel | undefined;
  readonly problem: string | undefined;
  readonly player: PlayerKind | undefined;
  readonly currentTimeSeconds: number;
  readonly framesShown: number;
  /** What the captions say now. */
  readonly captions: readonly string[];
}

const TIMELINE_ENTRIES = 50;
const FIGURES_MS = 500;

/** A video's page: uploads its files where they were chosen here, shows how far it is, and plays it. */
export class VideoPage {
  readonly #api: Api;
  readonly #video: string;
  readonly #screen: Screen;
  readonly #upload: UploadCard;
  readonly #controls: VideoControls;
  readonly #storyboard: Storyboard;
  readonly #files: readonly File[];
  #model: VideoModel | undefined;
  #problem: string | undefined;
  #lastShown = '';
  #failures = 0;
  #unchanged = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(api: Api, address: Address, files: readonly File[]) {
    this.#api = api;
    this.#video = address.video;
    this.#files = files;
    this.#screen = new Screen(api, address.token, (error) =>
      showProblem(`Something went wrong: ${String(error)}`),
    );
    this.#storyboard = new Storyboard(this.#screen.video);
    this.#upload = new UploadCard(api, address.video, () => this.#askSoon());
    this.#controls = new VideoControls(api, address.video, () => this.#askSoon());
  }

  start(): void {
    window.headendPage = { player: () => this.#screen.player, state: () => this.#state() };
    setInterval(() => this.#showFigures(), FIGURES_MS);
    this.#upload.take(this.#files);
    this.#askSoon();
  }

  #askSoon(): void {
    clearTimeout(this.#timer);
    this.#unchanged = 0;
    this.#poll().catch((error: unknown) => showProblem(`Something went wrong: ${String(error)}`));
  }

  async #poll(): Promise<void> {
    const path = videoPath(this.#video);
    try {
      const [video, timeline] = await Promise.all([
        this.#api.find(path),
        this.#api.find(`${path}/timeline?limit=${TIMELINE_ENTRIES}`),
      ]);
      this.#failures = 0;
      this.#problem = video === undefined ? `There is no video “${this.#video}”.` : undefined;
      if (video !== undefined) this.#show(videoModelOf(video, timeline));
    } catch (error) {
      this.#failures += 1;
      this.#problem = error instanceof ApiProblem ? error.message : `Something went wrong: ${String(error)}`;
    }
    showProblem(this.#problem);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => this.#poll(),
      nextPollMs({
        failures: this.#failures,
        unchanged: this.#unchanged,
        isHidden: document.visibilityState === 'hidden',
      }),
    );
  }

  #show(model: VideoModel): void {
    const shown = JSON.stringify(model);
    this.#unchanged = shown === this.#lastShown ? this.#unchanged + 1 : 0;
    this.#lastShown = shown;
    this.#model = model;
    renderVideo(model, this.#upload.progress);
    this.#upload.show(model.awaited, model.state === 'awaitingUpload');
    this.#controls.show(model);
    this.#storyboard.show(model.isPlayable ? model.spritesVtt : undefined);
    this.#screen.show({
      of: { video: model.href },
      protection: model.protection,
      hls: model.hls,
      dash: model.dash,
      isPlayable: model.isPlayable,
      waitingText: waitingText(model),
      isComing: model.stages.some(({ state }) => state === 'doing'),
    });
  }

  #showFigures(): void {
    const { videoWidth, videoHeight } = this.#screen.video;
    setText('size', videoWidth > 0 ? `${videoWidth} × ${videoHeight}` : '–');
    const poster = this.#model?.poster;
    if (poster !== undefined && this.#screen.video.poster !== poster) this.#screen.video.poster = poster;
  }

  #state(): VideoPageState {
    const { video, player } = this.#screen;
    const shown = [...video.textTracks].filter(({ mode }) => mode === 'showing');
    return {
      model: this.#model,
      problem: this.#problem,
      player: player?.kind,
      currentTimeSeconds: video.currentTime,
      framesShown: video.getVideoPlaybackQuality().totalVideoFrames,
      captions: shown.flatMap(({ activeCues }) =>
        [...(activeCues ?? [])].flatMap((cue) => (cue instanceof VTTCue ? cue.text : [])),
      ),
    };
  }
}

function waitingText({ state, stages }: VideoModel): string {
  if (state === 'failed') return 'There is nothing to play: encoding has failed';
  if (state === 'unpublished' || state === 'ready') return 'Not published';
  const doing = stages.find((stage) => stage.state === 'doing');
  return doing === undefined ? 'Nothing to play yet' : `${doing.title} …`;
}
