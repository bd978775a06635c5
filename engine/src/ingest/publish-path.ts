export interface PublishPath {
  /** Without hyphens, lower-case. */
  readonly accessToken: string;
  readonly streamId: string;
  /** `?videodatarate=5000&audiodatarate=192` after the name may stand in for a missing `onMetaData`. */
  readonly declaredKbps: { readonly video: number | undefined; readonly audio: number | undefined };
}

const TOKEN = /^[A-Za-z0-9-]{8,64}$/;
const LIKELY_TOKEN = /^[0-9a-f]{32}$|^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const STREAM_ID = /^[^\s/]{1,128}$/;
const PATH_CHARACTERS_MAX = 1024;

/** Reads `live/{token}` + `{name}`, however the encoder cut it into app and name; undefined when it is not that. */
export function parsePublishPath(app: string, publishingName: string): PublishPath | undefined {
  if (app.length + publishingName.length > PATH_CHARACTERS_MAX) return undefined;
  const [appPath = '', appQuery = ''] = splitQuery(app);
  const [name = '', nameQuery = ''] = splitQuery(publishingName);
  const [live, token, streamId, ...rest] = `${appPath}/${name}`.split('/').filter((part) => part !== '');
  if (live !== 'live' || token === undefined || streamId === undefined || rest.length > 0) return undefined;
  if (!TOKEN.test(token) || !STREAM_ID.test(streamId)) return undefined;
  const query = new URLSearchParams(`${appQuery}&${nameQuery}`);
  return {
    accessToken: token.replaceAll('-', '').toLowerCase(),
    streamId,
    declaredKbps: {
      video: positive(Number(query.get('videodatarate'))),
      audio: positive(Number(query.get('audiodatarate'))),
    },
  };
}

/** The access token that a malformed address seems to mean, so that its owner can be told. */
export function tokenMeantBy(app: string, publishingName: string): string | undefined {
  const parts = `${app}/${publishingName}`.slice(0, PATH_CHARACTERS_MAX).split(/[/?]/);
  const token = parts.find((part) => LIKELY_TOKEN.test(part));
  return token?.replaceAll('-', '').toLowerCase();
}

function splitQuery(text: string): string[] {
  const at = text.indexOf('?');
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function positive(value: number): number | undefined {
  return Number.isFinite(value) && value > 0 ? value : undefined;
}
