/** Gives one Link to several listeners (the pages of one browser); used by the SharedWorker, and by a page alone where there is none. */
import { BASE, call } from '../api/http'
import type { Change, Changes } from '../api/types'
import { Link, type Socket, type World } from './link'

/** What a page tells the hub. */
export type Order = { type: 'follow'; user: string; cursor: string } | { type: 'hurry' } | { type: 'bye' }

/** What the hub tells its pages. */
export type Notice =
  | { type: 'joined' }
  | { type: 'changes'; items: Change[] }
  | { type: 'resync' }
  | { type: 'online'; online: boolean }
  | { type: 'signed-out' }

export const world: World = {
  socket: () => {
    const address = new URL(`${BASE}/socket`, self.location.href)
    address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:'
    return new WebSocket(address) as unknown as Socket
  },
  poll: (after, signal) =>
    call<Changes>(
      'GET',
      `/changes${after === null ? '' : `?${new URLSearchParams({ after, wait: '25' })}`}`,
      undefined,
      AbortSignal.any([signal, AbortSignal.timeout(40_000)]),
    ),
  later: (ms, run) => {
    const timer = setTimeout(run, ms)
    return () => clearTimeout(timer)
  },
  random: Math.random,
}

export class Hub {
  private readonly pages = new Set<(notice: Notice) => void>()
  private link: Link | null = null
  private user = ''

  constructor(private readonly surroundings: World = world) {}

  join(page: (notice: Notice) => void): void {
    this.pages.add(page)
    page({ type: 'joined' })
    if (this.link) page({ type: 'online', online: this.link.isOnline })
  }

  order(order: Order, page: (notice: Notice) => void): void {
    if (order.type === 'bye') {
      this.pages.delete(page)
      if (this.pages.size === 0) this.end()
    } else if (order.type === 'hurry') this.link?.hurry()
    else this.follow(order.user, order.cursor)
  }

  /** The first page brings the cursor. Later ones joined before they fetched, so the running line misses nothing of theirs. */
  private follow(user: string, cursor: string): void {
    if (this.link && this.user === user) return
    this.end()
    this.user = user
    this.link = new Link(
      this.surroundings,
      {
        changes: (items) => this.tell({ type: 'changes', items }),
        resync: () => this.tell({ type: 'resync' }),
        online: (online) => this.tell({ type: 'online', online }),
        signedOut: () => {
          this.end()
          this.tell({ type: 'signed-out' })
        },
      },
      cursor,
    )
    this.link.start()
  }

  private end(): void {
    this.link?.stop()
    this.link = null
  }

  private tell(notice: Notice): void {
    for (const page of this.pages) page(notice)
  }
}
