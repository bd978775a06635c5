import type { AzureMediaServices } from '@azure/arm-mediaservices';
import { ACCOUNT_ID, callArm, createArmClient, fetchToken, type RawAnswer } from './arm-client.ts';
import { type Azurite, startAzurite } from './azurite.ts';
import { buildEngine, type EngineProgram, type RunningEngine } from './engine-program.ts';
import { type EventReceiver, type ReceivedEvent, startEventReceiver } from './event-receiver.ts';

export const EVENT_GRID_KEY = 'contract-test-topic-key';
const EVENT_WAIT_MS = 20_000;

/** A control plane as it is shipped, with real storage, a client that is signed in and somebody who takes its events. */
export interface ArmStack {
  readonly azurite: Azurite;
  readonly program: EngineProgram;
  readonly engine: RunningEngine;
  readonly receiver: EventReceiver;
  readonly client: AzureMediaServices;
  readonly token: string;
  /** A call below the account, with the token. */
  raw(method: string, path: string, body?: string): Promise<RawAnswer>;
  close(): Promise<void>;
}

type Environment = Readonly<Record<string, string>>;

/** `env` comes on top; it may depend on the storage that was started. */
export async function startArmStack(
  env: Environment | ((azurite: Azurite) => Promise<Environment>) = {},
): Promise<ArmStack> {
  const [azurite, program, receiver] = await Promise.all([
    startAzurite(),
    buildEngine(),
    startEventReceiver(EVENT_GRID_KEY),
  ]);
  const engine = await program.start('control', {
    HEADEND_STORAGE: azurite.connectionString,
    HEADEND_EVENTGRID_ENDPOINT: receiver.endpoint,
    HEADEND_EVENTGRID_KEY: EVENT_GRID_KEY,
    HEADEND_PUBLIC_RTMP_PORT: '1935',
    HEADEND_PUBLIC_RTMP_BACKUP_PORT: '1936',
    HEADEND_PUBLIC_RTMPS_PORT: '2935',
    HEADEND_PUBLIC_RTMPS_BACKUP_PORT: '2936',
    HEADEND_PUBLIC_SMOOTH_PORT: '8889',
    HEADEND_PUBLIC_STREAMING_PORT: '8888',
    ...(typeof env === 'function' ? await env(azurite) : env),
  });
  const token = await fetchToken(engine, program.identitySecret);
  return {
    azurite,
    program,
    engine,
    receiver,
    token,
    client: createArmClient(engine, program.caPem, program.identitySecret),
    raw: (method, path, body) =>
      callArm(engine, program.caPem, {
        method,
        path: ACCOUNT_ID + path,
        headers: { authorization: `Bearer ${token}` },
        ...(body === undefined ? {} : { body }),
      }),
    async close() {
      await program.close();
      await receiver.close();
      await azurite.close();
    },
  };
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** The state changes of one subject as `from>to`, once there are `count` of them; each event counts once. */
export async function stateChanges(
  receiver: EventReceiver,
  subject: string,
  count: number,
): Promise<string[]> {
  const received = (): ReceivedEvent[] => {
    const ofSubject = receiver.events.filter((event) => event.subject === subject);
    return [...new Map(ofSubject.map((event) => [event.id, event])).values()];
  };
  const deadline = Date.now() + EVENT_WAIT_MS;
  while (received().length < count && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return received().map((event) => `${event.data['previousState']}>${event.data['state']}`);
}

/** Which of the secrets that a control plane handles stand in its log. */
export async function secretsInLog(stack: ArmStack, log: string): Promise<string[]> {
  const storageKey = /AccountKey=([^;]+)/.exec(stack.azurite.connectionString)?.[1] ?? '';
  const events = await collect(stack.client.liveEvents.list('headend', 'headend'));
  const accessTokens = events.map((event) => event.input?.accessToken ?? '');
  const secrets = {
    identity: stack.program.identitySecret,
    topic: EVENT_GRID_KEY,
    storage: storageKey,
    bearer: stack.token,
    ...Object.fromEntries(accessTokens.map((secret, index) => [`stream${index}`, secret])),
  };
  return Object.entries(secrets)
    .filter(([, secret]) => secret === '' || log.includes(secret))
    .map(([name]) => name);
}
