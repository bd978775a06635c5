import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import path from 'node:path';

const PROGRAMS = ['ffmpeg', 'ffprobe'] as const;
const INSTALL: Readonly<Record<string, string>> = {
  linux: 'sudo apt install ffmpeg',
  darwin: 'brew install ffmpeg',
  win32: 'choco install ffmpeg',
};

export interface WhereToLook {
  readonly searchPath: string;
  /** HEADEND_FFMPEG: a program; its ffprobe is beside it or in the path. */
  readonly ffmpeg: string | undefined;
  readonly platform: string;
}

/** Undefined: FFmpeg is here. Else a sentence with what to type: encoding needs it, live does not. */
export async function missingFFmpeg(where: WhereToLook): Promise<string | undefined> {
  const { searchPath, ffmpeg, platform } = where;
  const folders = searchPath.split(platform === 'win32' ? ';' : ':').filter((folder) => folder !== '');
  if (ffmpeg !== undefined && !(await isProgram(ffmpeg))) {
    return `HEADEND_FFMPEG is ${ffmpeg}, which is no program: files cannot be encoded; live works without.`;
  }
  const given = ffmpeg === undefined ? [] : [path.dirname(ffmpeg)];
  const suffix = platform === 'win32' ? '.exe' : '';
  const isThere = await Promise.all(
    PROGRAMS.map((name) =>
      name === 'ffmpeg' && ffmpeg !== undefined ? true : isIn([...given, ...folders], `${name}${suffix}`),
    ),
  );
  const missing = PROGRAMS.filter((_, index) => isThere[index] !== true);
  if (missing.length === 0) return undefined;
  const install = INSTALL[platform] ?? 'https://ffmpeg.org/download.html';
  return `${missing.join(' and ')} not found: files cannot be encoded; live works without. Install: ${install}`;
}

async function isIn(folders: readonly string[], name: string): Promise<boolean> {
  const found = await Promise.all(folders.map((folder) => isProgram(path.join(folder, name))));
  return found.includes(true);
}

const isProgram = (file: string): Promise<boolean> =>
  access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
