/**
 * What a table shows. Promises: words, order and page stand in the address, so that a link or the back button leads to the same rows; the order is
 * remembered in this browser; a late answer never replaces a newer one; rows stay on screen while they are fetched again.
 */
import * as v from 'valibot'

import type { Page } from '../../shared/api/types'
import { router } from '../../shared/router.svelte'
import { recall, remember } from '../../shared/store'
import type { Wanted } from '../api'

const ROWS_A_PAGE = 50

export interface Column<T> {
  id: string
  title: string
  /** The key the server sorts by; without one the column cannot be sorted. */
  sort?: string
  /** The cell's words; without it the table's `cell` snippet draws it. */
  text?: (row: T) => string
  /** Numbers and dates: tabular, never broken. */
  numeric?: boolean
}

export class Rows<T> {
  items = $state.raw<T[]>([])
  next = $state.raw<string | null>(null)
  /** The first answer is on its way. */
  loading = $state(true)
  failed = $state.raw<unknown>(null)
  /** Pages before this one, to go back to without the browser's button. */
  private trail = $state.raw<(string | null)[]>([])
  private stop: AbortController | null = null

  constructor(
    private readonly name: string,
    private readonly fallback: string,
    private readonly fetch: () => (wanted: Wanted, signal: AbortSignal) => Promise<Page<T>>,
  ) {}

  private readonly parameters = $derived(new URLSearchParams(router.search))
  readonly q = $derived(this.parameters.get('q') ?? '')
  readonly sort = $derived.by(() => this.parameters.get('sort') ?? recall(this.key, v.string(), this.fallback))
  readonly after = $derived(this.parameters.get('after'))

  get hasBefore(): boolean {
    return this.after !== null
  }

  async load(): Promise<void> {
    this.stop?.abort()
    const stop = (this.stop = new AbortController())
    const wanted: Wanted = { q: this.q, sort: this.sort, cursor: this.after, limit: ROWS_A_PAGE }
    try {
      const page = await this.fetch()(wanted, stop.signal)
      if (stop.signal.aborted) return
      this.items = page.items
      this.next = page.next
      this.failed = null
      this.loading = false
    } catch (error) {
      if (stop.signal.aborted) return
      this.failed = error
      this.loading = false
    }
  }

  end(): void {
    this.stop?.abort()
  }

  search(q: string): void {
    this.trail = []
    this.put({ q, after: null }, true)
  }

  sortBy(key: string): void {
    const sort = this.sort === key ? `-${key}` : key
    remember(this.key, sort)
    this.trail = []
    this.put({ sort, after: null }, true)
  }

  forward(): void {
    this.trail = [...this.trail, this.after]
    this.put({ after: this.next }, false)
  }

  back(): void {
    const to = this.trail.at(-1) ?? null
    this.trail = this.trail.slice(0, -1)
    this.put({ after: to }, false)
  }

  private get key(): string {
    return `kereru.table.${this.name}`
  }

  private put(change: Record<string, string | null>, replace: boolean): void {
    const parameters = new URLSearchParams(router.search)
    for (const [name, value] of Object.entries(change)) {
      if (value) parameters.set(name, value)
      else parameters.delete(name)
    }
    const query = parameters.toString()
    router.go(router.path + (query ? `?${query}` : ''), replace)
  }
}
