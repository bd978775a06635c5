import { timingSafeEqual } from 'node:crypto';
import type { PublishDecision, PublishRequest } from '../ingest/publish-session.ts';
import { isInNetworks } from '../resources/ip-allow-list.ts';
import type { LiveEventView } from './live-directory.ts';

export type Refusal = Extract<PublishDecision, { kind: 'refused' }>;

/**
 * Why an encoder may not publish into a live event, undefined when it may. Only new connections are asked: a narrower
 * allow list or a new token never drops an encoder that is connected.
 */
export function decideAtDoor(
  request: PublishRequest,
  view: LiveEventView,
  nowMs: number,
): Refusal | undefined {
  if (!isTokenGood(request.accessToken, view, nowMs)) {
    return refused('MPE_RTMP_APPID_AUTH_FAILURE', 'the stream key is not known');
  }
  if (view.resourceState !== 'Running') {
    return denied(`the live event is ${view.resourceState}: start it first`);
  }
  if (!isInNetworks(view.ingestAllow, request.encoderIp)) {
    return denied(
      `encoders may not connect from ${request.encoderIp}: add the address to the ingest allow list`,
    );
  }
  if (request.protocol !== view.streamingProtocol) {
    return denied(`the live event takes ${view.streamingProtocol}, not ${request.protocol}`);
  }
  return undefined;
}

export function denied(message: string): Refusal {
  return refused('MPE_INGEST_ENCODER_CONNECTION_DENIED', message);
}

function refused(resultCode: Refusal['resultCode'], message: string): Refusal {
  return { kind: 'refused', resultCode, message };
}

/** Compares with both tokens always, so that the time it takes tells nothing. */
function isTokenGood(given: string, view: LiveEventView, nowMs: number): boolean {
  const previous = view.previousAccessToken;
  const isCurrent = isSameToken(given, view.accessToken);
  const isPrevious = isSameToken(given, previous?.token ?? '');
  return isCurrent || (isPrevious && previous !== undefined && nowMs < previous.validUntilMs);
}

function isSameToken(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)];
  return a.byteLength === b.byteLength && timingSafeEqual(a, b);
}
