import { type Api, ApiProblem } from './api.ts';
import { listAt, textAt } from './json.ts';
import { programNames } from './model.ts';
import { bytesText } from './video-model.ts';
import { element, setText } from './view.ts';

const CHANNELS_MAX = 20;
const PROGRAMS_MAX = 50;
const NAME_MAX = 97;
/** As the API takes file names. */
const NOT_IN_FILE_NAMES = /[/\\:*?"<>|\p{Cc}]+/gu;

type SourceKind = 'upload' | 'url' | 'program';

/** The form for a new video: a file, an address or a recording, and what shall become of it. */
export class VideoForm {
  readonly #api: Api;
  readonly #form = element('video-form', HTMLFormElement);
  readonly #picker = element('video-files', HTMLInputElement);
  #files: readonly File[] = [];

  constructor(api: Api, onMade: (video: string, files: readonly File[]) => void) {
    this.#api = api;
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#create().then(
        (made) => {
          if (made !== undefined) onMade(made, this.#files);
        },
        (error: unknown) => this.#say(error instanceof ApiProblem ? error.message : String(error)),
      );
    });
    for (const choice of this.#form.querySelectorAll('input[name="kind"]')) {
      choice.addEventListener('change', () => this.#showKind());
    }
    this.#picker.addEventListener('change', () => this.#take([...(this.#picker.files ?? [])]));
    this.#wireDrop();
    this.#showKind();
    this.#offerProfiles().catch(() => undefined);
  }

  #say(text: string): void {
    setText('video-form-problem', text);
  }

  #kind(): SourceKind {
    const kind = new FormData(this.#form).get('kind');
    return kind === 'url' || kind === 'program' ? kind : 'upload';
  }

  #showKind(): void {
    const kind = this.#kind();
    for (const part of this.#form.querySelectorAll<HTMLElement>('[data-kind]')) {
      part.hidden = part.dataset['kind'] !== kind;
    }
    if (kind === 'program') this.#offerPrograms().catch(() => undefined);
  }

  #wireDrop(): void {
    const zone = element('drop', HTMLElement);
    const mark = (isOver: boolean) => {
      zone.dataset['over'] = String(isOver);
    };
    for (const name of ['dragenter', 'dragover']) {
      zone.addEventListener(name, (event) => {
        event.preventDefault();
        mark(true);
      });
    }
    zone.addEventListener('dragleave', () => mark(false));
    zone.addEventListener('drop', (event) => {
      event.preventDefault();
      mark(false);
      this.#take([...(event.dataTransfer?.files ?? [])]);
    });
    // Dropped beside it, a browser would open the file in the place of this page.
    for (const name of ['dragover', 'drop'] as const) {
      window.addEventListener(name, (event) => event.preventDefault());
    }
  }

  #take(files: readonly File[]): void {
    this.#files = files;
    const [first] = files;
    setText(
      'drop-text',
      first === undefined
        ? 'Drop a file here, or choose one'
        : files.map(({ name, size }) => `${name}, ${bytesText(size)}`).join(' · '),
    );
    element('drop', HTMLElement).dataset['filled'] = String(first !== undefined);
    const name = element('video-name', HTMLInputElement);
    if (first !== undefined && name.value === '') name.value = videoNameOf(first.name);
    this.#say(files.some(({ size }) => size === 0) ? 'An empty file cannot be encoded.' : '');
  }

  /** Undefined: something is missing, and the form says what. */
  async #create(): Promise<string | undefined> {
    const form = new FormData(this.#form);
    const name = textOf(form, 'video');
    const kind = this.#kind();
    const problem = problemOf(name, kind, this.#files, form);
    this.#say(problem ?? '');
    if (problem !== undefined) return undefined;
    if (kind !== 'upload') this.#files = [];
    await this.#api.put(`/videos/${encodeURIComponent(name)}`, videoBody(form, kind, this.#files));
    return name;
  }

  async #offerProfiles(): Promise<void> {
    const answer = await this.#api.get('/protection-profiles?limit=100');
    const select = element('video-protection', HTMLSelectElement);
    const known = new Set([...select.options].map(({ value }) => value));
    for (const profile of listAt(answer, 'items')) {
      const name = textAt(profile, 'name') ?? '';
      if (name !== '' && !known.has(name)) select.append(new Option(name, name));
    }
  }

  async #offerPrograms(): Promise<void> {
    const channels = listAt(await this.#api.get(`/channels?limit=${CHANNELS_MAX}`), 'items');
    const names = channels.flatMap((channel) => textAt(channel, 'name') ?? []);
    const programs = await Promise.all(
      names.map(async (channel) => {
        const path = `/channels/${encodeURIComponent(channel)}/programs?limit=${PROGRAMS_MAX}`;
        return programNames(await this.#api.get(path)).map((program) => `${channel}/${program}`);
      }),
    );
    element('recordings', HTMLElement).replaceChildren(
      ...programs.flat().map((value) => new Option(value, value)),
    );
  }
}

function problemOf(
  name: string,
  kind: SourceKind,
  files: readonly File[],
  form: FormData,
): string | undefined {
  if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name)) {
    return 'A name is lower-case letters, digits and single hyphens.';
  }
  if (kind === 'upload' && files.length === 0) return 'Choose a file first.';
  if (kind === 'upload' && files.some(({ size }) => size === 0)) return 'An empty file cannot be encoded.';
  if (kind === 'url' && !URL.canParse(textOf(form, 'url'))) return 'Give the address of a file.';
  if (kind === 'program' && !textOf(form, 'program').includes('/'))
    return 'Choose a recording: channel/program.';
  return undefined;
}

/** What the API is asked for; what is left empty is its default. */
export function videoBody(
  form: FormData,
  kind: SourceKind,
  files: readonly { readonly name: string }[],
): object {
  const language = textOf(form, 'language');
  return {
    source: sourceOf(form, kind, files),
    encoding: textOf(form, 'encoding') || 'adaptive',
    protection: textOf(form, 'protection') || 'clear',
    publish: { when: form.get('publish') === 'manual' ? 'manual' : 'ready' },
    indexing: language === '' ? null : { language, captions: true, video: form.get('insights') === 'on' },
  };
}

function sourceOf(form: FormData, kind: SourceKind, files: readonly { readonly name: string }[]): object {
  if (kind === 'url') return { url: textOf(form, 'url') };
  if (kind === 'upload') return { upload: { files: files.map(({ name }) => fileNameOf(name)) } };
  const from = durationOf(textOf(form, 'from'));
  const to = durationOf(textOf(form, 'to'));
  return {
    program: textOf(form, 'program'),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
  };
}

/** `1:02:03`, `2:03` or `90` after the beginning, as ISO 8601; anything else is left to the API to judge. */
export function durationOf(text: string): string | undefined {
  if (text === '') return undefined;
  const match = /^(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d+)?)$/.exec(text);
  if (match === null) return text;
  const [, hours = '0', minutes = '0', seconds = '0'] = match;
  return `PT${Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)}S`;
}

/** What a video may be called that is made of this file. */
export function videoNameOf(fileName: string): string {
  return fileName
    .normalize('NFKD')
    .replace(/\.[^.]*$/, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, NAME_MAX)
    .replace(/^-+|-+$/g, '');
}

/** The file's name in storage. */
export function fileNameOf(name: string): string {
  return name.replace(NOT_IN_FILE_NAMES, '_').slice(-200);
}

function textOf(form: FormData, name: string): string {
  const value = form.get(name);
  return typeof value === 'string' ? value.trim() : '';
}
