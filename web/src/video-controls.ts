import { type Api, ApiProblem } from './api.ts';
import type { VideoAction, VideoModel } from './video-model.ts';
import { confirmRemoval, videoPath } from './videos.ts';
import { element, setText } from './view.ts';

const DOING: Readonly<Record<VideoAction, string>> = {
  encode: 'Encoding is asked for',
  publish: 'Publishing',
  unpublish: 'Unpublishing',
  remove: 'Deleting',
};
const SAVED_WITHIN_MS = 10_000;
const ACTIONS: readonly VideoAction[] = ['encode', 'publish', 'unpublish', 'remove'];

/** The buttons of a video's page: each is one verb of the public API. */
export class VideoControls {
  readonly #api: Api;
  readonly #video: string;
  readonly #onDone: () => void;
  #model: VideoModel | undefined;
  #isBusy = false;

  constructor(api: Api, video: string, onDone: () => void) {
    this.#api = api;
    this.#video = video;
    this.#onDone = onDone;
    for (const action of ACTIONS) buttonOf(action).addEventListener('click', () => this.#press(action));
    element('video-files-made', HTMLElement).addEventListener('click', (event) => {
      const url = event.target instanceof HTMLElement ? event.target.dataset['open'] : undefined;
      if (url !== undefined) this.#save(url);
    });
    element('retry', HTMLButtonElement).addEventListener('click', () => this.#press('encode'));
  }

  show(model: VideoModel): void {
    this.#model = model;
    this.#update();
  }

  /** With the key, which a plain link would not bring. */
  #save(url: string): void {
    this.#api
      .download(url)
      .then((file) => {
        const link = document.createElement('a');
        link.href = URL.createObjectURL(file);
        link.download = `${this.#video}-${url.endsWith('insights') ? 'insights.json' : 'transcript.vtt'}`;
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), SAVED_WITHIN_MS);
      })
      .catch((error: unknown) => {
        setText('video-operation', error instanceof ApiProblem ? error.message : String(error));
      });
  }

  #update(): void {
    for (const action of ACTIONS) {
      buttonOf(action).disabled = this.#isBusy || this.#model?.actions[action] !== true;
    }
    element('retry', HTMLButtonElement).disabled = this.#isBusy || this.#model?.actions.encode !== true;
  }

  #press(action: VideoAction): void {
    if (this.#isBusy) return;
    if (action === 'remove' && !confirmRemoval(this.#video)) return;
    if (action === 'unpublish' && !window.confirm('Unpublish the video? Viewers are cut off.')) return;
    this.#isBusy = true;
    this.#update();
    setText('video-operation', `${DOING[action]} …`);
    this.#run(action)
      .then(
        () => setText('video-operation', ''),
        (error: unknown) => {
          setText('video-operation', error instanceof ApiProblem ? error.message : String(error));
        },
      )
      .finally(() => {
        this.#isBusy = false;
        this.#update();
        this.#onDone();
      });
  }

  async #run(action: VideoAction): Promise<void> {
    const path = videoPath(this.#video);
    if (action === 'remove') {
      await this.#api.remove(path);
      location.hash = '#videos';
      return;
    }
    // Encoding is followed by the bars.
    if (action === 'encode') await this.#api.post(`${path}/encode`, {});
    else await this.#api.run(`${path}/${action}`, undefined, () => undefined);
  }
}

function buttonOf(action: VideoAction): HTMLButtonElement {
  return element(`video-${action}`, HTMLButtonElement);
}
