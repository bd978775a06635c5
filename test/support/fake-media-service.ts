import type { Delivery } from '../../src/lib/domain/protection.ts';
import type { LiveEventReading, OutputReading } from '../../src/lib/domain/snapshot.ts';
import type { LocatorSettings, MediaService, Outcome } from '../../src/lib/workflows/media-service.ts';
import type { KeyPolicySettings } from '../../src/lib/workflows/protection-policies.ts';

type LiveEvent = { -readonly [K in keyof LiveEventReading]: LiveEventReading[K] };

const AFTER = { allocate: 'standby', start: 'running', reset: 'running', stop: 'stopped' } as const;
const DONE: Outcome = { kind: 'done' };
const REFUSED: Outcome = { kind: 'refused', code: 'BadRequest', message: 'Not so.' };
const BUSY: Outcome = { kind: 'later', code: 'OperationInProgress', message: 'busy' };

/** A media service in memory: one operation per live event at a time, done when `settle` is called or at once. */
export function fakeMediaService({
  slow = false,
  step = () => {},
}: {
  slow?: boolean;
  step?: () => void;
} = {}) {
  const state = {
    liveEvents: new Map<string, LiveEvent>(),
    outputs: new Map<string, OutputReading[]>(),
    assets: new Map<string, string>(),
    locators: new Map<string, LocatorSettings>(),
    keyPolicies: new Map<string, KeyPolicySettings>(),
    deliveryPolicies: new Map<string, Delivery>(),
    keyPolicyWrites: 0,
    sending: false,
    /** Whether what is sent goes on: a preview still answers for what was. */
    growing: true,
    sequence: 0,
    pending: new Map<string, () => void>(),
    /** What is refused for good. */
    refused: new Set<'update' | 'createOutput'>(),
    /** The last overlap that was asked for. */
    overlap: '',
    ingestUrls: (token: string) => [`rtmp://h:1935/live/${token}`],
  };
  /** A crash may come before the call takes effect and after it. */
  const crashable =
    <A extends unknown[], R>(work: (...args: A) => R) =>
    async (...args: A): Promise<R> => {
      step();
      const result = work(...args);
      step();
      return result;
    };
  const operation = (name: string, effect: () => void): Outcome => {
    if (state.pending.has(name)) return BUSY;
    if (slow) state.pending.set(name, effect);
    else effect();
    return DONE;
  };
  const settle = () => {
    const effects = [...state.pending.values()];
    state.pending.clear();
    for (const effect of effects) effect();
  };
  const media: MediaService = {
    liveEvents: {
      find: crashable((name) => {
        const found = state.liveEvents.get(name);
        return found === undefined ? undefined : { ...found };
      }),
      create: crashable((wanted) => {
        if (state.liveEvents.has(wanted.name)) return DONE;
        const { accessToken, previewLocator, allowFrom, description } = wanted;
        const fixed = {
          passthrough: true,
          ingestUrls: state.ingestUrls(accessToken),
          previewUrl: `http://h/${previewLocator}/preview.ism/manifest`,
        };
        state.liveEvents.set(wanted.name, {
          state: 'stopped',
          accessToken,
          previewLocator,
          allowFrom,
          description,
          ...fixed,
        });
        return DONE;
      }),
      update: crashable((wanted, { withToken, tokenOverlap }) => {
        if (state.refused.has('update')) return REFUSED;
        state.overlap = tokenOverlap;
        return operation(wanted.name, () => {
          const found = state.liveEvents.get(wanted.name);
          if (found === undefined) return;
          found.allowFrom = wanted.allowFrom;
          found.description = wanted.description;
          if (withToken) found.accessToken = wanted.accessToken;
        });
      }),
      run: crashable((name, verb) => {
        const found = state.liveEvents.get(name);
        if (found === undefined) return { kind: 'refused', code: 'ResourceNotFound', message: 'none' };
        return operation(name, () => {
          if (verb !== 'start') state.outputs.delete(name);
          found.state = AFTER[verb];
        });
      }),
      remove: crashable((name) => {
        if (state.liveEvents.get(name)?.state === 'running')
          return { kind: 'refused', code: 'BadRequest', message: 'running' };
        return operation(name, () => void state.liveEvents.delete(name));
      }),
    },
    outputs: {
      list: crashable((liveEvent) => [...(state.outputs.get(liveEvent) ?? [])]),
      create: crashable(({ liveEvent, name, assetName, manifestName }) => {
        if (!state.assets.has(assetName)) return { kind: 'refused', code: 'NotFound', message: 'no asset' };
        if (state.refused.has('createOutput')) return REFUSED;
        return operation(liveEvent, () => {
          const others = (state.outputs.get(liveEvent) ?? []).filter((output) => output.name !== name);
          state.outputs.set(liveEvent, [...others, { name, assetName, manifestName, deleting: false }]);
        });
      }),
      remove: crashable((liveEvent, name) =>
        operation(liveEvent, () => {
          state.outputs.set(
            liveEvent,
            (state.outputs.get(liveEvent) ?? []).filter((output) => output.name !== name),
          );
        }),
      ),
    },
    assets: {
      findOwner: crashable((name) => state.assets.get(name)),
      create: crashable((name, owner) => {
        state.assets.set(name, owner);
        return DONE;
      }),
      remove: crashable((name) => {
        state.assets.delete(name);
        return DONE;
      }),
    },
    locators: {
      find: crashable((name) => {
        const found = state.locators.get(name);
        return found === undefined ? undefined : { ...found, keyIds: found.contentKeys.map(({ id }) => id) };
      }),
      create: crashable((locator) => {
        const { name, assetName, streamingPolicy, keyPolicy } = locator;
        const hasPolicies =
          (streamingPolicy.startsWith('Predefined_') || state.deliveryPolicies.has(streamingPolicy)) &&
          (keyPolicy === null || state.keyPolicies.has(keyPolicy));
        if (!state.assets.has(assetName) || !hasPolicies)
          return { kind: 'refused', code: 'NotFound', message: 'no asset or policy' };
        if (state.locators.has(name)) return BUSY;
        state.locators.set(name, locator);
        return DONE;
      }),
      remove: crashable((name) => {
        state.locators.delete(name);
        return DONE;
      }),
    },
    keyPolicies: {
      findMark: crashable((name) => state.keyPolicies.get(name)?.mark),
      put: crashable((settings) => {
        state.keyPolicyWrites += 1;
        state.keyPolicies.set(settings.name, settings);
        return DONE;
      }),
      remove: crashable((name) => {
        state.keyPolicies.delete(name);
        return DONE;
      }),
    },
    deliveryPolicies: {
      exists: crashable((name) => state.deliveryPolicies.has(name)),
      create: crashable((name, delivery) => {
        if (state.deliveryPolicies.has(name)) return BUSY;
        state.deliveryPolicies.set(name, delivery);
        return DONE;
      }),
      remove: crashable((name) => {
        if ([...state.locators.values()].some(({ streamingPolicy }) => streamingPolicy === name))
          return REFUSED;
        state.deliveryPolicies.delete(name);
        return DONE;
      }),
    },
    preview: {
      probe: crashable((_url, { withFingerprint }) => {
        if (state.sending && state.growing) state.sequence += 1;
        return {
          sending: state.sending,
          fingerprint: withFingerprint && state.sending ? `${state.sequence}` : null,
          tracks: [],
        };
      }),
    },
  };
  return { media, state, settle };
}
