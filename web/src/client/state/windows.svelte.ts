/**
 * Where conversations are open besides the pane: panels docked at the bottom of the frame, and windows of their own (R33, R62, R74). Promises: a
 * conversation is in one place of a browser at a time; panels come back after a reload; a window opens where its person left it.
 */
import * as v from 'valibot'

import { recall, remember, whenRemembered } from '../../shared/store'

const Panels = v.array(v.object({ id: v.string(), folded: v.boolean() }))
const Place = v.object({ x: v.number(), y: v.number(), width: v.number(), height: v.number() })
const Places = v.record(v.string(), Place)
export type Panel = v.InferOutput<typeof Panels>[number]
export type Place = v.InferOutput<typeof Place>

/** As wide and high as a phone held upright. */
const USUAL = { width: 420, height: 720 }
const CASCADE = 32
const PLACES = 50
const ANSWER_MS = 700

type Word = { type: 'dock'; id: string } | { type: 'go'; to: string } | { type: 'done' }

/** A phone shows one thing at a time, and a window of its own would only be another tab there. */
export function windowsPossible(): boolean {
  return screen.width >= 1024 && matchMedia('(hover: hover)').matches
}

/** A main window and the small ones: what they say to each other, what is docked, and where the small ones stand. */
export class Windows {
  panels = $state.raw<readonly Panel[]>([])
  /** How many panels have room to stand open; none where the frame is narrow. */
  fits = $state(0)
  /** Those that do: the newest ones. */
  readonly open: ReadonlySet<string> = $derived(
    new Set(
      this.panels
        .filter((panel) => !panel.folded)
        .reverse()
        .slice(0, this.fits)
        .map((panel) => panel.id),
    ),
  )
  /** The panel whose field is to have the focus, because somebody has just asked for it. */
  called = $state<string | null>(null)
  private readonly floating = new Map<string, Window>()
  private readonly line: BroadcastChannel
  private readonly deaf: () => void
  private ended = false

  constructor(
    private readonly userId: string,
    /** Whether conversations are to open in windows of their own. */
    private readonly apart: () => boolean,
  ) {
    this.read()
    this.deaf = whenRemembered(this.key('panels'), () => this.read())
    this.line = new BroadcastChannel(`kereru.windows.${userId}`)
  }

  /** Nothing is written down from here on. */
  end(): void {
    this.ended = true
    this.deaf()
    this.line.close()
  }

  // The main window

  /** Does what the small windows ask for: show a conversation as a panel, or another page. */
  serve(go: (to: string) => void): () => void {
    this.line.onmessage = ({ data }: MessageEvent<Word>) => {
      if (data.type === 'done') return
      if (data.type === 'dock') this.dock(data.id)
      else go(data.to)
      this.line.postMessage({ type: 'done' } satisfies Word)
      window.focus()
    }
    return () => (this.line.onmessage = null)
  }

  /** Whether `to` was opened elsewhere than in the pane: where the conversation is already, or in a window of its own if that is wanted. */
  divert(to: string): boolean {
    const [, id, at] = /^\/c\/(\d+)(\?.*)?$/.exec(to) ?? []
    if (!id || !windowsPossible()) return false
    // A text that was searched for is shown where there is room to look around.
    if (at) {
      this.close(id)
      return false
    }
    if (this.has(id)) {
      if (this.fits > 0) this.dock(id)
      else this.close(id)
      return this.fits > 0
    }
    return this.apart() || this.isFloating(id) ? this.float(id) : false
  }

  has(id: string): boolean {
    return this.panels.some((panel) => panel.id === id)
  }

  isFloating(id: string): boolean {
    return this.floating.get(id)?.closed === false
  }

  /** The newest panel is the last one. */
  dock(id: string): void {
    this.keep([...this.panels.filter((panel) => panel.id !== id), { id, folded: false }])
    this.called = id
  }

  fold(id: string, folded: boolean): void {
    if (!folded) return this.dock(id)
    this.keep(this.panels.map((panel) => (panel.id === id ? { id, folded } : panel)))
  }

  close(id: string): void {
    this.keep(this.panels.filter((panel) => panel.id !== id))
  }

  /** A window of its own, or the one that is open already; false where the browser does not let us. */
  float(id: string): boolean {
    const { x, y, width, height } = this.placeOf(id)
    const features = `popup,width=${width},height=${height},left=${x},top=${y}`
    const opened = window.open('', `kereru-${this.userId}-${id}`, features)
    if (!opened) return false
    // A window that was there already shows the conversation, and what is written in it stays.
    if (opened.location.href === 'about:blank') opened.location.replace(`/window/${id}`)
    opened.focus()
    this.floating.set(id, opened)
    this.close(id)
    return true
  }

  private placeOf(id: string): Place {
    const places = recall(this.key('places'), Places, {})
    const own = places[id]
    if (own) return own
    const open = [...this.floating.values()].filter((held) => !held.closed).length
    const last = places['last'] ?? { x: Math.max(0, screen.availWidth - USUAL.width - 80), y: 64, ...USUAL }
    return { ...last, x: last.x - open * CASCADE, y: last.y + open * CASCADE }
  }

  // Both

  /** Tells all windows of this browser which conversations somebody has before their eyes in this one. */
  look(ids: readonly string[]): void {
    this.write('eyes', ids)
  }

  isWatched(id: string): boolean {
    return recall(this.key('eyes'), v.array(v.string()), []).includes(id)
  }

  // A window of its own

  /** Called as the window is moved, sized or left; a browser does not tell of a move by itself. */
  rememberPlace(id: string): void {
    const place = { x: window.screenX, y: window.screenY, width: window.innerWidth, height: window.innerHeight }
    const others = Object.entries(recall(this.key('places'), Places, {})).filter(
      ([key]) => key !== id && key !== 'last',
    )
    this.write('places', Object.fromEntries([...others.slice(-PLACES), [id, place], ['last', place]]))
  }

  /** Ask the main window; whether one answered. */
  ask(word: { type: 'dock'; id: string } | { type: 'go'; to: string }): Promise<boolean> {
    return new Promise((done) => {
      const timer = setTimeout(() => done(false), ANSWER_MS)
      this.line.onmessage = ({ data }: MessageEvent<Word>) => {
        if (data.type !== 'done') return
        clearTimeout(timer)
        this.line.onmessage = null
        done(true)
      }
      this.line.postMessage(word)
    })
  }

  private read(): void {
    this.panels = recall(this.key('panels'), Panels, [])
  }

  private keep(panels: readonly Panel[]): void {
    this.panels = panels
    this.write('panels', panels)
  }

  private write(what: string, value: unknown): void {
    if (!this.ended) remember(this.key(what), value)
  }

  private key(what: string): string {
    return `kereru.windows.${what}.${this.userId}`
  }
}
