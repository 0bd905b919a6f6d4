/** A page's end of the live line. Fetch once `joined`, then `follow` with the cursor fetched first: nothing can fall in between. */
import { Hub, type Notice, type Order } from './hub'

/** A worker that has not answered by then will not: the page keeps a line of its own. */
const WORKER_MS = 3000

export interface Line {
  /** From then on every change reaches this page; what it fetched earlier could have a hole before the first one. */
  joined: Promise<void>
  follow: (user: string, cursor: string) => void
  hurry: () => void
  end: () => void
}

export function join(notice: (notice: Notice) => void): Line {
  const { order, joined } = connect(notice)
  const hurry = () => order({ type: 'hurry' })
  const bye = () => order({ type: 'bye' })
  const shown = (event: PageTransitionEvent) => {
    // The back button brought a frozen page back: it missed changes while it was away.
    if (event.persisted) location.reload()
  }
  const visible = () => {
    if (document.visibilityState === 'visible') hurry()
  }
  addEventListener('online', hurry)
  addEventListener('pagehide', bye)
  addEventListener('pageshow', shown)
  document.addEventListener('visibilitychange', visible)
  return {
    joined,
    follow: (user, cursor) => order({ type: 'follow', user, cursor }),
    hurry,
    end: () => {
      removeEventListener('online', hurry)
      removeEventListener('pagehide', bye)
      removeEventListener('pageshow', shown)
      document.removeEventListener('visibilitychange', visible)
      bye()
    },
  }
}

function connect(notice: (notice: Notice) => void): { order: (order: Order) => void; joined: Promise<void> } {
  let order: (order: Order) => void = () => undefined
  const alone = () => {
    const hub = new Hub()
    hub.join(notice)
    order = (news) => hub.order(news, notice)
  }
  const joined = share(notice, (shared) => (order = shared)).catch(alone)
  return { order: (news) => order(news), joined }
}

/** One line for all windows of this browser. Rejects where there is no SharedWorker, or none that works. */
function share(notice: (notice: Notice) => void, use: (order: (order: Order) => void) => void): Promise<void> {
  return new Promise((done, fail) => {
    // Some private modes have the class and refuse to use it: that throws here, too.
    const worker = new SharedWorker(new URL('./worker.ts', import.meta.url), { type: 'module', name: 'kereru' })
    const giveUp = () => {
      worker.port.close()
      fail(new Error('the worker does not answer'))
    }
    const timer = setTimeout(giveUp, WORKER_MS)
    worker.onerror = giveUp
    worker.port.onmessage = (event: MessageEvent<Notice>) => {
      if (event.data.type !== 'joined') return notice(event.data)
      clearTimeout(timer)
      worker.onerror = null
      done()
    }
    use((order) => worker.port.postMessage(order))
  })
}
