import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { libraryContainer } from '../store/library-blobs.ts';
import { StorageAccounts } from '../store/storage-accounts.ts';
import { type Assignment, InvalidAssignments, parseAssignments } from './assignments.ts';
import { type ImportedContainer, importContainer } from './import-container.ts';
import { type MediaAccount, openMediaAccount } from './media-account.ts';
import { ImportReport } from './report.ts';

const USAGE = `Imports a library of the original service, or of encoded MP4 files, where it lies.

  npm run import -- [--assignments FILE] [--report FILE] [--container-prefix TEXT] [--dry-run]

  --assignments FILE       CSV with a header line, or JSON: container, assetName, streamingLocatorId,
                           streamingLocatorName, streamingPolicyName, defaultContentKeyPolicyName,
                           contentKeys (label=keyId:base64;…), alternativeMediaId, startTime, endTime
  --report FILE            what became of each container, a JSON object a line (import-report.jsonl);
                           started again, the import goes on where the report ends
  --container-prefix TEXT  only containers whose names begin so
  --dry-run                read and report, change nothing

Settings: HEADEND_IMPORT_STORAGE (connection string of the storage account that is scanned),
MEDIA_SERVICES_ENDPOINT, MEDIA_SERVICES_ACCOUNT_ID, and those of DefaultAzureCredential.`;

const CONTAINERS_AT_ONCE = 4;
const EXIT_USAGE = 2;

interface Options {
  readonly account: MediaAccount;
  readonly storage: StorageAccounts;
  readonly assignments: ReadonlyMap<string, readonly Assignment[]>;
  readonly report: ImportReport;
  readonly prefix: string;
  readonly isDryRun: boolean;
}

interface Summary {
  readonly containers: number;
  readonly created: number;
  readonly already: number;
  readonly planned: number;
  /** Without a server manifest. */
  readonly skipped: number;
  /** Assets or locators that were refused. */
  readonly failed: number;
  /** Done by an earlier run. */
  readonly doneBefore: number;
  /** Tracks that cannot be served. */
  readonly unreadable: number;
  /** Of the assignments: there are no such containers. */
  readonly missing: readonly string[];
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      assignments: { type: 'string' },
      report: { type: 'string', default: 'import-report.jsonl' },
      'container-prefix': { type: 'string', default: '' },
      'dry-run': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    say(USAGE);
    return 0;
  }
  const { storage, endpoint, accountId } = readSettings();
  const rows =
    values.assignments === undefined ? [] : parseAssignments(await readFile(values.assignments, 'utf8'));
  const summary = await importAll({
    account: openMediaAccount(endpoint, accountId),
    storage: StorageAccounts.ofSystem(storage),
    assignments: byContainer(rows),
    report: await ImportReport.open(values.report),
    prefix: values['container-prefix'],
    isDryRun: values['dry-run'],
  });
  say(`${JSON.stringify(summary)}\nThe report is in ${values.report}.`);
  return summary.failed === 0 ? 0 : 1;
}

/** Containers one by one in the order of their names, a few at a time; each is in the report when it is done. */
async function importAll(options: Options): Promise<Summary> {
  const { storage, assignments, report, prefix } = options;
  const service = storage.service(undefined);
  const unseen = new Set(assignments.keys());
  const done: ImportedContainer[] = [];
  let doneBefore = 0;
  let batch: Promise<ImportedContainer>[] = [];
  const finish = async (): Promise<void> => {
    for (const imported of await Promise.all(batch)) {
      done.push(imported);
      say(
        `${imported.asset.padEnd(8)} ${imported.container}${imported.reason === undefined ? '' : `: ${imported.reason}`}`,
      );
    }
    batch = [];
  };
  for await (const { name } of service.listContainers({ prefix })) {
    unseen.delete(name);
    const own = assignments.get(name) ?? [];
    if (report.isDone(name, own)) {
      doneBefore += 1;
      continue;
    }
    batch.push(importOne(name, own, options));
    if (batch.length >= CONTAINERS_AT_ONCE) await finish();
  }
  await finish();
  return summarize(done, { doneBefore, missing: [...unseen] });
}

async function importOne(
  name: string,
  assignments: readonly Assignment[],
  { account, storage, report, isDryRun }: Options,
): Promise<ImportedContainer> {
  const { systemName: storageAccountName } = storage;
  const blobs = libraryContainer(storage.container({ container: name }));
  const container = { name, storageAccountName, blobs, assignments };
  const imported = await importContainer(container, account, isDryRun);
  await report.add(imported, assignments);
  return imported;
}

function summarize(
  done: readonly ImportedContainer[],
  rest: Pick<Summary, 'doneBefore' | 'missing'>,
): Summary {
  const count = (asset: ImportedContainer['asset']) => done.filter((one) => one.asset === asset).length;
  const refusedLocators = done
    .flatMap(({ locators }) => locators)
    .filter(({ outcome }) => outcome === 'failed');
  const unreadable = done.flatMap(({ manifests }) => manifests.flatMap((manifest) => manifest.unreadable));
  return {
    containers: done.length,
    created: count('created'),
    already: count('already'),
    planned: count('planned'),
    skipped: count('skipped'),
    failed: count('failed') + refusedLocators.length,
    unreadable: unreadable.length,
    ...rest,
  };
}

function byContainer(rows: readonly Assignment[]): ReadonlyMap<string, readonly Assignment[]> {
  const groups = new Map<string, Assignment[]>();
  for (const row of rows) groups.set(row.container, [...(groups.get(row.container) ?? []), row]);
  return groups;
}

function readSettings(): { readonly storage: string; readonly endpoint: string; readonly accountId: string } {
  const required = (name: string): string => {
    // biome-ignore lint/style/noProcessEnv: the one reader of the environment in this program
    const value = process.env[name];
    if (value === undefined || value === '')
      throw new TypeError(`the setting ${name} is missing; see --help`);
    return value;
  };
  return {
    storage: required('HEADEND_IMPORT_STORAGE'),
    endpoint: required('MEDIA_SERVICES_ENDPOINT'),
    accountId: required('MEDIA_SERVICES_ACCOUNT_ID'),
  };
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    const { name, message } = error instanceof Error ? error : { name: 'Error', message: String(error) };
    process.stderr.write(`${name}: ${message}\n`);
    process.exitCode = error instanceof InvalidAssignments || error instanceof TypeError ? EXIT_USAGE : 1;
  },
);
