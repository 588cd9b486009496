import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { schemaApart } from './schema-apart.ts';

/** Where `npm start` listens, for `npm run web`. */
const SERVER = 'http://127.0.0.1:8080';

/** What makes calls and reads messages. */
const CALLS = /\/gen\/.*_pb\.ts$|\/src\/client\/|node_modules\/@(bufbuild\/protobuf|connectrpc)\//;
/** What is on every page. */
const SHELL =
  /node_modules\/(preact|@preact)\/|\?enums$|\/web\/src\/(api\/use-|api\/client|api\/failures|app|ui)\//;

export default defineConfig({
  root: import.meta.dirname,
  // Files are asked for beside the page's <base>, under whatever path it is served.
  base: './',
  plugins: [schemaApart()],
  resolve: { alias: { '@bufbuild/re2': fileURLToPath(new URL('src/forms/no-re2.ts', import.meta.url)) } },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2023',
    // The policy of the page allows files alone.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      treeshake: { moduleSideEffects: [{ test: /\/(gen|src\/client)\//, sideEffects: false }] },
      output: {
        codeSplitting: {
          groups: [
            // In a few files: a browser has six connections.
            { name: 'shell', test: SHELL, priority: 1 },
            { name: 'calls', test: CALLS },
          ],
        },
      },
    },
  },
  worker: { format: 'es', plugins: () => [schemaApart()] },
  server: {
    port: 5173,
    strictPort: true,
    proxy: {
      '^/(penstock\\.v1\\.|metrics|health/|openapi\\.json|login/oidc)': SERVER,
      '/mqtt': { target: SERVER, ws: true },
    },
  },
});
