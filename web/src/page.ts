import { type Address, readAddress } from './address.ts';
import { ApiProblem, fetchSnapshot } from './api.ts';
import { textAt } from './json.ts';
import { type Model, modelOf } from './model.ts';
import { openPlayer, type Player, type PlayerKind } from './player.ts';
import { nextPollMs } from './polling.ts';
import { element, render, setText, showProblem, wireCopyButtons } from './view.ts';

declare global {
  interface Window {
    /** For whoever looks into the page from outside: a console, a test. */
    headendPage?: { readonly player: () => Player | undefined; readonly state: () => PageState };
  }
}

interface PageState {
  readonly model: Model | undefined;
  readonly problem: string | undefined;
  readonly player: PlayerKind | undefined;
  readonly latencySeconds: number | undefined;
  readonly currentTimeSeconds: number;
  readonly framesShown: number;
}

const FIGURES_MS = 500;

/** The page: asks the API again and again, and plays what it says is there. */
class LivePage {
  readonly #address: Address;
  readonly #apiBase: string;
  readonly #video = element('video', HTMLVideoElement);
  #model: Model | undefined;
  #problem: string | undefined;
  #player: Player | undefined;
  #opening = false;
  #latencySeconds: number | undefined;
  #failures = 0;
  #unchanged = 0;
  #lastShown = '';

  constructor(address: Address, apiBase: string) {
    this.#address = address;
    this.#apiBase = apiBase;
  }

  start(): void {
    window.headendPage = { player: () => this.#player, state: () => this.#state() };
    for (const choice of document.querySelectorAll('input[name="player"]')) {
      choice.addEventListener('change', () => this.#runInBackground(this.#switchPlayer()));
    }
    this.#video.addEventListener('playing', () => this.#showPicture(true));
    setInterval(() => this.#showFigures(), FIGURES_MS);
    this.#runInBackground(this.#poll());
  }

  async #poll(): Promise<void> {
    try {
      const model = modelOf(await fetchSnapshot(this.#apiBase, this.#address));
      this.#failures = 0;
      this.#problem = undefined;
      this.#show(model);
    } catch (error) {
      this.#failures += 1;
      this.#problem = error instanceof ApiProblem ? error.message : `Something went wrong: ${String(error)}`;
    }
    showProblem(this.#problem);
    const waitMs = nextPollMs({
      failures: this.#failures,
      unchanged: this.#unchanged,
      isHidden: document.visibilityState === 'hidden',
    });
    setTimeout(() => this.#runInBackground(this.#poll()), waitMs);
  }

  #show(model: Model): void {
    const shown = JSON.stringify([model.status, model.steps, model.health, model.timeline]);
    this.#unchanged = shown === this.#lastShown ? this.#unchanged + 1 : 0;
    this.#lastShown = shown;
    this.#model = model;
    render(model);
    const isPlayable = model.status === 'live' || model.status === 'onDemand';
    if (isPlayable && this.#player === undefined) this.#runInBackground(this.#switchPlayer());
    setText('waiting-text', isPlayable ? 'The first picture is on its way' : 'Waiting for the encoder');
  }

  async #switchPlayer(): Promise<void> {
    const model = this.#model;
    if (model === undefined || this.#opening || (model.status !== 'live' && model.status !== 'onDemand'))
      return;
    this.#opening = true;
    try {
      await this.#player?.close();
      this.#player = undefined;
      this.#latencySeconds = undefined;
      const kind = chosenKind();
      this.#player = await openPlayer(kind, this.#video, kind === 'hls' ? model.hls : model.dash);
    } finally {
      this.#opening = false;
    }
    // The choice may have changed while the player was loading.
    if (this.#player.kind !== chosenKind()) await this.#switchPlayer();
  }

  #showPicture(isThere: boolean): void {
    element('waiting', HTMLElement).hidden = isThere;
  }

  #showFigures(): void {
    const date = this.#model?.status === 'live' ? this.#player?.playingDate() : undefined;
    this.#latencySeconds = date === undefined ? undefined : (Date.now() - date.getTime()) / 1000;
    setText('latency', this.#latencySeconds === undefined ? '–' : `${this.#latencySeconds.toFixed(1)} s`);
    const { videoWidth, videoHeight } = this.#video;
    setText('size', videoWidth > 0 ? `${videoWidth} × ${videoHeight}` : '–');
  }

  #state(): PageState {
    return {
      model: this.#model,
      problem: this.#problem,
      player: this.#player?.kind,
      latencySeconds: this.#latencySeconds,
      currentTimeSeconds: this.#video.currentTime,
      framesShown: this.#video.getVideoPlaybackQuality().totalVideoFrames,
    };
  }

  #runInBackground(work: Promise<void>): void {
    work.catch((error: unknown) => {
      this.#problem = `Something went wrong: ${String(error)}`;
      showProblem(this.#problem);
    });
  }
}

function chosenKind(): PlayerKind {
  const chosen = document.querySelector<HTMLInputElement>('input[name="player"]:checked');
  return chosen?.value === 'dash' ? 'dash' : 'hls';
}

async function main(): Promise<void> {
  wireCopyButtons();
  const address = readAddress(location.hash, sessionStorage);
  if (address === undefined) {
    showProblem('This page needs its whole address, with the key: open the one that npm start prints.');
    return;
  }
  const config: unknown = await (await fetch('config.json', { cache: 'no-store' })).json();
  new LivePage(address, textAt(config, 'apiBase') ?? '').start();
}

// A new fragment is a new page: another program, or a new key after --fresh.
window.addEventListener('hashchange', () => location.reload());
main().catch((error: unknown) => showProblem(`The page could not start: ${String(error)}`));
