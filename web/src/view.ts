import { trackColour } from './bitrate-plot.ts';
import type { TrackReading } from './ingest-tracks.ts';
import { clockText, type Model, type Step, type TimelineRow } from './model.ts';
import { bitrateText } from './plot-data.ts';

const BADGES: Readonly<Record<Model['status'], string>> = {
  unknown: 'connecting',
  waiting: 'waiting',
  live: 'live',
  onDemand: 'on demand',
  notPublished: 'not published',
};

const NOTES: Readonly<Record<Model['status'], string>> = {
  unknown: 'Asking the API …',
  waiting: 'Already valid, and it stays the same. Waiting for the encoder.',
  live: 'Live. The same address becomes on-demand when the program is finished.',
  onDemand: 'On demand: the same address as during the show.',
  notPublished: 'Valid, but not published.',
};

/** What must be on the page: looked up once, so that a mistake in the markup shows at once. */
export function element<T extends Element>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} "${id}"`);
  return found;
}

/** Shows a model; touches only what changed, so that nothing flickers and nothing is announced twice. */
export function render(model: Model): void {
  setText('title', model.program === '' ? model.channel : `${model.channel} / ${model.program}`);
  setText('status', BADGES[model.status]);
  element('status', HTMLElement).dataset['status'] = model.status;
  setText('address-note', NOTES[model.status]);
  setText('hls-address', model.hls);
  setText('dash-address', model.dash);
  setText('health', model.health.sentence);
  element('health', HTMLElement).dataset['level'] = model.health.level;
  setText('recorded', model.recordedSeconds === undefined ? '–' : clockText(model.recordedSeconds));
  replaceRows('steps', model.steps.map(stepRow));
  replaceRows('timeline', model.timeline.map(timelineRow));
  document.title = `${BADGES[model.status]} · ${model.channel} · Headend`;
}

/** The colour, name and newest bitrate of each track; the plot's legend. */
export function renderTracks(readings: readonly TrackReading[]): void {
  element('no-tracks', HTMLElement).hidden = readings.length > 0;
  replaceRows('tracks', readings.map(trackRow));
}

function trackRow({ track, points }: TrackReading, index: number): HTMLLIElement {
  const row = document.createElement('li');
  const colour = document.createElement('span');
  colour.className = 'swatch';
  colour.style.background = trackColour(index);
  const title = document.createElement('span');
  title.append(track.title, small(track.detail));
  const newest = document.createElement('span');
  newest.className = 'rate';
  newest.textContent = bitrateText(points.at(-1)?.bitsPerSecond ?? 0);
  row.append(colour, title, newest);
  return row;
}

/** Undefined takes the message away. */
export function showProblem(text: string | undefined): void {
  const problem = element('problem', HTMLElement);
  problem.hidden = text === undefined;
  setText('problem', text ?? '');
}

export function setText(id: string, text: string): void {
  const target = element(id, HTMLElement);
  if (target.textContent !== text) target.textContent = text;
}

/** Makes every button with `data-copy` copy the text of the element it names. */
export function wireCopyButtons(): void {
  for (const button of document.querySelectorAll<HTMLButtonElement>('button[data-copy]')) {
    button.addEventListener('click', () => {
      const text = element(button.dataset['copy'] ?? '', HTMLElement).textContent ?? '';
      navigator.clipboard.writeText(text).then(
        () => flash(button, 'Copied'),
        () => flash(button, 'Not allowed'),
      );
    });
  }
}

function flash(button: HTMLButtonElement, text: string): void {
  button.textContent = text;
  setTimeout(() => {
    button.textContent = 'Copy';
  }, 1500);
}

function stepRow(step: Step): HTMLLIElement {
  const row = document.createElement('li');
  row.dataset['step'] = step.name;
  row.dataset['done'] = String(step.isDone);
  row.dataset['failed'] = String(step.problem !== undefined);
  const title = document.createElement('span');
  title.append(step.title, small(step.problem ?? step.explanation));
  row.append(title, took(step.tookMs));
  row.setAttribute('aria-label', `${step.title}: ${step.isDone ? 'done' : (step.problem ?? 'not yet')}`);
  return row;
}

export function timelineRow({ at, text, tookMs }: TimelineRow): HTMLLIElement {
  const row = document.createElement('li');
  const time = document.createElement('time');
  time.dateTime = at;
  time.textContent = at === '' ? '' : new Date(at).toLocaleTimeString([], { hourCycle: 'h23' });
  const what = document.createElement('span');
  what.textContent = text;
  row.append(time, what, took(tookMs));
  return row;
}

function took(tookMs: number | undefined): HTMLSpanElement {
  const span = document.createElement('span');
  span.className = 'took';
  span.textContent = tookMs === undefined ? '' : `${Math.round(tookMs)} ms`;
  return span;
}

function small(text: string): HTMLElement {
  const made = document.createElement('small');
  made.textContent = text;
  return made;
}

/** Makes a list's rows these; touches only what changed. */
export function replaceRows(id: string, rows: readonly HTMLLIElement[]): void {
  const list = element(id, HTMLElement);
  const current = [...list.children];
  rows.forEach((row, index) => {
    const shown = current[index];
    if (shown === undefined) list.append(row);
    else if (!shown.isEqualNode(row)) shown.replaceWith(row);
  });
  for (const extra of current.slice(rows.length)) extra.remove();
}
