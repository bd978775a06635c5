import { type Access, fetchAccess, isEnding, isNoAccess, type NoAccess } from './access.ts';
import { AccessCard } from './access-card.ts';
import { type Address, fragmentOf, readAddress } from './address.ts';
import { type Api, ApiProblem, createApi } from './api.ts';
import { BitratePlot } from './bitrate-plot.ts';
import { Controls } from './controls.ts';
import { EncoderCard } from './encoder-card.ts';
import { Home } from './home.ts';
import { IngestTracks, type TrackReading } from './ingest-tracks.ts';
import { textAt } from './json.ts';
import { type Model, modelOf } from './model.ts';
import { openPlayer, type Player, type PlayerKind } from './player.ts';
import { nextPollMs } from './polling.ts';
import { ProgramChoice } from './program-choice.ts';
import { fetchSnapshot } from './snapshot.ts';
import { element, render, renderTracks, setText, showProblem, wireCopyButtons } from './view.ts';

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
  readonly tracks: readonly TrackReading[];
}

const FIGURES_MS = 500;
/** About one fragment. */
const TRACKS_MS = 2000;
const HOME_MS = 3000;

/** A channel's page: asks the API again and again, and plays what it says is there. */
class LivePage {
  #address: Address;
  readonly #api: Api;
  readonly #controls: Controls;
  readonly #choice: ProgramChoice;
  readonly #accessCard = new AccessCard();
  #access: { readonly of: string; readonly access: Access | NoAccess } | undefined;
  readonly #plot = new BitratePlot(element('bitrates', HTMLElement));
  readonly #ingestTracks = new IngestTracks();
  #tracks: readonly TrackReading[] = [];
  #isAskedAgain = false;
  readonly #video = element('video', HTMLVideoElement);
  #model: Model | undefined;
  #problem: string | undefined;
  #player: Player | undefined;
  /** Why there is no picture, when it is not on its way. */
  #notice: string | undefined;
  #opening = false;
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
    new EncoderCard(api, address.channel);
    this.#choice = new ProgramChoice(api, address);
  }

  start(): void {
    window.headendPage = { player: () => this.#player, state: () => this.#state() };
    for (const choice of document.querySelectorAll('input[name="player"]')) {
      choice.addEventListener('change', () => this.#runInBackground(this.#switchPlayer()));
    }
    this.#video.addEventListener('playing', () => this.#showPicture(true));
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
    const isPlayable = model.status === 'live' || model.status === 'onDemand';
    if (isPlayable && this.#player === undefined) this.#runInBackground(this.#switchPlayer());
    this.#accessCard.show(model.protection, this.#access?.access);
    const otherwise = this.#notice ?? 'The first picture is on its way';
    setText('waiting-text', isPlayable ? otherwise : 'Waiting for the encoder');
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
      const access = await this.#readAccess(model);
      if (isNoAccess(access)) {
        this.#notice = access.problem;
        return;
      }
      const url = kind === 'hls' ? model.hls : model.dash;
      if (url === '') {
        this.#notice = `Not delivered as ${kind.toUpperCase()}: choose the other player`;
        return;
      }
      this.#notice = undefined;
      this.#player = await openPlayer(kind, this.#video, { url, access });
    } finally {
      this.#opening = false;
    }
    // The choice may have changed while the player was loading.
    if (this.#player !== undefined && this.#player.kind !== chosenKind()) await this.#switchPlayer();
  }

  /** A token is asked for once, and again when it ends. */
  async #readAccess({ href, protection }: Model): Promise<Access | NoAccess> {
    const of = `${protection} ${href}`;
    const known = this.#access?.of === of ? this.#access.access : undefined;
    if (known !== undefined && !(isNoAccess(known) ? known.isPassing : isEnding(known, Date.now())))
      return known;
    const givenToken = this.#address.token;
    const access = await fetchAccess(this.#api, { program: href, protection, givenToken });
    this.#access = { of, access };
    this.#accessCard.show(protection, access);
    return access;
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
      tracks: this.#tracks,
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

async function openHome(api: Api): Promise<void> {
  element('home', HTMLElement).hidden = false;
  element('live', HTMLElement).hidden = true;
  setText('title', 'Channels');
  setText('status', 'all channels');
  const home = new Home(api);
  for (;;) {
    await home.refresh().then(
      () => showProblem(undefined),
      (error: unknown) => showProblem(error instanceof ApiProblem ? error.message : String(error)),
    );
    await new Promise((resolve) => setTimeout(resolve, HOME_MS));
  }
}

async function main(): Promise<void> {
  wireCopyButtons();
  const address = readAddress(location.hash, sessionStorage);
  if (address === undefined) {
    showProblem('This page needs its whole address, with the key: open the one that npm start prints.');
    return;
  }
  const config: unknown = await (await fetch('config.json', { cache: 'no-store' })).json();
  const api = createApi(textAt(config, 'apiBase') ?? '', address.key);
  if (address.channel === '') await openHome(api);
  else new LivePage(address, api).start();
}

// A new fragment is a new page: another program, or a new key after --fresh.
window.addEventListener('hashchange', () => location.reload());
main().catch((error: unknown) => showProblem(`The page could not start: ${String(error)}`));
