import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { type Browser, chromium, type Page } from 'playwright-core';
import { READ_COUNTER_SOURCE } from './counter-reader.ts';
import { CHROMIUM_FLAGS } from './player-page.ts';

const require = createRequire(import.meta.url);

/** How one of the players is asked to play one presentation. */
export interface PlayRequest {
  readonly player: 'hls.js' | 'shaka' | 'dash.js';
  readonly url: string;
  /** Goes with requests for keys and licenses, never with those for media. */
  readonly token?: string | undefined;
  /** Where Clear Key licenses are fetched, when the manifest does not say. */
  readonly licenseUrl?: string | undefined;
}

export interface PlayReport {
  readonly errors: readonly string[];
  /** Burnt-in numbers of the frames that were shown; of what a key system decrypts a page reads black, so 0. */
  readonly counters: readonly number[];
  readonly currentTimeSeconds: number;
}

const PAGE = `<!doctype html><meta charset="utf-8"><title>player</title>
<body style="margin:0;background:#000"><video id="video" muted playsinline style="display:block"></video>
<script src="/hls.js"></script><script src="/shaka.js"></script><script src="/dash.js"></script><script src="/mss.js"></script>
<script>
${READ_COUNTER_SOURCE}
const video = document.getElementById('video');
const report = { errors: [], counters: [] };
const CLEAR_KEY = 'org.w3.clearkey';
let shownTime = -1;
const onFrame = (_, { mediaTime }) => {
  if (mediaTime !== shownTime) {
    shownTime = mediaTime;
    report.counters.push(readCounter(video, video.videoWidth, video.videoHeight));
  }
  video.requestVideoFrameCallback(onFrame);
};
video.requestVideoFrameCallback(onFrame);
video.addEventListener('error', () => report.errors.push('media error ' + video.error?.message));
const isMedia = (url) => /Fragments|manifest/i.test(url);
const players = {
  'hls.js'({ url, token, licenseUrl }) {
    const authorize = (xhr, target) => {
      if (token && !isMedia(target)) xhr.setRequestHeader('Authorization', 'Bearer ' + token);
    };
    const hls = new Hls({
      xhrSetup: authorize,
      ...(licenseUrl ? { emeEnabled: true, drmSystems: { [CLEAR_KEY]: { licenseUrl } }, licenseXhrSetup: authorize } : {}),
    });
    hls.on(Hls.Events.ERROR, (_, data) => { if (data.fatal) report.errors.push(data.details); });
    hls.loadSource(url);
    hls.attachMedia(video);
  },
  async shaka({ url, token, licenseUrl }) {
    shaka.polyfill.installAll();
    const player = new shaka.Player();
    await player.attach(video);
    player.addEventListener('error', (event) => report.errors.push('shaka ' + event.detail.code));
    if (licenseUrl) player.configure({ drm: { servers: { [CLEAR_KEY]: licenseUrl } } });
    const { LICENSE, KEY } = shaka.net.NetworkingEngine.RequestType;
    player.getNetworkingEngine().registerRequestFilter((type, request) => {
      if (token && (type === LICENSE || type === KEY)) request.headers.Authorization = 'Bearer ' + token;
    });
    await player.load(url).catch((error) => report.errors.push('shaka ' + error.code));
  },
  'dash.js'({ url, token, licenseUrl }) {
    const player = dashjs.MediaPlayer().create();
    player.updateSettings({ debug: { logLevel: 0 } });
    player.initialize();
    player.on('error', ({ error }) => report.errors.push('dash.js ' + (error?.code ?? error)));
    player.on('public_keyError', (event) => report.errors.push('dash.js key ' + (event.error?.code ?? '')));
    if (licenseUrl) {
      const httpRequestHeaders = token ? { Authorization: 'Bearer ' + token } : {};
      player.setProtectionData({ [CLEAR_KEY]: { serverURL: licenseUrl, httpRequestHeaders, priority: 0 } });
    }
    player.attachView(video);
    player.setAutoPlay(true);
    player.attachSource(url);
  },
};
globalThis.playProtected = async (request) => {
  await players[request.player](request);
  // dash.js starts by itself, and knows of no start but its own: it would never load the manifest again.
  if (request.player !== 'dash.js') video.play().catch(() => {});
};
globalThis.readPicture = async (base64) => {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
  return readCounter(bitmap, bitmap.width, bitmap.height);
};
globalThis.readProtectedReport = () => ({ ...report, currentTimeSeconds: video.currentTime });
</script>`;

/** A real browser that plays what needs keys, by three players. */
export class ProtectedPlayerBrowser {
  readonly #browser: Browser;
  readonly #server: Server;

  private constructor(browser: Browser, server: Server) {
    this.#browser = browser;
    this.#server = server;
  }

  static async open(): Promise<ProtectedPlayerBrowser> {
    const scripts = {
      '/hls.js': 'hls.js/dist/hls.min.js',
      '/shaka.js': 'shaka-player/dist/shaka-player.compiled.js',
      '/dash.js': 'dashjs',
      '/mss.js': 'dashjs/mss',
    };
    const files = new Map([['/', PAGE]]);
    for (const [path, name] of Object.entries(scripts)) {
      files.set(path, await readFile(require.resolve(name), 'utf8'));
    }
    const server = createServer((request, response) => {
      const body = files.get(request.url ?? '');
      const type = request.url === '/' ? 'text/html' : 'text/javascript';
      response.writeHead(body === undefined ? 404 : 200, { 'content-type': type });
      response.end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: CHROMIUM_FLAGS });
    return new ProtectedPlayerBrowser(browser, server);
  }

  async play(request: PlayRequest): Promise<ProtectedPage> {
    const page = await this.#browser.newPage({ viewport: { width: 320, height: 180 } });
    const { port } = this.#server.address() as AddressInfo; // a TCP server: never a string
    await page.goto(`http://127.0.0.1:${port}/`);
    await page.evaluate((asked) => globalThis.playProtected(asked), request);
    return new ProtectedPage(page);
  }

  async close(): Promise<void> {
    await this.#browser.close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export class ProtectedPage {
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
  }

  report(): Promise<PlayReport> {
    return this.#page.evaluate(() => globalThis.readProtectedReport());
  }

  /** The number that a screenshot of the video shows: what the viewer sees, decrypted by whomever. */
  async counterInScreenshot(): Promise<number> {
    const picture = await this.#page.locator('#video').screenshot();
    return this.#page.evaluate((base64) => globalThis.readPicture(base64), picture.toString('base64'));
  }

  close(): Promise<void> {
    return this.#page.close();
  }
}

declare global {
  var playProtected: (request: PlayRequest) => Promise<void>;
  var readProtectedReport: () => PlayReport;
}
