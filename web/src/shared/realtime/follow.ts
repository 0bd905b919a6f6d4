/** A page's end of the live line. Join before fetching anything, then `follow` with the fetched cursor: nothing can fall in between. */
import { Hub, type Notice, type Order } from './hub'

export interface Line {
  follow: (user: string, cursor: string) => void
  hurry: () => void
  end: () => void
}

export function join(notice: (notice: Notice) => void): Line {
  const order = connect(notice)
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

function connect(notice: (notice: Notice) => void): (order: Order) => void {
  if (typeof SharedWorker === 'function') {
    try {
      const worker = new SharedWorker(new URL('./worker.ts', import.meta.url), { type: 'module', name: 'kereru' })
      worker.port.onmessage = (event: MessageEvent<Notice>) => notice(event.data)
      return (order) => worker.port.postMessage(order)
    } catch {
      // Some private modes have the class and refuse to use it.
    }
  }
  const hub = new Hub()
  hub.join(notice)
  return (order) => hub.order(order, notice)
}
