/**
 * Signing out here. Promises: asked first while something would be lost by it; afterwards nothing of this person stays in this browser. What is over by
 * itself (a session that ended) takes nothing along and is not this.
 */
import { api, Problem } from '../../shared/api/http'
import { leave, unsentOf } from '../../shared/leaving'
import { router } from '../../shared/router.svelte'

export interface Surroundings {
  /** Everything typed is where it belongs. */
  brought: () => Promise<void>
  /** Drafts with files, as this window knows them. */
  trays: () => readonly string[]
  /** Texts that wait in this window. */
  pending: () => number
  /** Tries again to send what waits. */
  hurry: () => void
  /** Signing out did not work. */
  failed: (error: unknown) => void
  end: () => void
}

export class SignOut {
  /** Where texts wait that would be discarded; asked about before. */
  unsent = $state.raw<readonly string[]>([])

  constructor(
    private readonly user: string,
    private readonly around: Surroundings,
  ) {}

  /** Asks first (`unsent`) while something would be lost by it. */
  async begin(): Promise<void> {
    await this.around.brought()
    const unsent = await unsentOf(this.user, this.around.trays())
    // A browser that keeps nothing still has this window's.
    this.unsent = unsent.length ? unsent : Array.from({ length: this.around.pending() }, () => '/')
    if (!this.unsent.length) await this.leave()
  }

  /** Not yet: to the first text that waits. */
  stay(): void {
    const [first] = this.unsent
    this.unsent = []
    this.around.hurry()
    if (first) router.go(first)
  }

  /** Nothing of this person stays in this browser. */
  async leave(): Promise<void> {
    try {
      await api.signOut()
    } catch (error) {
      if (!(error instanceof Problem && error.status === 401)) return this.around.failed(error)
    }
    router.go('/', true)
    this.around.end()
    leave(this.user)
  }
}
