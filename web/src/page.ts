import { type Address, fragmentOf, readAddress } from './address.ts';
import { type Api, ApiProblem, createApi } from './api.ts';
import { ChannelPage } from './channel-page.ts';
import { Home } from './home.ts';
import { textAt } from './json.ts';
import type { Player } from './player.ts';
import { VideoPage } from './video-page.ts';
import { Videos } from './videos.ts';
import { element, setText, showProblem, wireCopyButtons } from './view.ts';

declare global {
  interface Window {
    /** For whoever looks into the page from outside: a console, a test. */
    headendPage?: { readonly player: () => Player | undefined; readonly state: () => object };
  }
}

const LISTS_MS = 3000;

interface List {
  refresh(): Promise<void>;
}

/** Shows one list again and again, for as long as the page is about it. */
async function openList(part: 'home' | 'videos', title: string, list: List): Promise<void> {
  showPart(part);
  setText('title', title);
  setText('status', `all ${part === 'home' ? 'channels' : 'videos'}`);
  while (!element(part, HTMLElement).hidden) {
    await list.refresh().then(
      () => showProblem(undefined),
      (error: unknown) => showProblem(error instanceof ApiProblem ? error.message : String(error)),
    );
    await new Promise((resolve) => setTimeout(resolve, LISTS_MS));
  }
}

function showPart(part: 'home' | 'videos' | 'live'): void {
  for (const name of ['home', 'videos', 'live']) element(name, HTMLElement).hidden = name !== part;
}

function openVideo(api: Api, address: Address, files: readonly File[]): void {
  showPart('live');
  element('live', HTMLElement).dataset['about'] = 'video';
  new VideoPage(api, address, files).start();
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
  const about = address.video !== '' || (address.channel === '' && address.all === 'videos');
  element(about ? 'nav-videos' : 'nav-live', HTMLElement).setAttribute('aria-current', 'page');
  if (address.video !== '') openVideo(api, address, []);
  else if (address.channel !== '') new ChannelPage(address, api).start();
  else if (address.all === 'channels') await openList('home', 'Channels', new Home(api));
  else {
    const videos = new Videos(api, (video, files) => {
      // In place, without loading anew: the page would lose hold of the files.
      history.pushState(undefined, '', fragmentOf({ video }));
      openVideo(api, { ...address, video }, files);
    });
    await openList('videos', 'On demand', videos);
  }
}

// A new fragment is a new page: another program, or a new key after --fresh.
window.addEventListener('hashchange', () => location.reload());
main().catch((error: unknown) => showProblem(`The page could not start: ${String(error)}`));
