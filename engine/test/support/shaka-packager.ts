import { fileURLToPath } from 'node:url';
import { run } from './programs.ts';

const PLATFORMS: Readonly<Record<string, string>> = { linux: 'linux', darwin: 'osx', win32: 'win' };
const SUFFIX = process.platform === 'win32' ? '.exe' : '';
const BINARY = `packager-${PLATFORMS[process.platform]}-${process.arch}${SUFFIX}`;

/** The program that the package carries. */
export const SHAKA_PACKAGER = fileURLToPath(import.meta.resolve(`shaka-packager/bin/${BINARY}`));

export async function shakaPackager(...args: readonly string[]): Promise<void> {
  const { code, stderr } = await run(SHAKA_PACKAGER, '--quiet', ...args);
  if (code !== 0) throw new Error(`shaka-packager ended with ${code}: ${stderr}`);
}
