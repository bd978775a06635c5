const base = {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  testMatch: ['**/*.test.ts'],
  // The packaged app carries a package.json of the same name.
  modulePathIgnorePatterns: ['/dist/'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'es6' } },
    ],
  },
};

const parts = ['test', 'engine/test', 'devstack/test', 'web/test'];

/** One project per kind of test; each part of the repository keeps its own tests beside its own source. */
const project = (kind, extra = {}) => ({
  ...base,
  displayName: kind,
  testMatch: parts.map((part) => `<rootDir>/${part}/${kind}/**/*.test.ts`),
  ...extra,
});

export default {
  coverageProvider: 'babel',
  testTimeout: 30_000,
  projects: ['unit', 'integration', 'contract', 'stack', 'e2e'].map((kind) => project(kind)),
};
