import { type Address, fragmentOf } from './address.ts';
import { type Api, ApiProblem } from './api.ts';
import { programPath } from './snapshot.ts';
import { element, setText } from './view.ts';

/** Which of the channel's programs the page shows, and a way to another one. */
export class ProgramChoice {
  readonly #select = element('program-choice', HTMLSelectElement);
  readonly #address: Address;
  #shown = '';

  constructor(api: Api, address: Address) {
    this.#address = address;
    this.#select.addEventListener('change', () => this.#open(this.#select.value));
    const form = element('program-form', HTMLFormElement);
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      const program = element('program-name', HTMLInputElement).value.trim();
      api.put(programPath({ ...address, program }), {}).then(
        () => this.#open(program),
        (error: unknown) => setText('operation', error instanceof ApiProblem ? error.message : String(error)),
      );
    });
  }

  show(programs: readonly string[]): void {
    const { program } = this.#address;
    const shown = JSON.stringify(programs);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#select.disabled = programs.length === 0;
    this.#select.replaceChildren(
      ...programs.map((name) => new Option(name, name, name === program, name === program)),
    );
  }

  #open(program: string): void {
    location.hash = fragmentOf({ channel: this.#address.channel, program });
  }
}
