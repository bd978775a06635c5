import type { HttpResponseInit } from '@azure/functions';
import type { Services } from '../composition.ts';
import { Problem } from '../domain/errors.ts';
import { json } from './handle.ts';

export const liveness = async (): Promise<HttpResponseInit> => json(200, { status: 'ok' });

export async function readiness(app: () => Services): Promise<HttpResponseInit> {
  try {
    await app().ready();
  } catch (cause) {
    throw new Problem('notReady', { detail: 'Storage or settings are not usable yet.' }, { cause });
  }
  return json(200, { status: 'ok' });
}
