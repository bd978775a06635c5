import { GuardedRequestFailed, guardedRequest } from './guarded-request.ts';
import { KeyDeliveryError } from './key-delivery-error.ts';

const FORWARD_MS_MAX = 10_000;
const LICENSE_BYTES_MAX = 512 * 1024;

export type LicenseSystem = 'playReady' | 'widevine' | 'fairPlay';

/** A license server of the owner's; its headers may hold a secret. */
export interface LicenseServer {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
}

export interface LicenseServers {
  find(system: LicenseSystem, account: string): LicenseServer | undefined;
}

export interface LicenseRequest {
  readonly account: string;
  readonly keyIds: readonly string[];
  readonly contentType: string | undefined;
  readonly body: Uint8Array;
}

export interface LicenseAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: Uint8Array;
}

/**
 * Asks the license server for what its proxy has let through, and answers its answer. Of the viewer's headers only the
 * content type goes on. Throws `KeyDeliveryError`.
 */
export async function forwardLicenseRequest(
  server: LicenseServer,
  { account, keyIds, contentType, body }: LicenseRequest,
): Promise<LicenseAnswer> {
  try {
    const answer = await guardedRequest({
      url: server.url,
      method: 'POST',
      headers: {
        'content-type': contentType ?? 'application/octet-stream',
        'x-headend-account': account,
        'x-headend-key-ids': keyIds.join(','),
        ...server.headers,
      },
      body,
      timeoutMs: FORWARD_MS_MAX,
      responseBytesMax: LICENSE_BYTES_MAX,
      // Who configures the engine says where its license server is.
      isPrivateAllowed: true,
    });
    if (answer.status < 200 || (answer.status >= 300 && answer.status < 400)) {
      throw new KeyDeliveryError('LicenseServerFailed', `status ${answer.status}`);
    }
    const { status, body: license, contentType: type = 'application/octet-stream' } = answer;
    return { status, contentType: type, body: license };
  } catch (cause) {
    if (!(cause instanceof GuardedRequestFailed)) throw cause;
    const code = cause.code === 'Timeout' ? 'LicenseServerTimeout' : 'LicenseServerFailed';
    throw new KeyDeliveryError(code, cause.code, { cause });
  }
}
