import { fragmentOf } from './address.ts';
import { type Api, ApiProblem } from './api.ts';
import { listAt, textAt } from './json.ts';
import { channelPath } from './snapshot.ts';
import { element, replaceRows, setText } from './view.ts';

const CHANNELS_SHOWN_MAX = 100;
const NAME = /^[a-zA-Z0-9]+(-*[a-zA-Z0-9])*$/;

/** The page without a channel: those that there are, and a form for another. */
export class Home {
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
    const form = element('channel-form', HTMLFormElement);
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#create(new FormData(form)).catch((error: unknown) => {
        setText('form-problem', error instanceof ApiProblem ? error.message : String(error));
      });
    });
  }

  async refresh(): Promise<void> {
    const channels = listAt(await this.#api.get(`/channels?limit=${CHANNELS_SHOWN_MAX}`), 'items');
    replaceRows('channels', channels.map(channelRow));
    element('no-channels', HTMLElement).hidden = channels.length > 0;
  }

  async #create(form: FormData): Promise<void> {
    const channel = text(form, 'channel');
    const program = text(form, 'program');
    if (!NAME.test(channel) || (program !== '' && !NAME.test(program))) {
      setText('form-problem', 'Names are letters, digits and hyphens, and begin with a letter or digit.');
      return;
    }
    setText('form-problem', '');
    await this.#api.put(channelPath(channel), channelBody(form));
    if (program !== '') {
      await this.#api.put(`${channelPath(channel)}/programs/${encodeURIComponent(program)}`, {
        publish: { when: form.get('publish') === 'manual' ? 'manual' : 'firstFrame' },
        protection: text(form, 'protection') || 'clear',
      });
    }
    if (form.get('start') === 'on') {
      await this.#api.run(`${channelPath(channel)}/start`, undefined, ({ step }) =>
        setText('form-problem', step),
      );
    }
    location.hash = fragmentOf({ channel, ...(program === '' ? {} : { program }) });
  }
}

/** What is left empty is the API's default. */
export function channelBody(form: FormData): object {
  const allowFrom = text(form, 'allowFrom')
    .split(/[\s,]+/)
    .filter((part) => part !== '');
  const description = text(form, 'description');
  return {
    ...(description === '' ? {} : { description }),
    ...(allowFrom.length === 0 ? {} : { allowFrom }),
    autoStop: text(form, 'autoStop') === 'never' ? null : text(form, 'autoStop') || 'PT30M',
  };
}

function text(form: FormData, name: string): string {
  const value = form.get(name);
  return typeof value === 'string' ? value.trim() : '';
}

function channelRow(channel: unknown): HTMLLIElement {
  const row = document.createElement('li');
  const name = textAt(channel, 'name') ?? '';
  const link = document.createElement('a');
  link.href = fragmentOf({ channel: name });
  link.textContent = name;
  const health = document.createElement('span');
  health.className = 'dot';
  health.dataset['level'] = textAt(channel, 'health', 'level') ?? 'unknown';
  health.title = textAt(channel, 'health', 'message') ?? '';
  const state = document.createElement('span');
  state.className = 'note';
  state.textContent = textAt(channel, 'state') ?? '';
  row.append(health, link, state);
  return row;
}
