import { z } from 'zod';
import type { EngineConfig } from './config.ts';
import { followFile } from './follow-file.ts';
import type { Log } from './log.ts';
import { Secret } from './secret.ts';
import { readSettingsFile } from './settings-file.ts';

const TOPICS_MAX = 1000;

const TopicsFile = z.object({
  topics: z
    .array(
      z.strictObject({
        account: z.string().regex(/^[a-z0-9]{3,24}$/),
        endpoint: z.url({ protocol: /^https?$/ }).max(500),
        key: z.string().min(1).max(500),
      }),
    )
    .max(TOPICS_MAX),
});

export interface Topic {
  readonly endpoint: string;
  readonly key: Secret;
}

/** Where the events of other accounts than the engine's own go. */
export interface EventTopics {
  of(account: string): Topic | undefined;
}

/**
 * `HEADEND_EVENTGRID_TOPICS` names a file `{"topics":[{"account","endpoint","key"}]}`, one Event Grid topic per account,
 * which is read again when it has changed. Throws `InvalidConfig`.
 */
export async function openEventTopics(config: EngineConfig, log: Log): Promise<EventTopics> {
  const { eventTopicsFile: path } = config;
  let topics: ReadonlyMap<string, Topic> = new Map();
  if (path !== undefined) {
    const read = async (): Promise<void> => {
      const file = await readSettingsFile('HEADEND_EVENTGRID_TOPICS', path, TopicsFile);
      topics = new Map(
        file.topics.map(({ account, endpoint, key }) => [account, { endpoint, key: new Secret(key) }]),
      );
    };
    await read();
    followFile(path, read, log);
  }
  return { of: (account) => topics.get(account.toLowerCase()) };
}
