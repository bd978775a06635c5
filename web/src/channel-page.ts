import { type Address, fragmentOf } from './address.ts';
import { type Api, ApiProblem } from './api.ts';
import { BitratePlot } from './bitrate-plot.ts';
import { Controls } from './controls.ts';
import { EncoderCard } from './encoder-card.ts';
import { IngestTracks, type TrackReading } from './ingest-tracks.ts';
import { type Model, modelOf } from './model.ts';
import type { PlayerKind } from './player.ts';
import { nextPollMs } from './polling.ts';
import { ProgramChoice } from './program-choice.ts';
import { Screen } from './screen.ts';
import { fetchSnapshot } from './snapshot.ts';
import { element, render, renderTracks, setText, showProblem } from './view.ts';

interface PageState {
  readonly model: Model | undefined;
  readonly problem: string | undefined;
  readonly player: PlayerKind | undefined;
  readonly latencySeconds: number | undefined;
  readonly currentTimeSeconds: number;
  readonly framesShown: number;
  readonly tracks: readonly TrackReading[];
}

const FIGURES_MS = 500;
/** About one fragment. */
const TRACKS_MS = 2000;

/** A channel's page: asks the API again and again, and plays what it says is there. */
export class ChannelPage {
  #address: Address;
  readonly #api: Api;
  readonly #controls: Controls;
  readonly #choice: ProgramChoice;
  readonly #screen: Screen;
  readonly #plot = new BitratePlot(element('bitrates', HTMLElement));
  readonly #ingestTracks = new IngestTracks();
  #tracks: readonly TrackReading[] = [];
  #isAskedAgain = false;
  #model: Model | undefined;
  #problem: string | undefined;
  #latencySeconds: number | undefined;
  #failures = 0;
  #unchanged = 0;
  #lastShown = '';

  constructor(address: Address, api: Api) {
    this.#address = address;
    this.#api = api;
    this.#controls = new Controls(
      api,
      () => this.#address,
      () => this.#askSoon(),
    );
    this.#screen = new Screen(api, address.token, (error) => this.#fail(error));
    new EncoderCard(api, address.channel);
    this.#choice = new ProgramChoice(api, address);
  }

  start(): void {
    window.headendPage = { player: () => this.#screen.player, state: () => this.#state() };
    setInterval(() => this.#showFigures(), FIGURES_MS);
    this.#runInBackground(this.#poll());
    this.#runInBackground(this.#followTracks());
  }

  /** Whoever pressed a button looks for what it did. */
  #askSoon(): void {
    this.#unchanged = 0;
    this.#isAskedAgain = true;
    this.#runInBackground(this.#poll());
  }

  async #poll(): Promise<void> {
    try {
      const model = modelOf(await fetchSnapshot(this.#api, this.#address));
      const [newest] = model.programs;
      // Opened without one: the newest, once there is any.
      if (this.#address.program === '' && newest !== undefined) {
        location.hash = fragmentOf({ channel: this.#address.channel, program: newest });
        return;
      }
      this.#failures = 0;
      this.#problem = undefined;
      this.#show(model);
    } catch (error) {
      this.#failures += 1;
      this.#problem = error instanceof ApiProblem ? error.message : `Something went wrong: ${String(error)}`;
    }
    showProblem(this.#problem);
    if (this.#isAskedAgain) {
      // The round that was under way already asks on.
      this.#isAskedAgain = false;
      return;
    }
    const waitMs = nextPollMs({
      failures: this.#failures,
      unchanged: this.#unchanged,
      isHidden: document.visibilityState === 'hidden',
    });
    setTimeout(() => this.#runInBackground(this.#poll()), waitMs);
  }

  async #followTracks(): Promise<void> {
    const { previewHls } = this.#model ?? {};
    const isSeen = document.visibilityState === 'visible';
    if (isSeen) {
      // It may have stopped since the API said that it sends.
      this.#tracks =
        previewHls === undefined ? [] : await this.#ingestTracks.look(previewHls).catch(() => []);
      renderTracks(this.#tracks);
      this.#plot.show(this.#tracks);
    }
    setTimeout(() => this.#runInBackground(this.#followTracks()), TRACKS_MS);
  }

  #show(model: Model): void {
    this.#controls.show(model.actions, model.scaleUnits);
    this.#choice.show(model.programs);
    const shown = JSON.stringify([model.status, model.steps, model.health, model.timeline, model.actions]);
    this.#unchanged = shown === this.#lastShown ? this.#unchanged + 1 : 0;
    this.#lastShown = shown;
    this.#model = model;
    render(model);
    this.#screen.show({
      of: { program: model.href },
      protection: model.protection,
      hls: model.hls,
      dash: model.dash,
      isPlayable: model.status === 'live' || model.status === 'onDemand',
      waitingText: 'Waiting for the encoder',
      isComing: true,
    });
  }

  #showFigures(): void {
    const date = this.#model?.status === 'live' ? this.#screen.player?.playingDate() : undefined;
    this.#latencySeconds = date === undefined ? undefined : (Date.now() - date.getTime()) / 1000;
    setText('latency', this.#latencySeconds === undefined ? '–' : `${this.#latencySeconds.toFixed(1)} s`);
    const { videoWidth, videoHeight } = this.#screen.video;
    setText('size', videoWidth > 0 ? `${videoWidth} × ${videoHeight}` : '–');
  }

  #state(): PageState {
    return {
      model: this.#model,
      problem: this.#problem,
      player: this.#screen.player?.kind,
      latencySeconds: this.#latencySeconds,
      currentTimeSeconds: this.#screen.video.currentTime,
      framesShown: this.#screen.video.getVideoPlaybackQuality().totalVideoFrames,
      tracks: this.#tracks,
    };
  }

  #runInBackground(work: Promise<void>): void {
    work.catch((error: unknown) => this.#fail(error));
  }

  #fail(error: unknown): void {
    this.#problem = `Something went wrong: ${String(error)}`;
    showProblem(this.#problem);
  }
}
