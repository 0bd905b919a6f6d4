/**
 * A page that stays true by itself while somebody looks at it. Promises: it asks often while something moves and now and then otherwise; something that
 * moves for long is hardly moving, and is asked about as seldom as the rest; never two questions at once; a hidden page is quiet, and asks at once when
 * it is seen again.
 *
 * The server is asked instead of telling: feeds belong to users and queues, and a portal's list (its filters, order and page) would have to be fetched
 * again after every change that a feed could name.
 */
import { untrack } from 'svelte'

/** `off`: there is nothing to ask about. */
export type Pace = 'moving' | 'still' | 'off'

const MOVING_MS = 1000
const STILL_MS = 5000
/** After so many questions in a row nothing is expected to happen soon. */
const LONG = 60

/** For a component's start: `look` again and again, at the pace that holds just now, until the component goes. */
export function keepLive(look: () => Promise<unknown>, pace: () => Pace = () => 'still'): void {
  const now = $derived(pace())
  $effect(() => {
    const held = now
    return held === 'off' ? undefined : untrack(() => beat(look, held))
  })
}

/** Without a component: answers how to stop. */
export function beat(look: () => Promise<unknown>, pace: Pace): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined
  let asked = 0
  let asking = false
  let over = false

  function wait(): void {
    clearTimeout(timer)
    if (over || asking || document.hidden) return
    timer = setTimeout(() => void ask(), pace === 'moving' && asked < LONG ? MOVING_MS : STILL_MS)
  }

  async function ask(): Promise<void> {
    clearTimeout(timer)
    if (asking) return
    asking = true
    asked += 1
    try {
      await look()
    } catch {
      // Whoever asks shows what went wrong; the next question may be answered.
    } finally {
      asking = false
      wait()
    }
  }

  const seen = () => (document.hidden ? clearTimeout(timer) : void ask())
  document.addEventListener('visibilitychange', seen)
  wait()
  return () => {
    over = true
    clearTimeout(timer)
    document.removeEventListener('visibilitychange', seen)
  }
}
