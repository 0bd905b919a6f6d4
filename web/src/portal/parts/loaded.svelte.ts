/**
 * What a page is about, fetched. Promises: what is shown stays while it is fetched again, and stays the same object unless it changed; a late answer
 * never replaces a newer one.
 */
export class Loaded<T> {
  value = $state.raw<T | null>(null)
  failed = $state.raw<unknown>(null)
  private turn = 0

  constructor(private readonly fetch: () => Promise<T>) {}

  async load(): Promise<void> {
    const turn = (this.turn += 1)
    try {
      const found = await this.fetch()
      if (turn === this.turn) this.put(found)
    } catch (error) {
      if (turn === this.turn) this.failed = error
    }
  }

  /** The server answered with it after a change. */
  put(value: T): void {
    this.turn += 1
    this.failed = null
    if (JSON.stringify(value) !== JSON.stringify(this.value)) this.value = value
  }
}
