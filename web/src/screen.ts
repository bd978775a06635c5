import { type Access, fetchAccess, isEnding, isNoAccess, type NoAccess, type Playable } from './access.ts';
import { AccessCard } from './access-card.ts';
import type { Api } from './api.ts';
import { Captions } from './captions.ts';
import { openPlayer, type Player, type PlayerKind } from './player.ts';
import { element, setText } from './view.ts';

/** What the screen is to show. */
export interface Showing {
  readonly of: Playable;
  readonly protection: string;
  readonly hls: string;
  readonly dash: string;
  readonly isPlayable: boolean;
  /** What stands there until there is a picture. */
  readonly waitingText: string;
  /** Whether it comes by itself. */
  readonly isComing: boolean;
}

/** The picture with its choice of player, captions and protection: plays what it is told is there. */
export class Screen {
  readonly video = element('video', HTMLVideoElement);
  readonly #api: Api;
  readonly #givenToken: string;
  readonly #onProblem: (error: unknown) => void;
  readonly #accessCard = new AccessCard();
  readonly #captions = new Captions();
  #access: { readonly of: string; readonly access: Access | NoAccess } | undefined;
  #showing: Showing | undefined;
  #player: Player | undefined;
  /** Why there is no picture, when it is not on its way. */
  #notice: string | undefined;
  #isOpening = false;

  constructor(api: Api, givenToken: string, onProblem: (error: unknown) => void) {
    this.#api = api;
    this.#givenToken = givenToken;
    this.#onProblem = onProblem;
    for (const choice of document.querySelectorAll('input[name="player"]')) {
      choice.addEventListener('change', () => this.#open());
    }
    this.video.addEventListener('playing', () => {
      element('waiting', HTMLElement).hidden = true;
    });
  }

  get player(): Player | undefined {
    return this.#player;
  }

  show(showing: Showing): void {
    this.#showing = showing;
    const { isPlayable, protection, waitingText, isComing } = showing;
    if (isPlayable && this.#player === undefined) this.#open();
    this.#accessCard.show(protection, this.#access?.access);
    this.#captions.show(this.#player);
    const otherwise = this.#notice ?? 'The first picture is on its way';
    element('pulse', HTMLElement).hidden = !isPlayable && !isComing;
    setText('waiting-text', isPlayable ? otherwise : waitingText);
  }

  #open(): void {
    this.#switchPlayer().catch(this.#onProblem);
  }

  async #switchPlayer(): Promise<void> {
    const showing = this.#showing;
    if (showing === undefined || this.#isOpening || !showing.isPlayable) return;
    this.#isOpening = true;
    try {
      await this.#player?.close();
      this.#player = undefined;
      const kind = chosenKind();
      const access = await this.#readAccess(showing);
      if (isNoAccess(access)) {
        this.#notice = access.problem;
        return;
      }
      const url = kind === 'hls' ? showing.hls : showing.dash;
      if (url === '') {
        this.#notice = `Not delivered as ${kind.toUpperCase()}: choose the other player`;
        return;
      }
      this.#notice = undefined;
      this.#player = await openPlayer(kind, this.video, { url, access });
    } finally {
      this.#isOpening = false;
    }
    // The choice may have changed while the player was loading.
    if (this.#player !== undefined && this.#player.kind !== chosenKind()) await this.#switchPlayer();
  }

  /** A token is asked for once, and again when it ends. */
  async #readAccess({ of, protection }: Showing): Promise<Access | NoAccess> {
    const key = `${protection} ${JSON.stringify(of)}`;
    const known = this.#access?.of === key ? this.#access.access : undefined;
    if (known !== undefined && !(isNoAccess(known) ? known.isPassing : isEnding(known, Date.now())))
      return known;
    const access = await fetchAccess(this.#api, { of, protection, givenToken: this.#givenToken });
    this.#access = { of: key, access };
    this.#accessCard.show(protection, access);
    return access;
  }
}

function chosenKind(): PlayerKind {
  const chosen = document.querySelector<HTMLInputElement>('input[name="player"]:checked');
  return chosen?.value === 'dash' ? 'dash' : 'hls';
}
