import { parseArgs } from 'node:util';

/** What listens, in the order in which `--help` names it. */
export const PORTS = {
  functions: { flag: 'functions-port', port: 7071, what: 'HTTP API (Functions app)' },
  page: { flag: 'page-port', port: 8080, what: 'live page' },
  streaming: { flag: 'streaming-port', port: 8888, what: 'HLS and DASH for players' },
  keys: { flag: 'keys-port', port: 8887, what: 'keys and licenses for players' },
  rtmp: { flag: 'rtmp-port', port: 1935, what: 'RTMP from encoders' },
  rtmpBackup: { flag: 'rtmp-backup-port', port: 1936, what: 'RTMP, backup' },
  rtmps: { flag: 'rtmps-port', port: 2935, what: 'RTMPS from encoders' },
  rtmpsBackup: { flag: 'rtmps-backup-port', port: 2936, what: 'RTMPS, backup' },
  smooth: { flag: 'smooth-port', port: 8889, what: 'fragmented MP4 (Smooth) from encoders' },
  arm: { flag: 'arm-port', port: 8443, what: 'Media Services API (https)' },
  identity: { flag: 'identity-port', port: 8444, what: 'token issuer of that API' },
  feed: { flag: 'feed-port', port: 8890, what: 'live feed between the engine’s processes' },
  broker: { flag: 'broker-port', port: 6060, what: 'Event Grid broker' },
  blob: { flag: 'blob-port', port: 10000, what: 'storage, blobs: for clients; uploads are seen here' },
  queue: { flag: 'queue-port', port: 10001, what: 'storage (Azurite), queues' },
  table: { flag: 'table-port', port: 10002, what: 'storage (Azurite), tables' },
  blobDirect: { flag: 'blob-direct-port', port: 10003, what: 'storage (Azurite), blobs: for Headend itself' },
} as const;

export type PortName = keyof typeof PORTS;
export type Ports = Readonly<Record<PortName, number>>;

export const PORT_NAMES: readonly PortName[] = [
  'functions',
  'page',
  'streaming',
  'keys',
  'rtmp',
  'rtmpBackup',
  'rtmps',
  'rtmpsBackup',
  'smooth',
  'arm',
  'identity',
  'feed',
  'broker',
  'blob',
  'blobDirect',
  'queue',
  'table',
];

export type FunctionsHostName = 'headend' | 'azure';

export interface StartFlags {
  readonly demo: boolean;
  readonly fresh: boolean;
  /** Builds and loads the Functions app anew whenever its source changes. */
  readonly watch: boolean;
  /** Whose Functions host runs the app: this project's own, or Microsoft's. */
  readonly host: FunctionsHostName;
  /** Relative to the working directory. */
  readonly dataDir: string;
  /** 0: any free one. */
  readonly ports: Ports;
}

export type ParsedStart =
  | { readonly kind: 'start'; readonly flags: StartFlags }
  | { readonly kind: 'help' }
  | { readonly kind: 'invalid'; readonly problems: readonly string[] };

const DATA_DIR_DEFAULT = '.headend';
const PORT_MAX = 65_535;

const OPTIONS = {
  demo: { type: 'boolean' },
  fresh: { type: 'boolean' },
  watch: { type: 'boolean' },
  host: { type: 'string' },
  'data-dir': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  ...Object.fromEntries(PORT_NAMES.map((name) => [PORTS[name].flag, { type: 'string' as const }])),
} as const;

