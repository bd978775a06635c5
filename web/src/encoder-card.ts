import { type Api, ApiProblem } from './api.ts';
import { listAt, textAt } from './json.ts';
import { obsProfileZip } from './obs-profile.ts';
import { channelPath } from './snapshot.ts';
import { element, setText } from './view.ts';

const SECURE = /^rtmps:/;

/** Server and stream key of a channel: shown and downloaded on demand, never before. */
export class EncoderCard {
  readonly #api: Api;
  readonly #channel: string;

  constructor(api: Api, channel: string) {
    this.#api = api;
    this.#channel = channel;
    element('show-key', HTMLButtonElement).addEventListener('click', () => this.#press(() => this.#reveal()));
    element('obs-form', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      this.#press(() => this.#download());
    });
  }

  #press(work: () => Promise<void>): void {
    setText('encoder-note', '');
    work().catch((error: unknown) => {
      setText('encoder-note', error instanceof ApiProblem ? error.message : String(error));
    });
  }

  async #reveal(): Promise<void> {
    const { server, streamKey } = await this.#readKey(false);
    setText('encoder-server', server);
    setText('encoder-key', streamKey);
    element('encoder-addresses', HTMLElement).hidden = false;
  }

  async #download(): Promise<void> {
    const form = new FormData(element('obs-form', HTMLFormElement));
    const { server, streamKey } = await this.#readKey(form.get('secure') === 'on');
    const zip = obsProfileZip({
      channel: this.#channel,
      server,
      streamKey,
      videoKbps: Number(form.get('kbps')),
      height: form.get('height') === '1080' ? 1080 : 720,
      framesPerSecond: Number(form.get('fps')),
    });
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([zip], { type: 'application/zip' }));
    link.download = `headend-${this.#channel}-obs-profile.zip`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  async #readKey(wantsSecure: boolean): Promise<{ server: string; streamKey: string }> {
    const answer = await this.#api.get(`${channelPath(this.#channel)}/stream-key`);
    const servers = listAt(answer, 'servers');
    const isWanted = (server: unknown) => SECURE.test(textAt(server, 'server') ?? '') === wantsSecure;
    const server = textAt(servers.find(isWanted) ?? servers[0], 'server');
    const streamKey = textAt(answer, 'streamKey');
    if (server === undefined || streamKey === undefined) {
      throw new ApiProblem({
        status: 0,
        code: 'notStarted',
        message: 'Start the channel first: it has no address yet.',
      });
    }
    return { server, streamKey };
  }
}
