/**
 * Texts on their way to the server. Promises: nothing typed is lost: an entry leaves only when the server has the text or its writer says so; the
 * same client id is used until an answer comes, so that a repeated request is one text; entries survive a reload.
 */
import * as v from 'valibot'

import { Problem } from '../../shared/api/http'
import type { Message, Outgoing } from '../../shared/api/types'
import { recall, remember } from '../../shared/store'
import { AttachmentSchema } from './tray.svelte'

export const PendingSchema = v.object({
  clientId: v.string(),
  numberId: v.string(),
  to: v.string(),
  toDisplay: v.string(),
  text: v.string(),
  attachments: v.optional(v.array(AttachmentSchema), []),
  at: v.number(),
  conversationId: v.nullable(v.string()),
  /** sending: a request is out or about to be; waiting: no answer yet, tried again; refused: the server said no; old: too old to go by itself. */
  state: v.picklist(['sending', 'waiting', 'refused', 'old']),
  why: v.string(),
})
export type Pending = v.InferOutput<typeof PendingSchema>

/** After this long a text is not sent without being asked for again: a message of yesterday may say the wrong thing today. */
export const STALE_MS = 10 * 60_000
const PAUSE_MS = 1000
const PAUSE_MAX_MS = 30_000

export interface Surroundings {
  send: (clientId: string, outgoing: Outgoing) => Promise<Message>
  later: (ms: number, run: () => void) => void
  now: () => number
  random: () => number
  /** `known`: every entry this page ever held; what else is kept belongs to other windows. */
  save: (entries: Pending[], known: ReadonlySet<string>) => void
  changed: (entries: Pending[]) => void
  sent: (message: Message, entry: Pending) => void
  signedOut: () => void
}

/** Where one person's texts wait over a reload. Several windows share it, so each writes back what is not its own as it found it. */
export function outboxStore(user: string): { saved: Pending[]; save: Surroundings['save'] } {
  const key = `kereru.outbox.${user}`
  const read = () => recall(key, v.array(PendingSchema), [])
  return {
    // A request that was out when the page ended is none any more.
    saved: read().map((entry) => (entry.state === 'sending' ? { ...entry, state: 'waiting' } : entry)),
    save: (entries, known) => remember(key, [...read().filter((entry) => !known.has(entry.clientId)), ...entries]),
  }
}

export class Outbox {
  private entries: Pending[]
  private readonly busy = new Set<string>()
  private readonly tries = new Map<string, number>()
  private readonly known: Set<string>
  private ended = false

  constructor(
    private readonly around: Surroundings,
    saved: Pending[] = [],
  ) {
    this.entries = saved
    this.known = new Set(saved.map((entry) => entry.clientId))
  }

  /** Take up what an earlier page left behind. */
  resume(): void {
    for (const entry of this.entries) {
      if (entry.state === 'refused') continue
      if (this.around.now() - entry.at > STALE_MS) this.change(entry.clientId, { state: 'old' })
      else void this.attempt(entry.clientId)
    }
  }

  add(entry: Omit<Pending, 'state' | 'why'>): void {
    this.entries = [...this.entries, { ...entry, state: 'sending', why: '' }]
    this.known.add(entry.clientId)
    this.publish()
    void this.attempt(entry.clientId)
  }

  retry(clientId: string): void {
    this.change(clientId, { state: 'sending', why: '', at: this.around.now() })
    void this.attempt(clientId)
  }

  /** The network is back: do not sit out the pause. */
  hurry(): void {
    for (const entry of this.entries) if (entry.state === 'waiting') void this.attempt(entry.clientId)
  }

  /** The server has this text (it came by the live line) or its writer takes it back. */
  settle(clientIds: Iterable<string>): void {
    const gone = new Set(clientIds)
    const left = this.entries.filter((entry) => !gone.has(entry.clientId))
    if (left.length === this.entries.length) return
    this.entries = left
    this.publish()
  }

  /** Nothing is sent or written down from here on: what waits stays as it was last written, or goes with its writer. */
  end(): void {
    this.ended = true
  }

  private async attempt(clientId: string): Promise<void> {
    const entry = this.entries.find((held) => held.clientId === clientId)
    if (!entry || this.busy.has(clientId) || this.ended) return
    this.busy.add(clientId)
    try {
      const message = await this.around.send(clientId, {
        number_id: entry.numberId,
        to: entry.to,
        text: entry.text,
        attachments: entry.attachments.map((file) => file.id),
      })
      // Ended meanwhile: the same client id is asked for again some day, and is the same text.
      if (this.ended) return
      this.around.sent(message, entry)
      this.settle([clientId])
    } catch (error) {
      this.failed(clientId, error)
    } finally {
      this.busy.delete(clientId)
    }
  }

  private failed(clientId: string, error: unknown): void {
    const problem = error instanceof Problem ? error : new Problem(0, 'offline', '')
    if (problem.status === 401) {
      this.change(clientId, { state: 'waiting' })
      this.around.signedOut()
      return
    }
    if (!problem.passing) {
      this.change(clientId, { state: 'refused', why: problem.text })
      return
    }
    const tries = (this.tries.get(clientId) ?? 0) + 1
    this.tries.set(clientId, tries)
    this.change(clientId, { state: 'waiting' })
    const ceiling = Math.min(PAUSE_MAX_MS, PAUSE_MS * 2 ** (tries - 1))
    const pause =
      problem.retryAfter === null ? ceiling / 2 + (this.around.random() * ceiling) / 2 : problem.retryAfter * 1000
    this.around.later(pause, () => {
      const held = this.entries.find((other) => other.clientId === clientId)
      if (!held || held.state !== 'waiting') return
      if (this.around.now() - held.at > STALE_MS) this.change(clientId, { state: 'old' })
      else void this.attempt(clientId)
    })
  }

  private change(clientId: string, change: Partial<Pending>): void {
    this.entries = this.entries.map((entry) => (entry.clientId === clientId ? { ...entry, ...change } : entry))
    this.publish()
  }

  private publish(): void {
    if (this.ended) return
    this.around.save(this.entries, this.known)
    this.around.changed(this.entries)
  }
}
