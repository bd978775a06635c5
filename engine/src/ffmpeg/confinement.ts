/** Programs of util-linux that a run is started through; what is not there confines nothing. */
export interface Confinement {
  /** A network of its own, with nobody in it. */
  readonly unshare: string | undefined;
  /** Ends the run when this process ends, however it does. */
  readonly setpriv: string | undefined;
  readonly prlimit: string | undefined;
}

/** What one run may use; the wall clock is watched by whoever starts it. */
export interface RunLimits {
  readonly memoryBytes: number;
  /** Of one file that it writes. */
  readonly fileBytes: number;
  /** Seconds of all its threads together. */
  readonly cpuSeconds: number;
  readonly wallMs: number;
}

/** Sources, outputs, what lists refer to and FFmpeg's own, with room. */
const OPEN_FILES_MAX = 1024;

/** The command that runs `program` confined: each of the wrappers becomes the next by exec, so that it is one process. */
export function confined(
  program: string,
  programArguments: readonly string[],
  { unshare, setpriv, prlimit }: Confinement,
  limits: RunLimits,
): { readonly command: string; readonly arguments: readonly string[] } {
  const wrappers: readonly (readonly string[])[] = [
    unshare === undefined ? [] : [unshare, '--user', '--map-current-user', '--net', '--'],
    prlimit === undefined ? [] : [prlimit, ...limitOptions(limits), '--'],
    // The last one: a change of identity would take it back.
    setpriv === undefined ? [] : [setpriv, '--pdeathsig', 'KILL', '--no-new-privs', '--'],
  ];
  const [command = program, ...rest] = [...wrappers.flat(), program, ...programArguments];
  return { command, arguments: rest };
}

function limitOptions({ memoryBytes, fileBytes, cpuSeconds }: RunLimits): readonly string[] {
  return [
    `--as=${Math.ceil(memoryBytes)}`,
    `--fsize=${Math.ceil(fileBytes)}`,
    `--cpu=${Math.ceil(cpuSeconds)}`,
    `--nofile=${OPEN_FILES_MAX}`,
    '--core=0',
  ];
}

/** All that a run sees of the environment: no setting, no secret, and messages that can be read by a program. */
export const RUN_ENVIRONMENT: Readonly<Record<string, string>> = { LC_ALL: 'C', TZ: 'UTC' };
