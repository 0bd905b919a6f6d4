/** Texts of a conversation that somebody is about to open, asked for when the finger goes down: when it is up again, they may be here. */
import { api } from '../../shared/api/http'

type Asked = ReturnType<typeof api.messages>

/** What was not used by then is too old to be used. */
const FRESH_MS = 3000

export class Expected {
  private readonly asked = new Map<string, Asked>()

  ask(id: string): void {
    if (this.asked.has(id)) return
    const asked = api.messages(id)
    // Whoever opens it meets the failure.
    asked.catch(() => undefined)
    this.asked.set(id, asked)
    setTimeout(() => this.asked.delete(id), FRESH_MS)
  }

  /** Whatever was asked for is too old to be used. */
  forget(): void {
    this.asked.clear()
  }

  /** Its newest texts, asked for before or now. */
  take(id: string): Asked {
    const asked = this.asked.get(id) ?? api.messages(id)
    this.asked.delete(id)
    return asked
  }
}
