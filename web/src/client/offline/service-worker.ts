/**
 * The service worker: keeps the client's own files, so that the page opens without a connection. Promises: nothing of the API ever goes through it; a
 * page comes from the network whenever that answers in time, so that no old version stays; files with a hash in their name are kept until the next build.
 */
interface Waits extends Event {
  waitUntil: (until: Promise<unknown>) => void
}
interface Asks extends Waits {
  request: Request
  respondWith: (answer: Promise<Response>) => void
}
interface Worker {
  addEventListener: ((kind: 'install' | 'activate', act: (event: Waits) => void) => void) &
    ((kind: 'fetch', act: (event: Asks) => void) => void)
  skipWaiting: () => Promise<void>
  clients: { claim: () => Promise<void> }
}

/** Filled in when the bundle is made (vite.config.ts): the client's files, and a digest of all of them. */
declare const __FILES__: string[]
declare const __BUILD__: string

// A module of its own, so that its names are its own.
export {}

const worker = self as unknown as Worker
const files = new Set(__FILES__)
const name = `kereru-${__BUILD__}`
/** A network that has not answered by then is treated as none. */
const PATIENCE_MS = 4000

worker.addEventListener('install', (event) => {
  const fresh = ['/', ...files].map((path) => new Request(path, { cache: 'no-cache' }))
  event.waitUntil(
    caches
      .open(name)
      .then((cache) => cache.addAll(fresh))
      .then(() => worker.skipWaiting()),
  )
})

worker.addEventListener('activate', (event) => {
  const drop = async () => {
    for (const old of await caches.keys()) if (old.startsWith('kereru-') && old !== name) await caches.delete(old)
    await worker.clients.claim()
  }
  event.waitUntil(drop())
})

worker.addEventListener('fetch', (event) => {
  const { request } = event
  const { origin, pathname } = new URL(request.url)
  if (request.method !== 'GET' || origin !== location.origin || /^\/(api|portal)(\/|$)/.test(pathname)) return
  if (request.mode === 'navigate') event.respondWith(page(request))
  else if (pathname.startsWith('/assets/') || files.has(pathname)) event.respondWith(file(request, pathname))
})

async function page(request: Request): Promise<Response> {
  const kept = () => caches.match('/', { cacheName: name })
  const late = new Promise<'late'>((done) => setTimeout(() => done('late'), PATIENCE_MS))
  const asked = fetch(request)
  try {
    const answer = await Promise.race([asked, late])
    // A proxy that finds no server behind it speaks for nobody.
    if (answer !== 'late' && ![502, 503, 504].includes(answer.status)) return answer
    return (await kept()) ?? (await asked)
  } catch {
    return (await kept()) ?? Response.error()
  }
}

async function file(request: Request, path: string): Promise<Response> {
  const cache = await caches.open(name)
  const kept = await cache.match(path)
  if (kept) return kept
  const answer = await fetch(request)
  // Fonts for other scripts and the like: kept from their first use on.
  if (answer.ok && path.startsWith('/assets/')) await cache.put(path, answer.clone())
  return answer
}
