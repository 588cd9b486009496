import { defineConfig } from 'vite';

/** Where `npm start` listens, for `npm run web`. */
const SERVER = 'http://127.0.0.1:8080';

export default defineConfig({
  root: import.meta.dirname,
  // Files are asked for beside the page's <base>, under whatever path it is served.
  base: './',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2023',
    // The policy of the page allows files alone.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  worker: { format: 'es' },
  server: {
    port: 5173,
    strictPort: true,
    proxy: {
      '^/(penstock\\.v1\\.|metrics|health/|openapi\\.json|login/oidc)': SERVER,
      '/mqtt': { target: SERVER, ws: true },
    },
  },
});
