export interface SmoothPath {
  /** Without hyphens, lower-case. */
  readonly accessToken: string;
  /** The identifier in `Streams(identifier)`. */
  readonly streamId: string;
}

const PATH_CHARACTERS_MAX = 1024;
/** The URL of an ingest point, [MS-SSTR] §2.2.7.1; letter case is free. */
const PATH = /^\/(?<token>[a-z0-9-]{8,64})\/ingest\.isml\/streams\((?<streamId>[^\s/()]{1,128})\)\/?$/i;

const TIMED_METADATA_PATH = /^\/[a-z0-9-]{8,64}\/timedmetadata\/?(?:\?|$)/i;

/** Whether it is the address of a live event's timed metadata. */
export function isTimedMetadataPath(url: string): boolean {
  return url.length <= PATH_CHARACTERS_MAX && TIMED_METADATA_PATH.test(url);
}

/** Reads `/{token}/ingest.isml/Streams({identifier})`; undefined when it is not that. A query is ignored. */
export function parseSmoothPath(url: string): SmoothPath | undefined {
  if (url.length > PATH_CHARACTERS_MAX) return undefined;
  const groups = PATH.exec(decodePath(url.split('?')[0] ?? ''))?.groups;
  const { token, streamId } = groups ?? {};
  if (token === undefined || streamId === undefined) return undefined;
  return { accessToken: token.replaceAll('-', '').toLowerCase(), streamId };
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return '';
  }
}
