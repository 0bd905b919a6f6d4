/**
 * A list that grows by pages as somebody asks for more. Promises: what is shown stays while it is fetched again, and as much of it is fetched; a late
 * answer never replaces a newer one.
 */
import type { Page } from '../../shared/api/types'

const MOST = 200

export class Pages<T> {
  /** Null until the first answer. */
  items = $state.raw<T[] | null>(null)
  next = $state.raw<string | null>(null)
  failed = $state.raw<unknown>(null)
  busy = $state(false)
  private turn = 0

  constructor(
    private readonly fetch: (wanted: { cursor: string | null; limit: number }) => Promise<Page<T>>,
    private readonly size = 50,
  ) {}

  /** What is shown, anew. */
  load(): Promise<void> {
    const limit = Math.min(MOST, Math.max(this.size, this.items?.length ?? 0))
    return this.ask(null, limit, [])
  }

  /** The page after what is shown. */
  more(): Promise<void> {
    return this.next === null ? this.load() : this.ask(this.next, this.size, this.items ?? [])
  }

  private async ask(cursor: string | null, limit: number, before: T[]): Promise<void> {
    const turn = (this.turn += 1)
    this.busy = true
    this.failed = null
    try {
      const page = await this.fetch({ cursor, limit })
      if (turn !== this.turn) return
      this.items = [...before, ...page.items]
      this.next = page.next
    } catch (error) {
      if (turn === this.turn) this.failed = error
    } finally {
      if (turn === this.turn) this.busy = false
    }
  }
}
