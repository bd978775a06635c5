import { armError } from '../resources/error-catalogue.ts';
import {
  MediaFilterRecord,
  newMediaFilter,
  parseMediaFilterBody,
  replacedMediaFilter,
  toArmMediaFilter,
  updatedMediaFilter,
} from '../resources/media-filter.ts';
import { parseName } from '../resources/names.ts';
import { filtersGuardKey, namePart, resourcePrefix } from '../resources/row-keys.ts';
import type { ArmAnswer, ArmRequest, ArmRoute } from './arm-http.ts';
import { getAsset } from './asset-rows.ts';
import { type Collection, createChanges, deleteChanges, nameField, replaceChanges } from './collection.ts';
import { untilCommitted } from './commit-attempts.ts';
import { type ControlContext, nowIso } from './control-context.ts';
import type { RowChange, StoredRow } from './control-store.ts';
import { answerList } from './list-pages.ts';

const nameOf = (record: MediaFilterRecord): string => record.name;
const parse = (body: unknown): MediaFilterRecord => MediaFilterRecord.parse(body);
/** Neither list can be filtered or ordered (reference §1.4). */
const fields = { name: { ...nameField(nameOf, []), orderable: false } };

const ACCOUNT_FILTERS: Collection<MediaFilterRecord> = {
  kind: 'accountfilter',
  version: 1,
  parse,
  nameOf,
  fields,
};

const ASSET_FILTERS: Collection<MediaFilterRecord> = {
  kind: 'assetfilter',
  version: 1,
  parse,
  nameOf,
  parentsOf: ({ assetName = '' }) => [assetName],
  fields,
};

export const assetFilterPrefix = (assetName: string): string => resourcePrefix('assetfilter', [assetName]);

/** Where the filters of a request are: the account's own, or those of an asset. */
interface FilterHome {
  readonly collection: Collection<MediaFilterRecord>;
  readonly parents: readonly string[];
  readonly assetName: string | undefined;
  /** A row that every creation here changes, so that the hundredth filter has no twin. */
  readonly guard: RowChange;
}

type FindHome = (context: ControlContext, request: ArmRequest) => Promise<FilterHome>;

/** Filters that shape manifests, of the account and of assets. */
export const MEDIA_FILTER_ROUTES: readonly ArmRoute[] = [
  ...filterRoutes('/accountFilters', accountHome),
  ...filterRoutes('/assets/:asset/assetFilters', assetHome),
];

async function accountHome({ store }: ControlContext): Promise<FilterHome> {
  const row = await store.find(filtersGuardKey);
  const body = { isGuard: true };
  const guard: RowChange =
    row === undefined
      ? { kind: 'create', rowKey: filtersGuardKey, body }
      : { kind: 'replace', rowKey: filtersGuardKey, etag: row.etag, body };
  return { collection: ACCOUNT_FILTERS, parents: [], assetName: undefined, guard };
}

/** Throws `NotFound`. A filter that is made while its asset is deleted is not made. */
async function assetHome(context: ControlContext, request: ArmRequest): Promise<FilterHome> {
  const { row, record } = await getAsset(context, request.params['asset'] ?? '');
  const guard = { kind: 'replace', rowKey: row.rowKey, etag: row.etag, body: row.body } as const;
  return { collection: ASSET_FILTERS, parents: [record.name], assetName: record.name, guard };
}

function filterRoutes(path: string, findHome: FindHome): readonly ArmRoute[] {
  const one = `${path}/:filter`;
  return [
    {
      method: 'GET',
      path,
      async handle(context, request) {
        const { collection, parents } = await findHome(context, request);
        const toArm = (record: MediaFilterRecord) =>
          toArmMediaFilter(context.scope, record, { isListed: true });
        return answerList(context, request, collection, { parents, toArm });
      },
    },
    {
      method: 'GET',
      path: one,
      async handle(context, request) {
        const row = await findFilter(context, request, await findHome(context, request));
        if (row === undefined) throw armError('NotFound');
        return answer(context, 200, parse(row.body));
      },
    },
    { method: 'PUT', path: one, handle: (context, request) => putFilter(context, request, findHome) },
    { method: 'PATCH', path: one, handle: (context, request) => patchFilter(context, request, findHome) },
    { method: 'DELETE', path: one, handle: (context, request) => deleteFilter(context, request, findHome) },
  ];
}

const answer = ({ scope }: ControlContext, status: number, record: MediaFilterRecord): ArmAnswer => ({
  status,
  body: toArmMediaFilter(scope, record, { isListed: false }),
});

const findFilter = (
  { store }: ControlContext,
  request: ArmRequest,
  { collection, parents }: FilterHome,
): Promise<StoredRow | undefined> =>
  store.find(resourcePrefix(collection.kind, parents) + namePart(request.params['filter'] ?? ''));

function putFilter(context: ControlContext, request: ArmRequest, findHome: FindHome): Promise<ArmAnswer> {
  const name = parseName('mediaFilter', request.params['filter'] ?? '');
  const body = parseMediaFilterBody(request.body, request.apiVersion);
  const by = { caller: request.caller, nowIso: nowIso() };
  return untilCommitted(
    async () => {
      const home = await findHome(context, request);
      const { collection, parents, assetName, guard } = home;
      const row = await findFilter(context, request, home);
      if (row !== undefined) {
        const record = replacedMediaFilter(parse(row.body), body, by);
        const result = await context.store.commit(replaceChanges(collection, row, record));
        return result === 'conflict' ? result : answer(context, 200, record);
      }
      const prefix = resourcePrefix(collection.kind, parents);
      await checkFilterQuota(context, prefix, assetName);
      const record = newMediaFilter(body, { name, assetName, ...by });
      const result = await context.store.commit([...createChanges(collection, record), guard]);
      return result === 'conflict' ? result : answer(context, 201, record);
    },
    guardOf(context, request),
  );
}

async function checkFilterQuota(
  { store, quotas }: ControlContext,
  prefix: string,
  assetName: string | undefined,
): Promise<void> {
  const ofAccount = assetName === undefined;
  const max = ofAccount ? quotas.accountFilters : quotas.filtersPerAsset;
  if ((await store.list(prefix, { limit: max })).length < max) return;
  const type = ofAccount ? 'account filters' : 'filters of an asset';
  throw armError('QuotaExceeded', { type, reason: String(max) });
}

/** What the transactions that create filters of the same account or asset have in common. */
function guardOf({ scope }: ControlContext, { params }: ArmRequest): string {
  const asset = params['asset']?.toLowerCase();
  return asset === undefined ? scope.accountId : `${scope.accountId}/assets/${asset}`;
}

function patchFilter(context: ControlContext, request: ArmRequest, findHome: FindHome): Promise<ArmAnswer> {
  const body = parseMediaFilterBody(request.body, request.apiVersion);
  const by = { caller: request.caller, nowIso: nowIso() };
  return untilCommitted(async () => {
    const home = await findHome(context, request);
    const row = await findFilter(context, request, home);
    if (row === undefined) throw armError('NotFound');
    const record = updatedMediaFilter(parse(row.body), body, by);
    const result = await context.store.commit(replaceChanges(home.collection, row, record));
    return result === 'conflict' ? result : answer(context, 200, record);
  });
}

function deleteFilter(context: ControlContext, request: ArmRequest, findHome: FindHome): Promise<ArmAnswer> {
  return untilCommitted(async () => {
    const home = await findHome(context, request);
    const row = await findFilter(context, request, home);
    if (row === undefined) return { status: 204 };
    const result = await context.store.commit(deleteChanges(home.collection, parse(row.body)));
    return result === 'conflict' ? result : { status: 200 };
  });
}
