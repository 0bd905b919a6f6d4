/** Two pages from one source tree: the client (index.html) and the portal (portal.html). */
import { parse, TYPE } from '@formatjs/icu-messageformat-parser'
import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig, type Plugin } from 'vite'

const server = process.env.KERERU_SERVER ?? 'http://127.0.0.1:8787'

/** In development as in production: addresses under /portal are the portal's page. */
const portalPages: Plugin = {
  name: 'portal-pages',
  configureServer(vite) {
    vite.middlewares.use((request, _response, next) => {
      if (/^\/portal(\/|\?|$)/.test(request.url ?? '')) request.url = '/portal.html'
      next()
    })
  },
}

/**
 * Messages are taken apart here, not in the browser, which then needs no parser: what has arguments becomes a list of its parts, the rest stays text.
 */
export const messages: Plugin = {
  name: 'messages',
  enforce: 'pre',
  transform(code, id) {
    if (!/\/shared\/i18n\/[^/]+\.json$/.test(id)) return null
    const texts = JSON.parse(code) as Record<string, string>
    return JSON.stringify(
      Object.fromEntries(
        Object.entries(texts).map(([key, text]) => {
          const parts = parse(text)
          const [only] = parts
          return [key, parts.length === 1 && only?.type === TYPE.literal ? only.value : parts]
        }),
      ),
    )
  },
}

export default defineConfig({
  plugins: [messages, svelte(), portalPages],
  resolve: {
    alias: [
      { find: /^@formatjs\/icu-messageformat-parser$/, replacement: '@formatjs/icu-messageformat-parser/no-parser.js' },
    ],
  },
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
