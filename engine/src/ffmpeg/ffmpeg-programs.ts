import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { type Confinement, RUN_ENVIRONMENT } from './confinement.ts';

export interface FFmpegPrograms {
  readonly ffmpeg: string;
  readonly ffprobe: string;
  /** Such as `5.1.9`, or a development version's name. */
  readonly version: string;
  readonly confinement: Confinement;
}

export type FFmpegFound =
  | { readonly kind: 'found'; readonly programs: FFmpegPrograms }
  /** Why not, and what to do about it, in a sentence. */
  | { readonly kind: 'absent'; readonly reason: string };

export interface FFmpegSettings {
  /** Path of `ffmpeg`; `ffprobe` is beside it. Undefined: the first of `searchPath`. */
  readonly ffmpegPath: string | undefined;
  /** As in `PATH`. */
  readonly searchPath: string;
}

const VERSION_MIN = { major: 5, minor: 1 } as const;
const TRIAL_MS_MAX = 20_000;
const INSTALL = 'Install FFmpeg 5.1 or newer (such as the package ffmpeg of Debian), or set HEADEND_FFMPEG.';

/** Looks for FFmpeg and for what confines it; never throws. */
export async function findFFmpeg({ ffmpegPath, searchPath }: FFmpegSettings): Promise<FFmpegFound> {
  const ffmpeg = ffmpegPath ?? (await findProgram('ffmpeg', searchPath));
  if (ffmpeg === undefined) return { kind: 'absent', reason: `FFmpeg was not found. ${INSTALL}` };
  const ffprobe =
    (await executable(join(dirname(ffmpeg), 'ffprobe'))) ?? (await findProgram('ffprobe', searchPath));
  if (ffprobe === undefined) return { kind: 'absent', reason: `ffprobe was not found. ${INSTALL}` };
  const said = await trial(ffmpeg, ['-hide_banner', '-version']);
  const version = said === undefined ? undefined : /^ffmpeg version (\S+)/.exec(said)?.[1];
  if (version === undefined) return { kind: 'absent', reason: `FFmpeg could not be started. ${INSTALL}` };
  if (!isNewEnough(version)) return { kind: 'absent', reason: `FFmpeg ${version} is too old. ${INSTALL}` };
  return {
    kind: 'found',
    programs: { ffmpeg, ffprobe, version, confinement: await findConfinement(searchPath) },
  };
}

/** Names of development versions say nothing of their age; distributors put a digit and a colon before theirs. */
export function isNewEnough(version: string): boolean {
  const [, major, minor] = /^(?:\d+:)?n?(\d+)\.(\d+)/.exec(version) ?? [];
  if (major === undefined || minor === undefined) return true;
  const isNewerMajor = Number(major) > VERSION_MIN.major;
  return isNewerMajor || (Number(major) === VERSION_MIN.major && Number(minor) >= VERSION_MIN.minor);
}

/** Each is tried: containers and hardened systems may refuse what is installed. */
async function findConfinement(searchPath: string): Promise<Confinement> {
  const usable = async (name: string, args: readonly string[]) => {
    const program = await findProgram(name, searchPath);
    if (program === undefined) return undefined;
    return (await trial(program, [...args, '--', process.execPath, '--version'])) === undefined
      ? undefined
      : program;
  };
  const [unshare, setpriv, prlimit] = await Promise.all([
    usable('unshare', ['--user', '--map-current-user', '--net']),
    usable('setpriv', ['--pdeathsig', 'KILL', '--no-new-privs']),
    usable('prlimit', ['--core=0']),
  ]);
  return { unshare, setpriv, prlimit };
}

async function findProgram(name: string, searchPath: string): Promise<string | undefined> {
  for (const folder of searchPath.split(delimiter)) {
    const found = folder === '' ? undefined : await executable(join(folder, name));
    if (found !== undefined) return found;
  }
  return undefined;
}

async function executable(path: string): Promise<string | undefined> {
  try {
    await access(path, constants.X_OK);
    return path;
  } catch {
    return undefined;
  }
}

async function trial(program: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)(program, [...args], {
      timeout: TRIAL_MS_MAX,
      env: RUN_ENVIRONMENT,
    });
    return stdout;
  } catch {
    return undefined;
  }
}
