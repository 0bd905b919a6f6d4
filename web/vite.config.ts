/** Two pages from one source tree: the client (index.html) and the portal (portal.html). */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'

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

/** Both pages ask for the letters at once: text that is painted in others first would move when they come. */
const letters: Plugin = {
  name: 'letters',
  transformIndexHtml: {
    order: 'post',
    handler(_html, { bundle = {} }) {
      const names = Object.keys(bundle).filter((name) => /inter-latin-wght-normal-[^/]*\.woff2$/.test(name))
      return names.map((name) => ({
        tag: 'link',
        attrs: { rel: 'preload', as: 'font', type: 'font/woff2', crossorigin: '', href: `/${name}` },
        injectTo: 'head-prepend',
      }))
    },
  },
}

/** Tells the service worker which files the client consists of, and gives each build of it a name. */
const kept: Plugin = {
  name: 'kept-files',
  enforce: 'post',
  generateBundle(_options, bundle) {
    const worker = bundle['service-worker.js']
    if (worker?.type !== 'chunk') return
    const wanted = new Set<string>()
    const add = (name: string) => {
      const chunk = bundle[name]
      // Letters of other scripts are kept from their first use on.
      if (wanted.has(name) || !chunk || /(?<!inter-latin-wght-normal-[^/]*)\.woff2$/.test(name)) return
      wanted.add(name)
      if (chunk.type !== 'chunk') return
      const { importedCss, importedAssets } = chunk.viteMetadata ?? { importedCss: [], importedAssets: [] }
      for (const other of [...chunk.imports, ...chunk.dynamicImports, ...importedCss, ...importedAssets]) add(other)
    }
    for (const [name, chunk] of Object.entries(bundle)) {
      if ((chunk.type === 'chunk' && chunk.name === 'index') || /\/worker-[^/]+\.js$/.test(name)) add(name)
      if (/inter-latin-wght-normal.*\.woff2$/.test(name)) add(name)
    }
    const digest = createHash('sha256')
    for (const name of [...Object.keys(bundle)].sort()) if (name !== worker.fileName) digest.update(name)
    const html = bundle['index.html']
    if (html?.type === 'asset') digest.update(html.source)
    const still = readdirSync('public').sort()
    for (const name of still) digest.update(readFileSync(`public/${name}`))
    const files = [...wanted].filter((name) => name !== 'index.html').map((name) => `/${name}`)
    worker.code = worker.code
      .replace('__FILES__', JSON.stringify([...files, ...still.map((name) => `/${name}`)].sort()))
      .replace('__BUILD__', JSON.stringify(digest.digest('hex').slice(0, 16)))
  },
}

export default defineConfig({
  plugins: [messages, svelte(), portalPages, letters, kept],
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
    rolldownOptions: {
      input: {
        index: 'index.html',
        portal: 'portal.html',
        'service-worker': 'src/client/offline/service-worker.ts',
      },
      // The service worker's address may not change from build to build.
      output: { entryFileNames: ({ name }) => (name === 'service-worker' ? '[name].js' : 'assets/[name]-[hash].js') },
    },
  },
  worker: { format: 'es' },
  server: {
    proxy: { '/api': { target: server, ws: true }, '/health': server },
  },
})
