/**
 * Where we are: the path, by the browser's own history. Plain anchors navigate; only same-origin ones without modifier are taken over.
 * Promises: while a guard says that something is unsaved, no path is left before a person has said so (`held`); the query may change freely.
 */

export type Guard = () => boolean

class Router {
  path = $state(location.pathname)
  search = $state(location.search)
  /** Where somebody wanted to go while something was unsaved. */
  held = $state<string | null>(null)
  /** Opens a path elsewhere than on this page; true when it has. */
  divert: ((to: string) => boolean) | null = null
  private readonly guards = new Set<Guard>()

  constructor() {
    addEventListener('popstate', () => this.came())
    addEventListener('beforeunload', (event) => {
      if (this.unsaved) event.preventDefault()
    })
    document.addEventListener('click', (event) => this.clicked(event))
  }

  get unsaved(): boolean {
    return [...this.guards].some((guard) => guard())
  }

  /** Ask before leaving while `guard` is true; answers how to stop asking. */
  guard(guard: Guard): () => void {
    this.guards.add(guard)
    return () => this.guards.delete(guard)
  }

  go(to: string, replace = false): void {
    if (to === location.pathname + location.search) return
    if (this.divert?.(to)) return
    if (to.split('?')[0] !== this.path && this.unsaved) this.held = to
    else this.move(to, replace)
  }

  /** Go where somebody wanted to go; what is unsaved is given up. */
  leave(): void {
    const to = this.held
    this.held = null
    this.guards.clear()
    if (to) this.move(to, false)
  }

  stay(): void {
    this.held = null
  }

  private move(to: string, replace: boolean): void {
    if (replace) history.replaceState(null, '', to)
    else history.pushState(null, '', to)
    this.read()
  }

  /** The back button has changed the address already: put it back and ask. */
  private came(): void {
    const to = location.pathname + location.search
    if (location.pathname !== this.path && this.unsaved) {
      history.pushState(null, '', this.path + this.search)
      this.held = to
    } else this.read()
  }

  private read(): void {
    this.path = location.pathname
    this.search = location.search
  }

  private clicked(event: MouseEvent): void {
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    )
      return
    const anchor = (event.target as Element | null)?.closest?.('a')
    if (!anchor || anchor.target || anchor.hasAttribute('download') || anchor.origin !== location.origin) return
    if (anchor.pathname.startsWith('/portal') !== location.pathname.startsWith('/portal')) return
    event.preventDefault()
    this.go(anchor.pathname + anchor.search)
  }
}

export const router = new Router()
