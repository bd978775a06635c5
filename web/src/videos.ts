import { fragmentOf } from './address.ts';
import { type Api, ApiProblem } from './api.ts';
import { listAt, textAt } from './json.ts';
import { VideoForm } from './video-form.ts';
import { BADGES } from './video-model.ts';
import { element, replaceRows, setText } from './view.ts';

const VIDEOS_SHOWN_MAX = 100;

export const videoPath = (video: string): string => `/videos/${encodeURIComponent(video)}`;

/** The page without a video: those that there are, and a form for another. */
export class Videos {
  readonly #api: Api;

  constructor(api: Api, onMade: (video: string, files: readonly File[]) => void) {
    this.#api = api;
    new VideoForm(api, onMade);
    element('video-list', HTMLElement).addEventListener('click', (event) => {
      const button = event.target instanceof Element ? event.target.closest('button') : null;
      const name = button?.dataset['remove'];
      if (name !== undefined && confirmRemoval(name)) this.#remove(name);
    });
  }

  async refresh(): Promise<void> {
    const videos = listAt(await this.#api.get(`/videos?limit=${VIDEOS_SHOWN_MAX}`), 'items');
    replaceRows('video-list', videos.map(videoRow));
    element('no-videos', HTMLElement).hidden = videos.length > 0;
  }

  #remove(name: string): void {
    this.#api
      .remove(videoPath(name))
      .then(() => this.refresh())
      .catch((error: unknown) =>
        setText('videos-problem', error instanceof ApiProblem ? error.message : String(error)),
      );
  }
}

export function confirmRemoval(name: string): boolean {
  return window.confirm(`Delete “${name}” with all that was made for it? Viewers are cut off.`);
}

function videoRow(video: unknown): HTMLLIElement {
  const name = textAt(video, 'name') ?? '';
  const state = textAt(video, 'state') ?? '';
  const row = document.createElement('li');
  const picture = document.createElement('span');
  picture.className = 'thumb';
  const poster = textAt(video, 'poster');
  if (poster !== undefined) {
    const image = document.createElement('img');
    image.src = poster;
    image.alt = '';
    image.loading = 'lazy';
    picture.append(image);
  }
  const title = document.createElement('span');
  const link = document.createElement('a');
  link.href = fragmentOf({ video: name });
  link.textContent = name;
  const what = document.createElement('small');
  what.textContent = textAt(video, 'error', 'reason') ?? textAt(video, 'description') ?? '';
  title.append(link, what);
  const badge = document.createElement('span');
  badge.className = 'badge';
  badge.dataset['status'] = badgeStatus(state);
  badge.textContent = BADGES[state] ?? state;
  const remove = document.createElement('button');
  remove.type = 'button';
  remove.className = 'quiet';
  remove.dataset['remove'] = name;
  remove.textContent = 'Delete';
  remove.disabled = state === 'deleting';
  remove.setAttribute('aria-label', `Delete ${name}`);
  row.append(picture, title, badge, remove);
  return row;
}

/** How a state is coloured. */
export function badgeStatus(state: string): string {
  if (state === 'published') return 'onDemand';
  return state === 'failed' ? 'failed' : 'unknown';
}
