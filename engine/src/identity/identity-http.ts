import type { IncomingMessage, ServerResponse } from 'node:http';
import { CLIENT_ID, TENANT_ID, type TokenIssuer } from './token-issuer.ts';

const FORM_BYTES_MAX = 16 * 1024;
const TENANT_PATH = /^\/(adfs|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(\/.*)$/i;
const MANAGED_IDENTITY_API_VERSION = '2019-08-01';

const sendJson = (response: ServerResponse, status: number, body: object): void => {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(body));
};

/** App Service's managed identity endpoint: `GET ?resource=…&api-version=2019-08-01` with `X-IDENTITY-HEADER`. */
export async function answerManagedIdentity(
  issuer: TokenIssuer,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const searchParams = new URLSearchParams((request.url ?? '').split('?', 2)[1] ?? '');
  const header = request.headers['x-identity-header'];
  if (typeof header !== 'string' || !issuer.isClientSecret(header)) {
    sendJson(response, 401, { statusCode: 401, message: 'X-IDENTITY-HEADER is missing or wrong' });
    return;
  }
  if (searchParams.get('api-version') !== MANAGED_IDENTITY_API_VERSION) {
    sendJson(response, 400, {
      statusCode: 400,
      message: `api-version must be ${MANAGED_IDENTITY_API_VERSION}`,
    });
    return;
  }
  const resource = searchParams.get('resource') ?? '';
  const token = await issuer.issue(resource);
  if (token === undefined) {
    sendJson(response, 400, { statusCode: 400, message: 'no token is issued for this resource' });
    return;
  }
  sendJson(response, 200, {
    access_token: token.accessToken,
    expires_on: String(token.expiresAtSeconds),
    resource,
    token_type: 'Bearer',
    client_id: CLIENT_ID,
  });
}

/** OAuth 2.0 and OpenID Connect discovery for `adfs` and any tenant id; false when the request is not for it. */
export async function answerOAuth(
  issuer: TokenIssuer,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<boolean> {
  const [pathname = ''] = (request.url ?? '').split('?', 1);
  const match = TENANT_PATH.exec(pathname);
  if (match === null) return false;
  const [, tenant = '', path = ''] = match;
  if (request.method === 'GET' && /^(\/v2\.0)?\/\.well-known\/openid-configuration$/.test(path)) {
    sendJson(response, 200, discovery(issuer, `${new URL(issuer.issuer).origin}/${tenant}`));
    return true;
  }
  if (request.method === 'GET' && path === '/discovery/keys') {
    sendJson(response, 200, issuer.publicKeys);
    return true;
  }
  if (request.method === 'POST' && path === '/oauth2/v2.0/token') {
    await answerToken(issuer, request, response);
    return true;
  }
  return false;
}

function discovery(issuer: TokenIssuer, base: string): object {
  return {
    issuer: issuer.issuer,
    authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
    token_endpoint: `${base}/oauth2/v2.0/token`,
    jwks_uri: `${base}/discovery/keys`,
    response_types_supported: ['token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
    grant_types_supported: ['client_credentials'],
    tenant: TENANT_ID,
  };
}

async function answerToken(issuer: TokenIssuer, request: IncomingMessage, response: ServerResponse) {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk);
    sizeBytes += bytes.length;
    if (sizeBytes > FORM_BYTES_MAX) {
      sendJson(response, 413, { error: 'invalid_request', error_description: 'the request is too large' });
      return;
    }
    chunks.push(bytes);
  }
  const form = new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
  if (form.get('grant_type') !== 'client_credentials') {
    sendJson(response, 400, {
      error: 'unsupported_grant_type',
      error_description: 'only client_credentials',
    });
    return;
  }
  if (form.get('client_id') !== CLIENT_ID || !issuer.isClientSecret(form.get('client_secret') ?? '')) {
    sendJson(response, 401, { error: 'invalid_client', error_description: 'client id or secret is wrong' });
    return;
  }
  const resource = form.get('resource') ?? scopeResource(form.get('scope') ?? '');
  const token = await issuer.issue(resource);
  if (token === undefined) {
    sendJson(response, 400, {
      error: 'invalid_scope',
      error_description: 'no token is issued for this scope',
    });
    return;
  }
  const expiresInSeconds = token.expiresAtSeconds - Math.floor(Date.now() / 1000);
  sendJson(response, 200, {
    token_type: 'Bearer',
    expires_in: expiresInSeconds,
    ext_expires_in: expiresInSeconds,
    access_token: token.accessToken,
  });
}

/** `https://resource/.default openid …` → `https://resource`. */
function scopeResource(scope: string): string {
  const wanted = scope.split(' ').find((word) => word.endsWith('/.default'));
  return wanted?.slice(0, -'/.default'.length) ?? '';
}
