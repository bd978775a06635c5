import type { UploadProgress } from './block-upload.ts';
import { clockText } from './model.ts';
import { uploadPercent } from './upload-card.ts';
import type { Stage, VideoModel } from './video-model.ts';
import { badgeStatus } from './videos.ts';
import { element, replaceRows, setText, timelineRow } from './view.ts';

/** Shows a video; touches only what changed, so that nothing flickers and nothing is announced twice. */
export function renderVideo(model: VideoModel, upload: UploadProgress | undefined): void {
  setText('title', model.name);
  setText('status', model.badge);
  element('status', HTMLElement).dataset['status'] = badgeStatus(model.state);
  setText('address-note', model.note);
  setText('hls-address', model.hls || 'not delivered by this protection profile');
  setText('dash-address', model.dash || 'not delivered by this protection profile');
  setText('recorded-title', 'Duration');
  setText('recorded', model.seconds === undefined ? '–' : clockText(model.seconds));
  replaceRows(
    'stages',
    model.stages.map((stage) => stageRow(stage, upload)),
  );
  replaceRows('timeline', model.timeline.map(timelineRow));
  showFailure(model);
  replaceRows('video-files-made', model.files.map(fileRow));
  document.title = `${model.badge} · ${model.name} · Headend`;
}

function stageRow(stage: Stage, upload: UploadProgress | undefined): HTMLLIElement {
  const isLocal = stage.name === 'upload' && stage.state !== 'done' && upload !== undefined;
  const percent = isLocal ? uploadPercent(upload) : stage.percent;
  const row = document.createElement('li');
  row.dataset['stage'] = stage.name;
  row.dataset['state'] = stage.state;
  const title = document.createElement('span');
  title.className = 'stage-title';
  title.id = `stage-${stage.name}`;
  title.textContent = stage.title;
  const figure = document.createElement('span');
  figure.className = 'figure';
  figure.textContent = figureOf(stage, percent);
  const bar = document.createElement('progress');
  bar.max = 100;
  bar.value = percent;
  bar.setAttribute('aria-labelledby', title.id);
  const detail = document.createElement('small');
  detail.textContent = stage.detail;
  row.append(title, figure, bar, detail);
  return row;
}

function figureOf({ state, tookMs }: Stage, percent: number): string {
  if (state === 'failed') return 'failed';
  if (state === 'todo' && percent === 0) return '–';
  if (state !== 'done') return `${Math.floor(percent)} %`;
  if (tookMs === undefined) return 'done';
  return tookMs < 60_000 ? `${(tookMs / 1000).toFixed(1)} s` : clockText(tookMs / 1000);
}

function showFailure({ failure, state }: VideoModel): void {
  element('failure', HTMLElement).hidden = failure === undefined;
  if (failure === undefined) return;
  setText('failure-sentence', failure.sentence);
  const again =
    failure.retryAt === undefined
      ? ''
      : `It is tried again by itself at ${new Date(failure.retryAt).toLocaleTimeString([], { hourCycle: 'h23' })}.`;
  setText('failure-advice', [failure.advice, again].filter((text) => text !== '').join(' '));
  element('retry', HTMLElement).hidden = state !== 'failed';
}

function fileRow({ title, url }: VideoModel['files'][number]): HTMLLIElement {
  const row = document.createElement('li');
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'quiet';
  button.dataset['open'] = url;
  button.textContent = title;
  row.append(button);
  return row;
}
