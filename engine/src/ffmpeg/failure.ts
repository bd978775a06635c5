import type { ProgramEnd } from './child-program.ts';
import { cleanEvidence } from './evidence.ts';

/**
 * `malformed`, `unsupported`: of the input. `configuration`: of what was asked for. `limit`: it would have used more than
 * it may. `resources`: this machine had not enough. `unknown`: none of these, as far as one can tell.
 */
export type FailureReason = 'malformed' | 'unsupported' | 'configuration' | 'limit' | 'resources' | 'unknown';

export interface FFmpegFailure {
  readonly kind: 'failed';
  readonly reason: FailureReason;
  /** In FFmpeg's words, without paths, addresses and secrets; at most 2000 characters. */
  readonly evidence: string;
}

/** The first that is found decides: what is told of an input often leads to further errors. */
const SIGNS: readonly (readonly [FailureReason, RegExp])[] = [
  ['resources', /No space left on device|Disk quota exceeded|Input\/output error|Too many open files/i],
  ['limit', /Cannot allocate memory|File too large|std::bad_alloc|malloc of size .* failed/i],
  [
    'configuration',
    /Unknown encoder|No such filter|Option \S+ not found|Unrecognized option|Unable to parse option|Error applying option|Error initializing (?:a simple filtergraph|complex filters|filter)|Error reinitializing filters|Invalid (?:too big|size)|Error while opening encoder|Could not find tag for codec|matches no streams|Too many packets buffered/i,
  ],
  [
    'unsupported',
    /not on whitelist|Protocol '?\S+'? not (?:found|on)|Picture size \d+x\d+ is invalid|dimensions? .*(?:too large|invalid|exceed)|Decoder \(codec|No decoder|Unknown\/unsupported|unsupported codec|not (?:currently )?(?:supported|implemented)|Not yet implemented|PATCHWELCOME|encrypted/i,
  ],
  [
    'malformed',
    /Invalid data found|moov atom not found|could not find codec parameters|Error while decoding|Failed to (?:open|read)|End of file|invalid|corrupt|truncat|partial file|missing|no frame|error reading|Output file is empty|does not contain any stream|Conversion failed|Header missing|overread|damaged|illegal/i,
  ],
];

/** Why a program ended as it did, from what it said. */
export function failureOf(end: ProgramEnd): FFmpegFailure {
  return { kind: 'failed', reason: reasonOf(end), evidence: evidenceOf(end) };
}

function reasonOf({ isTooLong, killedBy, log }: ProgramEnd): FailureReason {
  if (isTooLong || killedBy === 'SIGXCPU' || killedBy === 'SIGXFSZ') return 'limit';
  // Somebody else, such as a system that runs out of memory.
  if (killedBy === 'SIGKILL' || killedBy === 'SIGTERM') return 'resources';
  const found = SIGNS.find(([, sign]) => sign.test(log))?.[0];
  if (found !== undefined) return found;
  // A crash of a decoder is the input's doing as far as anybody can tell.
  return killedBy === null ? 'unknown' : 'malformed';
}

function evidenceOf({ isTooLong, killedBy, code, log }: ProgramEnd): string {
  const how = isTooLong
    ? 'It ran longer than it may.'
    : killedBy === null
      ? `Exit code ${code}.`
      : `Ended by ${killedBy}.`;
  const said = cleanEvidence(log);
  return said === '' ? how : `${said}\n${how}`;
}
