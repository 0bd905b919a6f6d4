/** What no first screen shows: fetched when the page stands, or at once when somebody is quicker than that. */
export const menuBody = () => import('./MenuBody.svelte')
export const dialogBody = () => import('./DialogBody.svelte')

const LATER_MS = 1500

/** Fetches these when the page has had its time; answers how not to. */
export function soon(...parts: (() => Promise<unknown>)[]): () => void {
  const timer = setTimeout(() => void Promise.allSettled(parts.map((fetched) => fetched())), LATER_MS)
  return () => clearTimeout(timer)
}
