import type { ActionName, Actions } from './actions.ts';
import type { Address } from './address.ts';
import { type Api, ApiProblem, type OperationProgress } from './api.ts';
import { channelPath, programPath, scalePath } from './snapshot.ts';
import { element, setText } from './view.ts';

interface Verb {
  readonly doing: string;
  readonly done: string;
  path(address: Address): string;
  body?(): object;
  /** A question to answer first, undefined when it can be undone. */
  readonly question?: string;
}

const VERBS: Readonly<Record<ActionName, Verb>> = {
  start: {
    doing: 'Starting',
    done: 'Started: the encoder can connect.',
    path: ({ channel }) => `${channelPath(channel)}/start`,
  },
  stop: {
    doing: 'Stopping',
    done: 'Stopped.',
    path: ({ channel }) => `${channelPath(channel)}/stop`,
    body: () => ({ finishPrograms: true }),
    question: 'Stop the channel? Its encoder is disconnected, and programs that record are finished.',
  },
  finish: {
    doing: 'Finishing',
    done: 'Finished: the same address is on demand now.',
    path: (address) => `${programPath(address)}/finish`,
    question: 'Finish the program? The recording ends here; viewers keep the same address.',
  },
  publish: {
    doing: 'Publishing',
    done: 'Published.',
    path: (address) => `${programPath(address)}/publish`,
  },
  unpublish: {
    doing: 'Unpublishing',
    done: 'No longer published.',
    path: (address) => `${programPath(address)}/unpublish`,
    question: 'Unpublish the program? Viewers are cut off; the recording goes on.',
  },
  scale: {
    doing: 'Scaling',
    done: 'Scaled.',
    path: () => scalePath,
    body: () => ({ units: Number(element('scale-units', HTMLInputElement).value) }),
  },
};

const ACTION_NAMES: readonly ActionName[] = ['start', 'stop', 'finish', 'publish', 'unpublish', 'scale'];

/** The page's buttons: each is one verb of the public API, followed until its operation is over. */
export class Controls {
  readonly #api: Api;
  readonly #address: () => Address;
  readonly #onDone: () => void;
  #actions: Actions | undefined;
  #running: ActionName | undefined;

  constructor(api: Api, address: () => Address, onDone: () => void) {
    this.#api = api;
    this.#address = address;
    this.#onDone = onDone;
    for (const name of ACTION_NAMES) {
      buttonOf(name).addEventListener('click', () => this.#press(name));
    }
  }

  show(actions: Actions, scaleUnits: number | undefined): void {
    this.#actions = actions;
    this.#update();
    const input = element('scale-units', HTMLInputElement);
    if (document.activeElement !== input && scaleUnits !== undefined && this.#running !== 'scale') {
      input.value = String(scaleUnits);
    }
    setText(
      'scale-now',
      scaleUnits === undefined ? '' : `now ${scaleUnits === 0 ? '0, one process' : scaleUnits}`,
    );
  }

  #press(name: ActionName): void {
    const { question } = VERBS[name];
    if (this.#running !== undefined || (question !== undefined && !window.confirm(question))) return;
    this.#running = name;
    this.#update();
    this.#run(name)
      .then((text) => say(text, 'done'))
      .catch((error: unknown) => {
        say(error instanceof ApiProblem ? error.message : `Something went wrong: ${String(error)}`, 'failed');
      })
      .finally(() => {
        this.#running = undefined;
        this.#update();
        this.#onDone();
      });
  }

  async #run(name: ActionName): Promise<string> {
    const { doing, done, path, body } = VERBS[name];
    say(`${doing} …`, 'running');
    await this.#api.run(path(this.#address()), body?.(), ({ step, percentComplete }: OperationProgress) =>
      say(`${doing}: ${step} (${percentComplete} %)`, 'running'),
    );
    return done;
  }

  #update(): void {
    for (const name of ACTION_NAMES) {
      buttonOf(name).disabled = this.#running !== undefined || this.#actions?.[name] !== true;
    }
  }
}

function buttonOf(name: ActionName): HTMLButtonElement {
  return element(`do-${name}`, HTMLButtonElement);
}

function say(text: string, state: 'running' | 'done' | 'failed'): void {
  setText('operation', text);
  element('operation', HTMLElement).dataset['state'] = state;
}
