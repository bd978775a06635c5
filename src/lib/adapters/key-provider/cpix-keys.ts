import { createPrivateKey, randomUUID } from 'node:crypto';
import type { CpixKeyService } from '../../domain/key-service.ts';
import type {
  KeyProvider,
  KeysOutcome,
  KeysRequest,
  ProvidedKey,
  WantedKey,
} from '../../workflows/key-provider.ts';
import type { SecretStore } from '../../workflows/secret-store.ts';
import { type CpixRequest, readCpixAnswer, writeCpixRequest } from './cpix-document.ts';
import type { Recipient } from './cpix-encryption.ts';

const TIMEOUT_MS = 10_000;
const ANSWER_BYTES_MAX = 256 * 1024;
const TOLD_CHARS_MAX = 200;
const SPEKE_VERSION = '2.0';
const USER_AGENT = 'Headend';

type Failure = Exclude<KeysOutcome, { kind: 'keys' }>;

const later = (message: string): Failure => ({ kind: 'later', code: 'keyServiceUnavailable', message });
const refused = (message: string): Failure => ({ kind: 'refused', code: 'keyServiceRefused', message });

/** Content keys of a key service that speaks SPEKE 2.0 (CPIX 2.3), over TLS; encrypted for us where it is set up so. */
export function cpixKeys(
  service: CpixKeyService,
  { secrets }: { secrets: Pick<SecretStore, 'get'> },
): KeyProvider {
  return {
    async keysFor(request) {
      if (request.keys.some(({ scheme }) => scheme === 'aes128'))
        return refused('A key service has keys for cenc and cbcs, not for AES-128 segments.');
      const headers = await headersOf(service, secrets);
      const recipient = await recipientOf(service, secrets);
      if (headers === undefined || recipient === 'unread')
        return later('The secret for the key service cannot be read.');
      const keys: ProvidedKey[] = [];
      // SPEKE 2.0: a document has keys of one scheme.
      for (const scheme of ['cenc', 'cbcs'] as const) {
        const wanted = request.keys.filter((key) => key.scheme === scheme);
        if (wanted.length === 0) continue;
        const outcome = await askFor({ scheme, wanted, request }, { service, headers, recipient });
        if (outcome.kind !== 'keys') return outcome;
        keys.push(...outcome.keys);
      }
      const ordered = request.keys.map(({ label }) => keys.find((key) => key.label === label));
      return { kind: 'keys', keys: ordered.filter((key) => key !== undefined) };
    },
  };
}

type Headers = Readonly<Record<string, string>>;

async function headersOf(
  { authorization }: CpixKeyService,
  secrets: Pick<SecretStore, 'get'>,
): Promise<Headers | undefined> {
  if (authorization === null) return {};
  // A store that cannot be reached is asked again, like the service itself.
  const value = await secrets.get(authorization.secret).catch(() => undefined);
  return value === undefined ? undefined : { [authorization.header]: value };
}

async function recipientOf(
  { encryption }: CpixKeyService,
  secrets: Pick<SecretStore, 'get'>,
): Promise<Recipient | undefined | 'unread'> {
  if (encryption === undefined) return undefined;
  const { certificate, secret } = encryption;
  try {
    const key = await secrets.get(secret);
    return key === undefined ? 'unread' : { certificate, privateKey: createPrivateKey(key) };
  } catch {
    return 'unread';
  }
}

const TRACKS = { audio: 'AUDIO', video: 'VIDEO' } as const;

interface Asked {
  readonly scheme: CpixRequest['scheme'];
  readonly wanted: readonly WantedKey[];
  readonly request: KeysRequest;
}

async function askFor(
  { scheme, wanted, request }: Asked,
  to: { service: CpixKeyService; headers: Headers; recipient: Recipient | undefined },
): Promise<KeysOutcome> {
  const { service, recipient } = to;
  const named = wanted.map((key) => ({ ...key, kid: key.kid ?? randomUUID() }));
  const document = writeCpixRequest({
    contentId: `${service.contentIdPrefix}${request.contentId}`,
    scheme,
    systems: request.systems,
    certificate: recipient?.certificate,
    keys: named.map(({ kid, track }) => ({ kid, track: track === undefined ? 'ALL' : TRACKS[track] })),
  });
  const answer = await post(document, to);
  if (typeof answer !== 'string') return answer;
  const read = readCpixAnswer(answer, scheme, recipient);
  if (read.kind === 'wrong') return refused(`The key service’s answer cannot be used: ${read.why}.`);
  const keys = named.flatMap(({ label, kid }) => {
    const value = read.values.get(kid);
    return value === undefined ? [] : [{ label, kid, value }];
  });
  if (keys.length < named.length)
    return refused('The key service answered without a key that was asked for.');
  return { kind: 'keys', keys };
}

async function post(
  body: string,
  { service, headers }: { service: CpixKeyService; headers: Headers },
): Promise<string | Failure> {
  try {
    const response = await fetch(service.url, {
      method: 'POST',
      // A key service that moved has to be configured anew: its secret goes nowhere else.
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: {
        'content-type': 'application/xml',
        accept: 'application/xml',
        'x-speke-version': SPEKE_VERSION,
        'x-speke-user-agent': USER_AGENT,
        ...headers,
      },
      body,
    });
    const text = await readBounded(response);
    if (text === undefined) return refused('The key service’s answer is too large.');
    return response.status === 200
      ? checkVersion(text, response)
      : failureOf(response.status, without(text, headers));
  } catch {
    return later('The key service cannot be reached.');
  }
}

/** It may show what it was sent. */
const without = (text: string, headers: Headers): string =>
  Object.values(headers).reduce((rest, secret) => rest.replaceAll(secret, '***'), text);

function checkVersion(text: string, { headers }: Response): string | Failure {
  return headers.get('x-speke-version') === SPEKE_VERSION
    ? text
    : refused(`The key service does not speak SPEKE ${SPEKE_VERSION}.`);
}

function failureOf(status: number, text: string): Failure {
  if (status === 408 || status === 429 || status >= 500) return later(`The key service answered ${status}.`);
  const said = text
    .replace(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, TOLD_CHARS_MAX);
  return refused(`The key service answered ${status}${said === '' ? '' : `: ${said}`}`);
}

async function readBounded({ body }: Response): Promise<string | undefined> {
  if (body === null) return '';
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > ANSWER_BYTES_MAX) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
