// What scripts/build.mjs makes: one entry per program. `inputFolder` is what its stamp is a hash of.

const node = { platform: 'node', target: 'node20' };

/** Packages that call `require` for Node's own modules need one inside an ESM bundle. */
const esm = {
  ...node,
  format: 'esm',
  banner: {
    js: "import { createRequire as createRequireForBundle } from 'node:module'; const require = createRequireForBundle(import.meta.url);",
  },
};

export const bundles = [
  {
    // One CommonJS file: half the cold start of unbundled modules. The define keeps packages that read
    // import.meta.url alive in CommonJS; functions-core exists only inside the host's worker.
    name: 'app',
    inputFolder: 'src',
    outputFolder: 'dist',
    outputs: ['app.cjs'],
    esbuild: {
      ...node,
      entryPoints: ['src/main.ts'],
      outfile: 'dist/app.cjs',
      format: 'cjs',
      external: ['@azure/functions-core'],
      define: { 'import.meta.url': 'importMetaUrl' },
      banner: { js: 'const importMetaUrl = require("node:url").pathToFileURL(__filename).href;' },
    },
  },
  {
    name: 'engine',
    inputFolder: 'engine/src',
    outputFolder: 'engine/dist',
    outputs: ['engine.mjs'],
    esbuild: { ...esm, entryPoints: ['engine/src/server/main.ts'], outfile: 'engine/dist/engine.mjs' },
  },
  {
    // A program of its own: the engine does not need the client of its own API.
    name: 'import',
    inputFolder: 'engine/src',
    outputFolder: 'engine/dist',
    outputs: ['import.mjs'],
    esbuild: { ...esm, entryPoints: ['engine/src/importer/main.ts'], outfile: 'engine/dist/import.mjs' },
  },
  {
    name: 'devstack',
    inputFolder: 'devstack/src',
    outputFolder: 'devstack/dist',
    outputs: ['devstack.mjs'],
    esbuild: { ...esm, entryPoints: ['devstack/src/main.ts'], outfile: 'devstack/dist/devstack.mjs' },
  },
  {
    // hls.js and Shaka are chunks of their own, loaded when their player is chosen.
    name: 'web',
    inputFolder: 'web/src',
    outputFolder: 'web/dist',
    outputs: ['page.js', 'index.html', 'page.css', 'videos.css'],
    copies: [
      'web/src/index.html',
      'web/src/page.css',
      'web/src/videos.css',
      'web/src/icon.svg',
      'node_modules/uplot/dist/uPlot.min.css',
    ],
    esbuild: {
      platform: 'browser',
      target: 'es2022',
      format: 'esm',
      splitting: true,
      minify: true,
      entryPoints: { page: 'web/src/page.ts' },
      chunkNames: 'chunk-[name]-[hash]',
      outdir: 'web/dist',
    },
  },
];
