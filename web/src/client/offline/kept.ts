/**
 * What was loaded, kept in this browser so that it can be read without a connection. Promises: one person's at a time, forgotten with the session; no
 * more than CONVERSATIONS rows of the list and the ends of the THREADS last opened among them, so that a deleted number leaves nothing; texts that are
 * past their time are not shown (R44); a browser that keeps nothing (a private window) costs nothing else.
 */
import type { Conversation, Licence, Message, Session } from '../../shared/api/types'
import * as reduce from '../../shared/realtime/reducer'

export const CONVERSATIONS = 200
export const THREADS = 40
export const TEXTS = 100
const PAUSE_MS = 1000
/** How long texts are kept at the server (R44). */
const KEPT_MS = 90 * 24 * 3600 * 1000

type User = Session & { user: NonNullable<Session['user']> }

interface Head {
  session: User
  licence: Licence
  conversations: Conversation[]
}

interface KeptThread {
  id: string
  /** When it was last written, in ms. */
  at: number
  messages: Message[]
}

export interface Kept {
  session: User
  licence: Licence
  state: reduce.State
}

const done = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((yes, no) => {
    request.onsuccess = () => yes(request.result)
    request.onerror = () => no(request.error ?? new Error('the store refused'))
  })

function open(): Promise<IDBDatabase> {
  const request = indexedDB.open('kereru', 1)
  request.onupgradeneeded = () => {
    request.result.createObjectStore('head')
    request.result.createObjectStore('threads', { keyPath: 'id' }).createIndex('at', 'at')
  }
  return done(request)
}

/** Runs `act` with both stores; null where the browser keeps nothing for us. */
async function within<T>(
  mode: IDBTransactionMode,
  act: (head: IDBObjectStore, threads: IDBObjectStore) => Promise<T>,
): Promise<T | null> {
  try {
    const database = await open()
    try {
      const transaction = database.transaction(['head', 'threads'], mode)
      return await act(transaction.objectStore('head'), transaction.objectStore('threads'))
    } finally {
      database.close()
    }
  } catch {
    return null
  }
}

/** What this browser keeps, as the state that it was; null where there is nothing. */
export function readKept(): Promise<Kept | null> {
  return within('readonly', async (heads, threads) => {
    const [head, kept] = await Promise.all([
      done<Head | undefined>(heads.get('head')),
      done<KeptThread[]>(threads.getAll()),
    ])
    if (!head) return null
    let state = reduce.applyLicence(reduce.EMPTY, head.licence)
    state = reduce.applyConversations(state, { items: head.conversations, next: null })
    const since = Date.now() - KEPT_MS
    for (const { id, messages } of kept) {
      const items = messages.filter((message) => Date.parse(message.at) >= since)
      state = reduce.applyMessages(state, id, { items, next: null }, true)
    }
    return { session: head.session, licence: head.licence, state }
  })
}

/** Keep nothing of anybody. */
export async function forget(): Promise<void> {
  await within('readwrite', (head, threads) => Promise.all([done(head.clear()), done(threads.clear())]))
}

/** Writes down what changed since the last time, at most once a second. */
export class Keeper {
  private timer: ReturnType<typeof setTimeout> | undefined
  private latest: { licence: Licence; state: reduce.State; conversations: readonly Conversation[] } | null = null
  private heads: unknown[] = []
  private readonly written = new Map<string, readonly Message[]>()
  private ended = false

  constructor(private readonly session: User) {}

  note(licence: Licence, state: reduce.State, conversations: readonly Conversation[]): void {
    this.latest = { licence, state, conversations }
    this.timer ??= setTimeout(() => {
      this.timer = undefined
      void this.write()
    }, PAUSE_MS)
  }

  end(): void {
    this.ended = true
    clearTimeout(this.timer)
  }

  private async write(): Promise<void> {
    if (!this.latest || this.ended) return
    const { licence, state, conversations } = this.latest
    const changed = this.changedThreads(state)
    const heads = [licence, state.conversations]
    const rows = heads.every((one, at) => one === this.heads[at]) ? null : conversations.slice(0, CONVERSATIONS)
    if (!rows && !changed.length) return
    this.heads = heads
    await within('readwrite', async (head, threads) => {
      const before = await done<Head | undefined>(head.get('head'))
      if (before && before.session.user.id !== this.session.user.id) await done(threads.clear())
      if (rows) await done(head.put({ session: this.session, licence, conversations: rows }, 'head'))
      for (const thread of changed) await done(threads.put(thread))
      await prune(threads, rows)
    })
  }

  private changedThreads(state: reduce.State): KeptThread[] {
    return Object.entries(state.threads).flatMap(([id, thread]) => {
      if (!thread.loaded) return []
      const messages = thread.ids.slice(-TEXTS).flatMap((one) => state.messages[one] ?? [])
      const before = this.written.get(id)
      if (before?.length === messages.length && messages.every((one, at) => one === before[at])) return []
      this.written.set(id, messages)
      return [{ id, at: Date.now(), messages }]
    })
  }
}

/** Drop the threads that no row leads to any more, and the oldest of too many. `rows`: the list as it is now; null: as it was. */
async function prune(threads: IDBObjectStore, rows: readonly Conversation[] | null): Promise<void> {
  if (rows) {
    const shown = new Set<IDBValidKey>(rows.map((row) => row.id))
    for (const key of await done(threads.getAllKeys())) if (!shown.has(key)) await done(threads.delete(key))
  }
  const over = (await done(threads.count())) - THREADS
  if (over <= 0) return
  for (const key of await done(threads.index('at').getAllKeys(null, over))) await done(threads.delete(key))
}
