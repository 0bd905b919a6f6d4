/**
 * What a person leaves in this browser, and how it goes. Promises: after somebody signs out, nothing of theirs can be read here, in no window; what is
 * about the device stays (language, appearance). A session that ends by itself takes nothing along: whoever signs in again finds what they had typed.
 * What is kept for a person is under `kereru.<what>.<their id>`, so that nobody else's page reads it.
 */
import * as v from 'valibot'

import { recall } from './store'

const LINE = 'kereru.left'
const Waiting = v.array(v.object({ numberId: v.string(), to: v.string(), conversationId: v.nullable(v.string()) }))
// Drafts are texts, files are lists.
const Begun = v.record(v.string(), v.union([v.string(), v.array(v.unknown())]))

/** The client's pages on which something waits that only this browser has, once for each text; `trays`: drafts with files, as the window knows them. */
export async function unsentOf(user: string, trays: readonly string[] = []): Promise<string[]> {
  const waiting = recall(`kereru.outbox.${user}`, Waiting, [])
  const begun = ['drafts', 'files'].flatMap((what) => {
    // An empty text is one that was taken back.
    return Object.entries(recall(`kereru.${what}.${user}`, Begun, {})).flatMap(([key, held]) =>
      held === '' ? [] : key,
    )
  })
  return [
    ...waiting.map(placeOf),
    ...[...new Set([...begun, ...trays, ...(await travelling(user))])].map((key) =>
      key === 'new' ? '/new' : `/c/${key}`,
    ),
  ]
}

/** Plain http has none: there, what travels in another window is not found. */
const locks = () => navigator.locks as LockManager | undefined

/** Tells all windows that this draft has files which only this window has, until the answer is called or the window closes. */
export function holdFiles(user: string, draft: string): () => void {
  let letGo: () => void = () => undefined
  const held = new Promise<void>((done) => (letGo = done))
  void locks()?.request(lockOf(user) + draft, { mode: 'shared' }, () => held)
  return () => letGo()
}

/** The drafts whose files are on their way in some window. */
async function travelling(user: string): Promise<string[]> {
  const known = await locks()?.query()
  const named = known?.held?.flatMap((lock) => lock.name ?? []) ?? []
  return named.filter((name) => name.startsWith(lockOf(user))).map((name) => name.slice(lockOf(user).length))
}

const lockOf = (user: string) => `kereru.files.${user}.`

function placeOf({ numberId, to, conversationId }: v.InferOutput<typeof Waiting>[number]): string {
  return conversationId === null ? `/new?${new URLSearchParams({ to, number: numberId })}` : `/c/${conversationId}`
}

/** This person has signed out: forget them here, and have the other windows do so. `user`: null where they have no client. */
export function leave(user: string | null): void {
  forgetPerson(user)
  const line = new BroadcastChannel(LINE)
  line.postMessage(user)
  line.close()
}

/** Runs `left` when somebody has signed out in another window of this browser; answers how to stop that. */
export function whenLeft(left: (user: string | null) => void): () => void {
  const line = new BroadcastChannel(LINE)
  line.onmessage = ({ data }: MessageEvent<string | null>) => left(data)
  return () => line.close()
}

/** The caller has ended what still writes for this person. */
export function forgetPerson(user: string | null): void {
  try {
    for (const key of Object.keys(localStorage))
      if (key === 'kereru.email' || key.startsWith('kereru.portal.') || (user !== null && isOf(user, key)))
        localStorage.removeItem(key)
    // What was kept to be read without a connection; a window that still has it open lets go of it at once.
    indexedDB.deleteDatabase('kereru')
  } catch {
    // A browser that keeps nothing has nothing to forget.
  }
}

function isOf(user: string, key: string): boolean {
  return key.startsWith('kereru.') && key.endsWith(`.${user}`)
}
