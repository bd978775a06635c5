import { z } from 'zod';

/** How much of each category is logged: host.json's `logging.logLevel`. */
export interface LogLevels {
  isEnabled(category: string, level: string): boolean;
}

const LEVELS = ['trace', 'debug', 'information', 'warning', 'error', 'critical', 'none'];
const CATEGORIES_MAX = 200;
const LEVEL_DEFAULT = 'information';

const Level = z
  .string()
  .transform((level) => level.toLowerCase())
  .pipe(z.enum(LEVELS));

export const LogLevelSettings = z
  .record(z.string(), Level)
  .refine((levels) => Object.keys(levels).length <= CATEGORIES_MAX, `more than ${CATEGORIES_MAX} categories`);

/** The longest category that a message's own begins with decides, `default` when there is none. */
export function openLogLevels(settings: z.infer<typeof LogLevelSettings>): LogLevels {
  const { default: fallback = LEVEL_DEFAULT, ...named } = settings;
  const categories = Object.entries(named).sort(([a], [b]) => b.length - a.length);
  return {
    isEnabled(category, level) {
      const found = categories.find(([name]) => category === name || category.startsWith(`${name}.`));
      return LEVELS.indexOf(level.toLowerCase()) >= LEVELS.indexOf(found?.[1] ?? fallback);
    },
  };
}
