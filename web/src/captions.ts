import type { Player, TextChoice } from './player.ts';
import { element } from './view.ts';

/** The choice of captions below the picture; the first ones are on until somebody chooses otherwise. */
export class Captions {
  readonly #field = element('captions-field', HTMLElement);
  readonly #select = element('captions', HTMLSelectElement);
  #player: Player | undefined;
  #shown = '';
  /** Undefined: nobody has chosen. Empty: none. */
  #wish: string | undefined;

  constructor() {
    this.#select.addEventListener('change', () => {
      this.#wish = labelOf(this.#select);
      this.#apply();
    });
  }

  /** Asked often: players know their texts only after a while. */
  show(player: Player | undefined): void {
    const choices = player?.texts() ?? [];
    const shown = JSON.stringify([player?.kind, choices]);
    if (shown === this.#shown && player === this.#player) return;
    this.#shown = shown;
    this.#player = player;
    this.#field.hidden = choices.length === 0;
    if (choices.length === 0) return;
    this.#select.replaceChildren(
      new Option('off', ''),
      ...choices.map(({ id, label }) => new Option(label, id)),
    );
    this.#select.value = this.#chosenOf(choices)?.id ?? '';
    this.#apply();
  }

  #chosenOf(choices: readonly TextChoice[]): TextChoice | undefined {
    if (this.#wish === undefined) return choices[0];
    return choices.find(({ label }) => label === this.#wish);
  }

  #apply(): void {
    const { value } = this.#select;
    this.#player?.showText(value === '' ? undefined : value);
  }
}

/** The other player numbers the same texts otherwise. */
const labelOf = (select: HTMLSelectElement): string =>
  select.value === '' ? '' : (select.selectedOptions[0]?.label ?? '');
