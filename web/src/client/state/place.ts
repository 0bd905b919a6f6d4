/**
 * A window's place in the live line: where it begins to hear, and where it begins again after a gap. Promises: what changes while the window fetches
 * what it shows is kept and put on top, so that it comes twice, not never (G22); what was asked for before the place was taken is asked for again; a start
 * that failed is tried again by itself.
 */
import { api } from '../../shared/api/http'
import type { Change, Licence } from '../../shared/api/types'
import { useLanguage } from '../../shared/i18n'
import { join, type Line } from '../../shared/realtime/follow'
import type { Notice } from '../../shared/realtime/hub'
import * as reduce from '../../shared/realtime/reducer'
import { fetchShown } from './fetched'

export interface Surroundings {
  /** The conversation on screen. */
  open: () => string | null
  /** What is shown was kept, or fetched without a place in the line. */
  holed: () => boolean
  /** Puts what was fetched over what is shown, and on top the changes that came meanwhile. */
  show: (licence: Licence, over: (state: reduce.State) => reduce.State, meanwhile: Change[]) => void
  /** What was asked for until now may be too old. */
  taken: () => void
  started: () => void
  /** The start failed; it is tried again. */
  stuck: () => void
  apply: (changes: Change[]) => void
  online: (online: boolean) => void
  /** True when the session is over, and with it this. */
  gone: (error: unknown) => boolean
  signedOut: () => void
}

export class Place {
  private early: Change[] | null = []
  /** Goes up whenever the place is taken anew: an answer asked for before may lack what came between. */
  private taken = 0
  private ended = false
  private timer: ReturnType<typeof setTimeout> | undefined
  private readonly line: Line
  private tell!: () => void
  /** Ends when the place is known, or cannot be for now. */
  private readonly known = new Promise<void>((resolve) => (this.tell = resolve))

  constructor(
    private readonly user: string,
    private readonly around: Surroundings,
  ) {
    this.line = join((news) => this.hear(news))
    addEventListener('online', this.hurry)
    void this.start()
  }

  end(): void {
    this.ended = true
    this.line.end()
    removeEventListener('online', this.hurry)
    clearTimeout(this.timer)
  }

  /** Hands to `use` what `ask` brings, asked for since the place was last taken. Raises what `ask` raises. */
  async since<T>(ask: () => Promise<T>, use: (answer: T) => void): Promise<void> {
    await this.known
    for (;;) {
      const taken = this.taken
      try {
        const answer = await ask()
        if (taken === this.taken) return use(answer)
      } catch (error) {
        if (taken === this.taken) throw error
      }
    }
  }

  /** The network is back: do not sit out the pause before the start is tried again. */
  private readonly hurry = (): void => {
    if (!this.timer) return
    clearTimeout(this.timer)
    void this.start()
  }

  /** R1: the licence first. It brings the cursor, so all else must be read after it. */
  private async start(pause = 1000): Promise<void> {
    this.timer = undefined
    try {
      await this.line.joined
      const licence = await api.licence()
      const taken = this.take()
      this.tell()
      // Somebody else signed in meanwhile: nothing on this page is theirs.
      if (licence.user.id !== this.user) return location.reload()
      // Only what is fetched from here on has no holes.
      const anew = this.around.holed()
      const fetched = await fetchShown(anew ? this.around.open() : null)
      if (this.ended) return
      // A gap in the meantime, or another start.
      if (taken !== this.taken) return this.start(pause)
      useLanguage(licence.settings.language)
      const over = (state: reduce.State) => fetched(reduce.applyLicence(anew ? reduce.EMPTY : state, licence))
      this.around.show(licence, over, this.handOver())
      this.line.follow(this.user, licence.cursor)
      this.around.started()
    } catch (error) {
      if (this.around.gone(error) || this.ended) return
      this.around.stuck()
      this.tell()
      const next = Math.min(pause * 2, 15_000)
      this.timer = setTimeout(() => void this.start(next), pause / 2 + (Math.random() * pause) / 2)
    }
  }

  private hear(news: Notice): void {
    if (this.ended) return
    if (news.type === 'signed-out') this.around.signedOut()
    else if (news.type === 'online') this.around.online(news.online)
    else if (news.type === 'resync') void this.resync()
    else if (news.type === 'changes') {
      if (this.early) this.early.push(...news.items)
      else this.around.apply(news.items)
    }
  }

  /** After a gap: fetched anew as at the start. */
  private async resync(): Promise<void> {
    const taken = this.take()
    try {
      const [licence, fetched] = await Promise.all([api.licence(), fetchShown(this.around.open())])
      if (taken !== this.taken || this.ended) return
      this.around.show(licence, () => fetched(reduce.applyLicence(reduce.EMPTY, licence)), this.handOver())
    } catch (error) {
      // Whoever took the place since fetches it all.
      if (this.around.gone(error) || this.ended || taken !== this.taken) return
      setTimeout(() => void this.resync(), 1000 + Math.random() * 2000)
    }
  }

  /** From here on changes are kept until `handOver`. */
  private take(): number {
    this.early ??= []
    this.around.taken()
    return ++this.taken
  }

  /** What came while the window was fetching; from here on changes are applied as they come. */
  private handOver(): Change[] {
    const early = this.early ?? []
    this.early = null
    return early
  }
}