/** Reads the arguments of `npm start`; every problem is named, not only the first. */
export function parseStartFlags(argv: readonly string[]): ParsedStart {
  const { tokens, values } = parseArgs({
    args: [...argv],
    options: OPTIONS,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const given: Readonly<Record<string, unknown>> = values;
  if (given['help'] === true) return { kind: 'help' };
  const problems = tokens.flatMap((token) => {
    if (token.kind === 'positional') return [`"${token.value}" is not a flag`];
    if (token.kind !== 'option') return [];
    const option = findOption(token.name);
    if (option === undefined) return [`${token.rawName} is not a flag${suggestion(token.name)}`];
    if (option === 'string' && token.value === undefined) return [`${token.rawName} needs a value`];
    if (option === 'boolean' && token.value !== undefined) return [`${token.rawName} takes no value`];
    return [];
  });
  const ports = parsePorts(given, problems);
  const dataDir = given['data-dir'] ?? DATA_DIR_DEFAULT;
  if (dataDir === '') problems.push('--data-dir needs a folder');
  const host = parseHost(given['host'], problems);
  if (problems.length > 0) return { kind: 'invalid', problems };
  return {
    kind: 'start',
    flags: {
      demo: given['demo'] === true,
      fresh: given['fresh'] === true,
      watch: given['watch'] === true,
      host,
      dataDir: String(dataDir),
      ports,
    },
  };
}

function parseHost(text: unknown, problems: string[]): FunctionsHostName {
  if (text === 'azure') return 'azure';
  if (typeof text === 'string' && text !== 'headend') {
    problems.push(`--host is "${text}", neither headend nor azure`);
  }
  return 'headend';
}

function parsePorts(given: Readonly<Record<string, unknown>>, problems: string[]): Ports {
  const read = (name: PortName): number => {
    const { flag, port } = PORTS[name];
    const text = given[flag];
    if (typeof text !== 'string') return port;
    const value = Number(text);
    if (/^\d{1,5}$/.test(text) && value <= PORT_MAX) return value;
    problems.push(`--${flag} is "${text}", not a port (0 to ${PORT_MAX}; 0 picks a free one)`);
    return port;
  };
  const ports = {
    functions: read('functions'),
    page: read('page'),
    streaming: read('streaming'),
    keys: read('keys'),
    rtmp: read('rtmp'),
    rtmpBackup: read('rtmpBackup'),
    rtmps: read('rtmps'),
    rtmpsBackup: read('rtmpsBackup'),
    smooth: read('smooth'),
    arm: read('arm'),
    identity: read('identity'),
    feed: read('feed'),
    broker: read('broker'),
    blob: read('blob'),
    blobDirect: read('blobDirect'),
    queue: read('queue'),
    table: read('table'),
  };
  for (const [index, name] of PORT_NAMES.entries()) {
    const twin = PORT_NAMES.slice(0, index).find(
      (other) => ports[other] !== 0 && ports[other] === ports[name],
    );
    if (twin !== undefined) {
      problems.push(`--${PORTS[twin].flag} and --${PORTS[name].flag} are both ${ports[name]}`);
    }
  }
  return ports;
}

function findOption(name: string): 'boolean' | 'string' | undefined {
  const options: Readonly<Record<string, { readonly type: 'boolean' | 'string' }>> = OPTIONS;
  return Object.hasOwn(options, name) ? options[name]?.type : undefined;
}

/** The flag that shares the longest beginning with what was typed: catches `--functions` and `--data-folder`. */
function suggestion(typed: string): string {
  const shared = (flag: string) => {
    let length = 0;
    while (length < flag.length && flag[length] === typed[length]) length += 1;
    return length;
  };
  const [closest] = Object.keys(OPTIONS).sort((a, b) => shared(b) - shared(a));
  return closest !== undefined && shared(closest) >= 2 ? `; did you mean --${closest}?` : '';
}

/** What `--help` prints. */
export function helpText(): string {
  const row = (left: string, right: string) => `  ${left.padEnd(24)}${right}`;
  return [
    'npm start -- [flags]     runs all of Headend on this machine',
    '',
    row('--demo', 'push a short loop, so that there is something to watch'),
    row('--fresh', 'begin anew: deletes what earlier starts left in the data folder'),
    row('--watch', 'build and load the Functions app anew when its source changes'),
    row('--host <name>', 'headend (its own Functions host) or azure (Microsoft’s, where it is installed)'),
    row('--data-dir <folder>', `data, secrets, certificates and logs (${DATA_DIR_DEFAULT})`),
    row('--help', 'this'),
    '',
    'Ports, all on 127.0.0.1 (0 picks a free one):',
    ...PORT_NAMES.map((name) =>
      row(`--${PORTS[name].flag} <n>`, `${String(PORTS[name].port).padEnd(6)} ${PORTS[name].what}`),
    ),
  ].join('\n');
}
