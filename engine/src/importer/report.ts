import { createHash } from 'node:crypto';
import { appendFile, readFile } from 'node:fs/promises';
import type { Assignment } from './assignments.ts';
import { type ImportedContainer, isComplete } from './import-container.ts';

/** A line of the report: what became of a container, and by which assignments. */
type ReportLine = ImportedContainer & { readonly assignments: string };

/**
 * The report is also how far the import has come: one JSON object a line, appended when a container is done. A container
 * that was imported by the same assignments is not looked at again.
 */
export class ImportReport {
  readonly #file: string;
  readonly #done = new Map<string, string>();

  private constructor(file: string) {
    this.#file = file;
  }

  static async open(file: string): Promise<ImportReport> {
    const report = new ImportReport(file);
    const text = await readFile(file, 'utf8').catch((error: unknown) => {
      if (Reflect.get(Object(error), 'code') === 'ENOENT') return '';
      throw error;
    });
    for (const line of text.split('\n')) report.#remember(line);
    // A line that was cut off by a crash ends here.
    if (text !== '' && !text.endsWith('\n')) await appendFile(file, '\n');
    return report;
  }

  isDone(container: string, assignments: readonly Assignment[]): boolean {
    return this.#done.get(container) === digestOf(assignments);
  }

  async add(imported: ImportedContainer, assignments: readonly Assignment[]): Promise<void> {
    const line: ReportLine = { ...imported, assignments: digestOf(assignments) };
    await appendFile(this.#file, `${JSON.stringify(line)}\n`);
  }

  #remember(text: string): void {
    const line = parseLine(text);
    if (line === undefined) return;
    if (isComplete(line)) this.#done.set(line.container, line.assignments);
    else this.#done.delete(line.container);
  }
}

function parseLine(text: string): ReportLine | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const container: unknown = Reflect.get(Object(value), 'container');
    const locators: unknown = Reflect.get(Object(value), 'locators');
    // Written by `add`: whoever edits it by hand imports once more at worst.
    return typeof container === 'string' && Array.isArray(locators) ? (value as ReportLine) : undefined;
  } catch {
    return undefined;
  }
}

/** Keys are in assignments, so the report has what cannot be turned back. */
const digestOf = (assignments: readonly Assignment[]): string =>
  createHash('sha256').update(JSON.stringify(assignments)).digest('hex').slice(0, 32);
