import { readFileSync } from 'node:fs';

export type Environment = Readonly<Record<string, string | undefined>>;

export type Reader = ReturnType<typeof settingsReader>;

/** Reads settings one by one; what is wrong with them goes to `problems`. */
export function settingsReader(env: Environment, problems: string[]) {
  const text = (name: string, fallback: string): string => env[name] || fallback;
  return {
    text,
    required(name: string): string {
      const value = env[name];
      if (!value) problems.push(`${name} is required`);
      return value ?? '';
    },
    matching(name: string, fallback: string, pattern: RegExp): string {
      const value = text(name, fallback);
      if (!pattern.test(value)) problems.push(`${name} does not match ${pattern.source}`);
      return value;
    },
    integer(name: string, fallback: number, range: { min: number; max: number }): number {
      const value = env[name];
      if (!value) return fallback;
      const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
      if (number >= range.min && number <= range.max) return number;
      problems.push(`${name} must be a whole number from ${range.min} to ${range.max}`);
      return fallback;
    },
    port(name: string, fallback: number): number {
      return this.integer(name, fallback, { min: 0, max: 65_535 });
    },
    file(name: string): string {
      const path = this.required(name);
      if (path === '') return '';
      try {
        return readFileSync(path, 'utf8');
      } catch (error) {
        problems.push(`${name}: cannot read the file (${String(Reflect.get(Object(error), 'code'))})`);
        return '';
      }
    },
  };
}
