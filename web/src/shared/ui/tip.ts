/** Tool tips: one element for the whole page, shown on hover after a moment and at once on keyboard focus. `{@attach tip(text)}` */
import type { Attachment } from 'svelte/attachments'

const DELAY_MS = 350
const GAP = 6
let bubble: HTMLElement | null = null
let shownFor: Element | null = null

export function tip(text: string | null | undefined): Attachment<HTMLElement> {
  return (element) => {
    if (!text) return
    let timer: ReturnType<typeof setTimeout> | undefined
    const show = () => place(element, text)
    const soon = (event: PointerEvent) => {
      if (event.pointerType === 'touch') return
      timer = setTimeout(show, DELAY_MS)
    }
    const hide = () => {
      clearTimeout(timer)
      if (shownFor === element) close()
    }
    const focused = () => {
      if (element.matches(':focus-visible')) show()
    }
    element.addEventListener('pointerenter', soon)
    element.addEventListener('pointerleave', hide)
    element.addEventListener('pointerdown', hide)
    element.addEventListener('focus', focused)
    element.addEventListener('blur', hide)
    return () => {
      hide()
      element.removeEventListener('pointerenter', soon)
      element.removeEventListener('pointerleave', hide)
      element.removeEventListener('pointerdown', hide)
      element.removeEventListener('focus', focused)
      element.removeEventListener('blur', hide)
    }
  }
}

function place(element: HTMLElement, text: string): void {
  bubble ??= make()
  bubble.textContent = text
  shownFor = element
  bubble.showPopover()
  const target = element.getBoundingClientRect()
  const own = bubble.getBoundingClientRect()
  const above = target.top - own.height - GAP
  const left = Math.min(Math.max(GAP, target.left + (target.width - own.width) / 2), innerWidth - own.width - GAP)
  bubble.style.top = `${above >= GAP ? above : target.bottom + GAP}px`
  bubble.style.left = `${left}px`
}

function make(): HTMLElement {
  const made = document.createElement('div')
  made.className = 'tip'
  made.popover = 'manual'
  // What it says stands in the element's own name or text as well; reading it twice would only disturb.
  made.setAttribute('aria-hidden', 'true')
  document.body.append(made)
  return made
}

function close(): void {
  bubble?.hidePopover()
  shownFor = null
}
