import { execFile } from 'node:child_process';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const PROJECTS = fileURLToPath(new URL('../dotnet/', import.meta.url));
const BUILD_TIMEOUT_MS = 180_000;
const RUN_TIMEOUT_MS = 120_000;
/** What NuGet answers where a package, or NuGet itself, cannot be had. */
const ABSENT = /\b(NU1101|NU1102|NU1301|NETSDK1045)\b[^\n]*/;

type DotnetProgram =
  | { readonly kind: 'absent'; readonly reason: string }
  | {
      readonly kind: 'built';
      /** The program's standard output; rejects when it fails. */
      run(args: readonly string[], env: Readonly<Record<string, string>>): Promise<string>;
    };

/** Builds one of the .NET programs beside the tests, outside the repository; what is not here is said, not guessed. */
export async function buildDotnetProgram(name: string): Promise<DotnetProgram> {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const artifacts = join(cache, 'headend', 'dotnet');
  const settings = {
    ...process.env,
    DOTNET_CLI_TELEMETRY_OPTOUT: '1',
    DOTNET_NOLOGO: '1',
    MSBUILDDISABLENODEREUSE: '1',
  };
  const project = join(PROJECTS, name, `${name}.csproj`);
  try {
    await run('dotnet', ['build', project, '-c', 'Release', '-v', 'q', '--artifacts-path', artifacts], {
      env: settings,
      timeout: BUILD_TIMEOUT_MS,
    });
  } catch (error) {
    if (Reflect.get(Object(error), 'code') === 'ENOENT') return { kind: 'absent', reason: 'no dotnet' };
    const output = `${Reflect.get(Object(error), 'stdout')}${Reflect.get(Object(error), 'stderr')}`;
    const [reason] = ABSENT.exec(output) ?? [];
    if (reason !== undefined) return { kind: 'absent', reason };
    throw new Error(`${name} does not build: ${output}`, { cause: error });
  }
  return {
    kind: 'built',
    async run(args, env) {
      const program = join(artifacts, 'bin', name, 'release', `${name}.dll`);
      const options = { env: { ...settings, ...env }, timeout: RUN_TIMEOUT_MS };
      return (await run('dotnet', [program, ...args], options)).stdout;
    },
  };
}
