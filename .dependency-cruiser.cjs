/** @type {import('dependency-cruiser').IConfiguration} */

/** A named rule: nothing that matches `from` may import anything that matches `to`. */
const never = (name, from, to, extra = {}) => ({
  name,
  severity: 'error',
  from: { path: from },
  to: { path: to, ...extra },
});

/** Within one program, a folder may import only the folders listed (and itself). */
const folder = (program, name, allowed) => ({
  name: `${program.replaceAll('/', '-')}-${name}`,
  severity: 'error',
  from: { path: `^${program}/${name}/` },
  to: { path: `^${program}/`, pathNot: `^${program}/(${[name, ...allowed].join('|')})/` },
});

const engineFolders = {
  bits: [],
  time: [],
  model: ['time'],
  codecs: ['bits', 'model', 'time'],
  formats: ['codecs', 'bits', 'model', 'time'],
  manifests: ['model', 'time'],
  encryption: ['formats', 'codecs', 'bits', 'model'],
  drm: ['manifests', 'formats', 'bits', 'model'],
  packager: ['manifests', 'formats', 'codecs', 'encryption', 'drm', 'model', 'time'],
  keys: ['resources'],
  library: ['packager', 'manifests', 'formats', 'codecs', 'bits', 'model', 'time'],
  protocols: ['formats', 'codecs', 'bits'],
  publisher: ['protocols', 'formats'],
  ingest: ['protocols', 'formats', 'codecs', 'model', 'time'],
  contract: [],
  resources: ['contract'],
  sealing: [],
  live: ['ingest', 'packager', 'formats', 'manifests', 'model', 'time', 'resources'],
  delivery: ['packager', 'encryption', 'library', 'model', 'time', 'resources', 'metrics'],
  odata: [],
  'control-plane': ['resources', 'odata', 'metrics'],
  metrics: ['resources', 'odata'],
  identity: [],
  encoding: ['manifests', 'formats', 'contract', 'resources', 'model', 'time'],
  ffmpeg: ['encoding'],
  analysis: ['encoding', 'formats', 'contract', 'resources', 'time'],
  speech: ['ffmpeg', 'analysis'],
  worker: [
    'control-plane',
    'resources',
    'contract',
    'encoding',
    'ffmpeg',
    'analysis',
    'speech',
    'manifests',
    'time',
  ],
  events: ['resources'],
  importer: ['library', 'store'],
};

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'no-dev-deps-in-prod',
      severity: 'error',
      from: { path: '^(src|engine/src|devstack/src|web/src)/' },
      to: { dependencyTypes: ['npm-dev'], pathNot: 'node_modules/@types/' },
    },

    // Two programs, a laptop stack and a page: they meet on the wire only.
    never('app-imports-itself-only', '^(src|test)/', '^(engine|web|devstack)/'),
    never('engine-imports-itself-only', '^engine/', '^(src|test|web|devstack)/'),
    never('devstack-imports-itself-only', '^devstack/', '^(src|test|web|engine)/'),
    never('web-imports-itself-only', '^web/', '^(src|test|devstack|engine)/'),
    never('source-never-tests', '^(src|engine/src|devstack/src|web/src)/', '(^|/)test/'),

    // The Functions app.
    {
      name: 'domain-is-pure',
      severity: 'error',
      from: { path: '^src/lib/domain/' },
      to: { pathNot: '^src/lib/domain/' },
    },
    {
      name: 'contracts-know-domain-and-zod',
      severity: 'error',
      from: { path: '^src/lib/contracts/' },
      to: { pathNot: '^(src/lib/(contracts|domain)/|node_modules/zod/)' },
    },
    {
      name: 'workflows-know-domain',
      severity: 'error',
      from: { path: '^src/lib/workflows/' },
      to: { path: '^(src/|node_modules/)', pathNot: '^src/lib/(workflows|domain|contracts)/' },
    },
    never('workflows-take-types-only-from-contracts', '^src/lib/workflows/', '^src/lib/contracts/', {
      dependencyTypesNot: ['type-only'],
    }),
    {
      name: 'adapters-stay-apart',
      severity: 'error',
      from: { path: '^src/lib/adapters/([^/]+)/' },
      to: { path: '^src/lib/adapters/([^/]+)/', pathNot: '^src/lib/adapters/$1/' },
    },
    {
      name: 'functions-are-thin',
      severity: 'error',
      from: { path: '^src/functions/' },
      to: { path: '^src/', pathNot: '^src/lib/(composition\\.ts|http/|events/|contracts/|queues/|timers/)' },
    },
    never(
      'sdk-only-in-adapters',
      '^src/(functions|lib/(domain|contracts|workflows|http|events|config))/',
      '^node_modules/@azure/(storage|arm|data-tables|identity)',
    ),

    // The engine.
    ...Object.entries(engineFolders).map(([name, allowed]) => folder('engine/src', name, allowed)),
    never(
      'engine-sdk-only-in-store',
      '^engine/src/(?!store/|server/)',
      '^node_modules/@azure/(storage|data-tables)',
    ),
    never(
      'store-sees-ports-as-types-only',
      '^engine/src/store/',
      '^engine/src/(live|delivery|control-plane|events|worker)/',
      { dependencyTypesNot: ['type-only'] },
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(dist|coverage|golden)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.base.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      mainFields: ['module', 'main', 'types'],
      extensions: ['.ts', '.mjs', '.js', '.cjs', '.json'],
    },
  },
};
