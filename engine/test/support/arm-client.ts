import { request } from 'node:https';
import { AzureMediaServices } from '@azure/arm-mediaservices';
import { ManagedIdentityCredential } from '@azure/identity';

export const SUBSCRIPTION = '00000000-0000-0000-0000-000000000001';
export const GROUP = 'headend';
export const ACCOUNT = 'headend';
export const ACCOUNT_ID = `/subscriptions/${SUBSCRIPTION}/resourceGroups/${GROUP}/providers/Microsoft.Media/mediaservices/${ACCOUNT}`;

interface EngineAddress {
  readonly ports: Readonly<Record<string, number>>;
}

/** The package as everybody installs it, signed in by the managed identity endpoint. */
export function createArmClient(engine: EngineAddress, caPem: string, identitySecret: string) {
  process.env['IDENTITY_ENDPOINT'] = `http://127.0.0.1:${engine.ports['identity']}/msi/token`;
  process.env['IDENTITY_HEADER'] = identitySecret;
  const endpoint = `https://127.0.0.1:${engine.ports['arm']}`;
  return new AzureMediaServices(new ManagedIdentityCredential(), SUBSCRIPTION, {
    endpoint,
    tlsOptions: { ca: caPem },
  });
}

export async function fetchToken(engine: EngineAddress, identitySecret: string): Promise<string> {
  const resource = encodeURIComponent(`https://127.0.0.1:${engine.ports['arm']}`);
  const response = await fetch(
    `http://127.0.0.1:${engine.ports['identity']}/msi/token?api-version=2019-08-01&resource=${resource}`,
    { headers: { 'X-IDENTITY-HEADER': identitySecret } },
  );
  const body: unknown = await response.json();
  return String(Reflect.get(Object(body), 'access_token'));
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: unknown;
}

/** A call that the package would not make. */
export function callArm(
  engine: EngineAddress,
  caPem: string,
  call: {
    readonly method?: string;
    readonly path: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string;
  },
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port: engine.ports['arm'],
        path: call.path,
        method: call.method ?? 'GET',
        ca: caPem,
        headers: { ...call.headers },
        agent: false,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: text === '' ? undefined : JSON.parse(text),
          });
        });
      },
    );
    sent.once('error', reject);
    sent.end(call.body);
  });
}

/** What the package reports of a refused call. */
export async function refusal(
  call: Promise<unknown>,
): Promise<{ status: number; code: string; message: string }> {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  const read = (name: string): unknown => Reflect.get(Object(error), name);
  return {
    status: Number(read('statusCode')),
    code: String(read('code')),
    message: String(read('message')),
  };
}
