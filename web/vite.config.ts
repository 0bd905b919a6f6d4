/** Two pages from one source tree: the client (index.html) and the portal (portal.html). */
import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vite'

const server = process.env.KERERU_SERVER ?? 'http://127.0.0.1:8787'

export default defineConfig({
  plugins: [svelte()],
  build: {
    outDir: '../src/kereru/api/bundle',
    emptyOutDir: true,
    target: 'es2022',
    // light-dark() stays as written: the specimen page switches schemes per section.
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    modulePreload: { polyfill: false },
    // Nothing is inlined as a data: address, so that the content policy can stay at 'self'.
    assetsInlineLimit: 0,
    rolldownOptions: { input: { index: 'index.html', portal: 'portal.html' } },
  },
  worker: { format: 'es' },
  server: {
    proxy: { '/api': { target: server, ws: true }, '/health': server },
  },
})
