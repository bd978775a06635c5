import { armError } from './error-catalogue.ts';

interface NameRule {
  readonly pattern: RegExp;
  readonly lengthMax: number;
  readonly reason: string;
}

// Reference §1.2. The specification writes `^[a-zA-Z0-9]+(-*[a-zA-Z0-9])*$`; this matches the same and cannot backtrack.
const HYPHENATED = /^[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?$/;
const HYPHENATED_REASON = 'letters, digits and hyphens, beginning and ending with a letter or digit';
// Reference §1.5; `#` as well, which would end the path of every URL made of the name.
const METADATA = /^[^<>%&:\\?/*+.'#\p{Cc}]+$/u;
const METADATA_REASON = `none of < > % & : \\ ? / * + . ' # and no control characters`;

const metadata = (lengthMax: number): NameRule => ({ pattern: METADATA, lengthMax, reason: METADATA_REASON });
const hyphenated = (lengthMax: number): NameRule => ({
  pattern: HYPHENATED,
  lengthMax,
  reason: HYPHENATED_REASON,
});

export const NAME_RULES = {
  privateEndpointConnection: metadata(260),
  account: { pattern: /^[a-z0-9]{3,24}$/, lengthMax: 24, reason: '3 to 24 lower-case letters and digits' },
  asset: metadata(260),
  streamingLocator: metadata(260),
  mediaFilter: metadata(260),
  assetTrack: metadata(260),
  streamingPolicy: metadata(260),
  contentKeyPolicy: metadata(260),
  transform: metadata(260),
  job: metadata(260),
  liveEvent: hyphenated(32),
  liveOutput: hyphenated(256),
  streamingEndpoint: hyphenated(24),
} as const satisfies Record<string, NameRule>;

/** Names are compared without letter case; `İ` keeps its own, since lower-casing would make it two characters. */
export const foldName = (name: string): string => name.replace(/[^\u0130]+/g, (part) => part.toLowerCase());

export type NamedResource = keyof typeof NAME_RULES;

/** Throws `InvalidName`. */
export function parseName(resource: NamedResource, name: string): string {
  const rule: NameRule = NAME_RULES[resource];
  if (name.length === 0 || name.length > rule.lengthMax) {
    throw armError('InvalidName', {
      name: name.slice(0, rule.lengthMax),
      reason: `1 to ${rule.lengthMax} characters are allowed, not ${name.length}`,
    });
  }
  if (!rule.pattern.test(name)) throw armError('InvalidName', { name, reason: rule.reason });
  return name;
}
