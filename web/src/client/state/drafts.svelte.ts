/**
 * What is being written, by conversation, and beside them "new" for a text to somebody. Promises: each stroke is kept in this browser at once and shown in
 * its other windows; a moment later the server has it for all devices; what could not be brought there yet stays and is brought later, after a reload too.
 * Of two devices that write in one conversation at once, the newest stroke stands.
 */
import * as v from 'valibot'

import { Problem } from '../../shared/api/http'
import { recall, remember, whenRemembered } from '../../shared/store'

const Saved = v.record(v.string(), v.string())
const PAUSE_MS = 600
const AGAIN_MS = 5000
const PATIENCE_MS = 3000

export interface Surroundings {
  /** What the server has, as far as this window knows. */
  kept: (conversation: string) => string
  keep: (conversation: string, text: string) => Promise<void>
  later: (ms: number, run: () => void) => () => void
}

export class Drafts {
  /** What the server may not have yet. An empty one was emptied here. */
  private unsaved = $state.raw<Readonly<Record<string, string>>>({})
  private readonly store: string
  private readonly waiting = new Map<string, () => void>()
  private readonly busy = new Map<string, Promise<void>>()
  private ended = false
  private readonly deaf: () => void
  private readonly hidden = () => {
    if (document.visibilityState === 'hidden') this.hurry()
  }

  constructor(
    userId: string,
    private readonly around: Surroundings,
  ) {
    this.store = `kereru.drafts.${userId}`
    this.unsaved = recall(this.store, Saved, {})
    this.deaf = whenRemembered(this.store, () => (this.unsaved = recall(this.store, Saved, {})))
    document.addEventListener('visibilitychange', this.hidden)
  }

  of(key: string): string {
    return this.unsaved[key] ?? this.around.kept(key)
  }

  set(key: string, text: string): void {
    if (this.of(key) === text) return
    this.change(key, text)
    // Emptied is sent or given up: other devices should not show it any longer than needed.
    if (isConversation(key)) this.soon(key, text ? PAUSE_MS : 0)
  }

  /** Bring to the server what it may not have: at the start, when the network is back, before a window closes. */
  hurry(): void {
    for (const key of Object.keys(this.unsaved)) if (isConversation(key)) this.soon(key, 0)
  }

  /** Tries once to bring everything to the server; waits for the answers, but not long. */
  async brought(): Promise<void> {
    let late = false
    const enough = new Promise<void>((done) =>
      this.around.later(PATIENCE_MS, () => {
        late = true
        done()
      }),
    )
    this.hurry()
    while (this.busy.size && !late) await Promise.race([Promise.all(this.busy.values()), enough])
  }

  /** Nothing is written down from here on: what waits stays as it was last written, or goes with its writer. */
  end(): void {
    this.ended = true
    this.deaf()
    document.removeEventListener('visibilitychange', this.hidden)
    for (const stop of this.waiting.values()) stop()
    this.waiting.clear()
  }

  private soon(key: string, ms: number): void {
    this.waiting.get(key)?.()
    this.waiting.delete(key)
    if (ms === 0) return this.bring(key)
    this.waiting.set(
      key,
      this.around.later(ms, () => {
        this.waiting.delete(key)
        this.bring(key)
      }),
    )
  }

  private bring(key: string): void {
    const text = this.unsaved[key]
    // One at a time, or an older word could come last.
    if (text === undefined || this.busy.has(key) || this.ended) return
    this.busy.set(key, this.attempt(key, text))
  }

  private async attempt(key: string, text: string): Promise<void> {
    let again = 0
    try {
      await this.around.keep(key, text)
      if (this.unsaved[key] === text) this.change(key, null)
    } catch (error) {
      // Refused for good: it stays here until its writer changes it.
      if (!(error instanceof Problem && error.passing)) return
      again = AGAIN_MS
    } finally {
      this.busy.delete(key)
    }
    if (this.unsaved[key] !== undefined && !this.waiting.has(key)) this.soon(key, again)
  }

  private change(key: string, text: string | null): void {
    const rest = Object.fromEntries(Object.entries(this.unsaved).filter(([other]) => other !== key))
    this.unsaved = text === null || (text === '' && !isConversation(key)) ? rest : { ...rest, [key]: text }
    if (!this.ended) remember(this.store, this.unsaved)
  }
}

function isConversation(key: string): boolean {
  return /^\d+$/.test(key)
}
