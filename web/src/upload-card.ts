import { type Api, ApiProblem } from './api.ts';
import { BlockUpload, type UploadPlace, type UploadProgress } from './block-upload.ts';
import { numberAt, textAt } from './json.ts';
import { clockText } from './model.ts';
import { fileNameOf } from './video-form.ts';
import { bytesText } from './video-model.ts';
import { videoPath } from './videos.ts';
import { element, setText } from './view.ts';

const BLOCKS_MAX = 50_000;
const BLOCK_BYTES_MAX = 100 * 1024 * 1024;

/** Uploads a video's files one after the other, and lets a person pause, go on, and choose them again after a reload. */
export class UploadCard {
  readonly #api: Api;
  readonly #video: string;
  readonly #card = element('upload', HTMLElement);
  readonly #onChange: () => void;
  #awaited: readonly string[] = [];
  #queue: File[] = [];
  #upload: BlockUpload | undefined;
  #isRunning = false;
  #doneBytes = 0;
  #allBytes = 0;

  constructor(api: Api, video: string, onChange: () => void) {
    this.#api = api;
    this.#video = video;
    this.#onChange = onChange;
    element('upload-pause', HTMLButtonElement).addEventListener('click', () => this.#upload?.pause());
    element('upload-go-on', HTMLButtonElement).addEventListener('click', () => this.#start());
    const picker = element('upload-files', HTMLInputElement);
    picker.addEventListener('change', () => this.take([...(picker.files ?? [])]));
    window.addEventListener('beforeunload', (event) => {
      if (this.#isRunning) event.preventDefault();
    });
  }

  /** Begins to upload these. */
  take(files: readonly File[]): void {
    if (files.length === 0 || this.#isRunning) return;
    this.#queue = [...files];
    this.#doneBytes = 0;
    this.#allBytes = files.reduce((sum, { size }) => sum + size, 0);
    this.#start();
  }

  /** What is under way, of all files together; undefined: nothing from here. */
  get progress(): UploadProgress | undefined {
    const now = this.#upload?.progress;
    if (now === undefined) return undefined;
    return { ...now, sentBytes: this.#doneBytes + now.sentBytes, totalBytes: this.#allBytes };
  }

  /** `awaited`: names of files that have not arrived. */
  show(awaited: readonly string[], isAwaiting: boolean): void {
    this.#awaited = awaited;
    const isMine = this.#upload !== undefined;
    this.#card.hidden = !isAwaiting && !this.#isRunning;
    element('upload-choose', HTMLElement).hidden = isMine;
    setText('upload-wanted', this.#awaited.length === 0 ? 'its file' : this.#awaited.join(', '));
    this.#render();
  }

  #start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#run()
      .catch((error: unknown) => setText('upload-note', String(error)))
      .finally(() => {
        this.#isRunning = false;
        this.#render();
        this.#onChange();
      });
  }

  async #run(): Promise<void> {
    for (let file = this.#queue[0]; file !== undefined; file = this.#queue[0]) {
      const current = file;
      this.#upload = new BlockUpload({
        file: current,
        place: () => this.#place(fileNameOf(current.name)),
        onProgress: () => this.#render(),
      });
      await this.#upload.run();
      if (this.#upload.progress.state !== 'done') return;
      this.#queue.shift();
      if (this.#queue.length > 0) this.#doneBytes += current.size;
    }
  }

  async #place(file: string): Promise<UploadPlace> {
    const answer = await this.#api.post(`${videoPath(this.#video)}/upload-url`, { file });
    const url = textAt(answer, 'url');
    if (url === undefined) {
      throw new ApiProblem({
        status: 0,
        code: 'noUploadUrl',
        message: 'The API gave no place to upload to.',
      });
    }
    return {
      url,
      expiresAtMs: Date.parse(textAt(answer, 'expiresAt') ?? ''),
      blocksMax: numberAt(answer, 'blocksMax') ?? BLOCKS_MAX,
      blockBytesMax: numberAt(answer, 'blockBytesMax') ?? BLOCK_BYTES_MAX,
    };
  }

  #render(): void {
    const progress = this.progress;
    const state = progress?.state;
    const isMoving = state === 'sending' || state === 'waiting';
    element('upload-pause', HTMLElement).hidden = !isMoving;
    element('upload-go-on', HTMLElement).hidden = !(state === 'paused' || state === 'failed');
    setText('upload-note', progress === undefined ? '' : noteOf(progress));
    this.#onProgress(progress);
  }

  #onProgress(progress: UploadProgress | undefined): void {
    const row = document.querySelector<HTMLElement>('#stages li[data-stage="upload"]');
    // What the API says of it counts more.
    if (progress === undefined || row === null || row.dataset['state'] === 'done') return;
    showUploadRow(row, progress);
  }
}

/** The bar of the upload, between two answers of the API. */
function showUploadRow(row: HTMLElement, progress: UploadProgress): void {
  const percent = uploadPercent(progress);
  row.dataset['state'] = 'doing';
  const bar = row.querySelector('progress');
  if (bar !== null) bar.value = percent;
  const figure = row.querySelector('.figure');
  if (figure !== null) figure.textContent = `${Math.floor(percent)} %`;
}

export const uploadPercent = ({ sentBytes, totalBytes }: UploadProgress): number =>
  totalBytes === 0 ? 0 : (sentBytes / totalBytes) * 100;

function noteOf({ state, sentBytes, totalBytes, bytesPerSecond, problem }: UploadProgress): string {
  const amount = `${bytesText(sentBytes)} of ${bytesText(totalBytes)}`;
  if (problem !== undefined) return `${amount}. ${problem}`;
  if (state === 'paused') return `${amount}. Paused; what has been sent stays for a week.`;
  if (state === 'finishing' || state === 'done') return `${bytesText(totalBytes)} are in storage.`;
  if (bytesPerSecond === undefined) return `${amount}.`;
  const left = clockText((totalBytes - sentBytes) / bytesPerSecond);
  return `${amount}, ${bytesText(bytesPerSecond)}/s, about ${left} to go.`;
}
