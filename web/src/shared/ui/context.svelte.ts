/**
 * The one context menu of the page: `{@attach context(() => entries)}` on whatever stands for something. It opens by right click, the menu key or
 * Shift+F10 (all of which the browser calls `contextmenu`), and by a long press where no browser says so. `ContextMenu.svelte` draws it.
 */
import type { Attachment } from 'svelte/attachments'

import type { Entry } from './Menu.svelte'

const LONG_PRESS_MS = 500
const MOVED = 10

class Held {
  open = $state(false)
  label = $state('')
  entries = $state.raw<Entry[]>([])
  /** Where it opens: at the pointer, or at what was focused. */
  anchor = $state.raw<{ getBoundingClientRect: () => DOMRect }>({ getBoundingClientRect: () => new DOMRect() })
  from: HTMLElement | null = null

  show(from: HTMLElement, label: string, entries: Entry[], x: number, y: number): void {
    if (!entries.length) return
    const box = from.getBoundingClientRect()
    // A key has no place: browsers answer with zero or with the middle of something.
    const inside = x >= box.left && x <= box.right && y >= box.top && y <= box.bottom
    const [left, top] = inside ? [x, y] : [box.left + box.width / 4, box.top + box.height / 2]
    this.anchor = { getBoundingClientRect: () => new DOMRect(left, top, 0, 0) }
    this.from = (document.activeElement as HTMLElement | null) ?? from
    this.label = label
    this.entries = entries
    this.open = true
  }
}

export const contextMenu = new Held()

/** Offer what can be done with this; worked out only when somebody asks. No entry: the browser's own menu. */
export function context(label: () => string, entries: () => Entry[]): Attachment<HTMLElement> {
  return (element) => {
    let timer: ReturnType<typeof setTimeout> | undefined
    let start: PointerEvent | null = null
    let pressed = false
    const show = (x: number, y: number) => contextMenu.show(element, label(), entries(), x, y)
    const asked = (event: MouseEvent) => {
      const offered = entries()
      if (!offered.length || event.defaultPrevented) return
      event.preventDefault()
      clearTimeout(timer)
      contextMenu.show(element, label(), offered, event.clientX, event.clientY)
    }
    const down = (event: PointerEvent) => {
      if (event.pointerType !== 'touch') return
      start = event
      pressed = false
      timer = setTimeout(() => {
        pressed = true
        show(event.clientX, event.clientY)
      }, LONG_PRESS_MS)
    }
    const move = (event: PointerEvent) => {
      if (start && Math.hypot(event.clientX - start.clientX, event.clientY - start.clientY) > MOVED) clearTimeout(timer)
    }
    const up = () => clearTimeout(timer)
    // A long press is no click on what lies under it.
    const click = (event: MouseEvent) => {
      if (!pressed) return
      pressed = false
      event.preventDefault()
      event.stopPropagation()
    }
    element.addEventListener('contextmenu', asked)
    element.addEventListener('pointerdown', down)
    element.addEventListener('pointermove', move)
    element.addEventListener('pointerup', up)
    element.addEventListener('pointercancel', up)
    element.addEventListener('click', click, true)
    return () => {
      clearTimeout(timer)
      element.removeEventListener('contextmenu', asked)
      element.removeEventListener('pointerdown', down)
      element.removeEventListener('pointermove', move)
      element.removeEventListener('pointerup', up)
      element.removeEventListener('pointercancel', up)
      element.removeEventListener('click', click, true)
    }
  }
}
