/** Where we are: the path, by the browser's own history. Plain anchors navigate; only same-origin ones without modifier are taken over. */

class Router {
  path = $state(location.pathname)
  search = $state(location.search)

  constructor() {
    addEventListener('popstate', () => this.read())
    document.addEventListener('click', (event) => this.clicked(event))
  }

  go(to: string, replace = false): void {
    if (to === location.pathname + location.search) return
    if (replace) history.replaceState(null, '', to)
    else history.pushState(null, '', to)
    this.read()
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
