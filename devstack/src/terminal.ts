import { styleText } from 'node:util';
import type { Ports } from './flags.ts';
import { openLog } from './log.ts';
import { addresses } from './processes.ts';
import type { Show } from './show.ts';

export interface ReadyInfo {
  readonly ports: Ports;
  readonly functionKey: string;
  readonly show: Show;
  readonly isDemo: boolean;
  readonly dataDir: string;
  readonly seconds: number;
  readonly pids: Readonly<Record<string, number | undefined>>;
}

/** How the supervisor speaks: to a person at a terminal, or to a program that reads lines. */
export interface Voice {
  /** Something is under way. */
  doing(text: string): void;
  /** Something is done. */
  say(text: string): void;
  /** Something went wrong that the stack mends by itself. */
  warn(text: string): void;
  /** Something went wrong that the user has to know. */
  problem(text: string): void;
  ready(info: ReadyInfo): void;
}

type Style = 'bold' | 'cyan' | 'dim' | 'green' | 'red' | 'yellow';
type Paint = (style: Style, text: string) => string;

/** Sentences for a terminal; elsewhere one `ready` line on stdout and log lines on stderr. */
export function openVoice(options: { readonly isTerminal: boolean; readonly colour: boolean }): Voice {
  if (!options.isTerminal) return programVoice();
  const paint: Paint = (style, text) => (options.colour ? styleText(style, text) : text);
  const print = (text: string) => process.stdout.write(`${text}\n`);
  return {
    doing: (text) => print(`  ${paint('dim', `… ${text}`)}`),
    say: (text) => print(`  ${paint('green', '✓')} ${text}`),
    warn: (text) => print(`  ${paint('yellow', '!')} ${text}`),
    problem: (text) => process.stderr.write(`${paint('red', text)}\n`),
    ready: (info) => print(readyText(info, paint)),
  };
}

function programVoice(): Voice {
  const log = openLog('supervisor');
  return {
    doing: (text) => log.info('progress', { text }),
    say: (text) => log.info('progress', { text }),
    warn: (text) => log.warn('recovering', { text }),
    // Plain, because the reader may be a person behind a pipe.
    problem: (text) => process.stderr.write(`${text}\n`),
    ready: (info) => process.stdout.write(`${JSON.stringify(readyLine(info))}\n`),
  };
}

/** The address of the live page; the key is in the fragment, which browsers do not send anywhere. */
function pageUrl({ ports, functionKey, show }: Pick<ReadyInfo, 'ports' | 'functionKey' | 'show'>): string {
  const fragment = new URLSearchParams({ key: functionKey, channel: show.channel, program: show.program });
  return `${addresses(ports).page}/#${fragment}`;
}

/** The same page's on-demand half: drop a file there. */
function videosUrl({ ports, functionKey }: Pick<ReadyInfo, 'ports' | 'functionKey'>): string {
  return `${addresses(ports).page}/#${new URLSearchParams({ videos: '', key: functionKey })}`;
}

function readyLine(info: ReadyInfo): object {
  const at = addresses(info.ports);
  return {
    ready: true,
    seconds: info.seconds,
    api: at.api,
    functionKey: info.functionKey,
    page: pageUrl(info),
    streaming: at.streaming,
    arm: at.arm,
    identityEndpoint: at.identityEndpoint,
    ingest: info.show.server,
    channel: info.show.channel,
    program: info.show.program,
    playback: { hls: info.show.hls, dash: info.show.dash },
    ports: info.ports,
    dataDir: info.dataDir,
    pids: info.pids,
  };
}

function readyText(info: ReadyInfo, paint: Paint): string {
  const at = addresses(info.ports);
  const row = (name: string, value: string) => `    ${paint('dim', name.padEnd(14))}${value}`;
  const lines = [
    '',
    `  ${paint('bold', 'Headend is ready')} ${paint('dim', `(${info.seconds.toFixed(1)} s)`)}`,
    '',
    row('Live page', paint('cyan', pageUrl(info))),
    row('On demand', paint('cyan', videosUrl(info))),
    row('HTTP API', `${at.api}  ${paint('dim', '(/openapi.json describes it)')}`),
    row('Function key', info.functionKey),
    row('HLS', info.show.hls),
    row('DASH', info.show.dash),
    ...(info.isDemo ? [] : encoderText(info, paint, row)),
    ...nextStepsText(info, paint),
    '',
    paint('dim', `  Data is in ${info.dataDir}. Ctrl-C stops everything.`),
    '',
  ];
  return lines.join('\n');
}

function encoderText(info: ReadyInfo, paint: Paint, row: (name: string, value: string) => string): string[] {
  const url = `${info.show.server}/main`;
  return [
    '',
    `  ${paint('bold', 'Your encoder')} ${paint('dim', '(OBS: Settings → Stream → Custom; keyframe interval 2 s)')}`,
    row('Server', paint('cyan', info.show.server)),
    row('Stream key', `${paint('cyan', 'main')}  ${paint('dim', '(any name)')}`),
    row(
      'FFmpeg',
      `ffmpeg -re -stream_loop -1 -i INPUT -c:v libx264 -preset veryfast -g 60 -c:a aac -f flv '${url}'`,
    ),
  ];
}

/** One line per step of a channel of one's own, ready to paste. */
function nextSteps({ ports, functionKey }: Pick<ReadyInfo, 'ports' | 'functionKey'>): readonly string[][] {
  const channel = `${addresses(ports).api}/channels/arena`;
  const program = `${channel}/programs/final`;
  const curl = (method: string, url: string, extra = '') =>
    `curl -s -X ${method} -H 'x-functions-key: ${functionKey}'${extra} '${url}'`;
  const body = (json: string) => ` -H 'content-type: application/json' -d '${json}'`;
  return [
    ['channel', curl('PUT', channel, body('{}'))],
    ['start', curl('POST', `${channel}/start`, " -H 'prefer: wait=10'")],
    ['stream key', curl('GET', `${channel}/stream-key`)],
    ['program', curl('PUT', program, body('{}'))],
    ['is it live?', curl('GET', program)],
    ['timeline', curl('GET', `${channel}/timeline`)],
    ['finish', curl('POST', `${program}/finish`, " -H 'prefer: wait=10'")],
    ['stop', curl('POST', `${channel}/stop`, body('{"finishPrograms":true}'))],
  ];
}

function nextStepsText(info: ReadyInfo, paint: Paint): string[] {
  if (info.isDemo) return [];
  return [
    '',
    `  ${paint('bold', 'A channel of your own')}`,
    ...nextSteps(info).map(([name = '', command = '']) => `    ${paint('dim', name.padEnd(14))}${command}`),
  ];
}
