/** What the message list shows, row by row: day separators (R75), texts grouped by sender and minute, then what is still on its way. */
import type { Message, Stopped } from '../../shared/api/types'
import type { TimeWriter } from '../../shared/i18n/time'
import type { Pending } from '../state/outbox'

export type Row =
  | { kind: 'start'; key: string; more: boolean }
  | { kind: 'day'; key: string; label: string }
  | {
      kind: 'message'
      key: string
      message: Message
      first: boolean
      last: boolean
      /** Mark without word: a newer text of ours says the same. */
      brief: boolean
    }
  /** What consent came to: a word of theirs and what followed, or that somebody else stopped the texts (G35). */
  | { kind: 'consent'; key: string; what: Consent; at: string }
  | { kind: 'pending'; key: string; pending: Pending; first: boolean; last: boolean }

export type Consent = 'stop' | 'start' | 'help' | 'answered' | 'agreed' | 'person' | 'carrier' | 'colleague'

const TROUBLE = new Set(['failed', 'undelivered', 'expired', 'unknown'])

export function isTrouble(message: Message): boolean {
  return message.direction === 'out' && TROUBLE.has(message.status)
}

export function rowsOf(
  messages: readonly Message[],
  pending: readonly Pending[],
  more: boolean,
  times: TimeWriter,
  now: number,
  stopped: Stopped | null = null,
): Row[] {
  const rows: Row[] = messages.length ? [{ kind: 'start', key: 'start', more }] : []
  const lastOwn = messages.findLastIndex((message) => message.direction === 'out')
  const together = (a: Message | undefined, b: Message | undefined) =>
    a !== undefined &&
    b !== undefined &&
    a.direction === b.direction &&
    a.arrived_before === b.arrived_before &&
    times.minuteKey(a.at) === times.minuteKey(b.at)
  let day = ''
  // A stop without a text of this conversation behind it: said to a colleague, to the carrier, or noted by hand.
  let unsaid = stopped && !messages.some((message) => message.consent === 'stop' || message.consent === 'agreed')
  const tell = (at: string) => {
    if (unsaid && stopped && stopped.at < at) {
      rows.push({ kind: 'consent', key: `stopped-${stopped.at}`, what: stopped.by, at: stopped.at })
      unsaid = false
    }
  }
  if (more && stopped && messages[0] && stopped.at < messages[0].at) unsaid = false
  messages.forEach((message, at) => {
    tell(message.at)
    const key = times.dayKey(message.at)
    if (key !== day) {
      day = key
      rows.push({ kind: 'day', key: `day-${key}-${message.id}`, label: times.day(message.at, now) })
    }
    rows.push({
      kind: 'message',
      // The optimistic bubble and the real one are the same element: the truth replaces it in place.
      key: message.client_id ?? message.id,
      message,
      first: !together(messages[at - 1], message),
      last: !together(message, messages[at + 1]) || isTrouble(message),
      brief: at !== lastOwn && (message.status === 'delivered' || message.status === 'sent'),
    })
    const what = message.automatic ? 'answered' : message.consent
    if (what && what !== 'review' && what !== 'dismissed')
      rows.push({ kind: 'consent', key: `consent-${message.id}`, what, at: message.at })
  })
  tell('9999')
  const known = new Set(messages.flatMap((message) => message.client_id ?? []))
  const open = pending.filter((entry) => !known.has(entry.clientId))
  if (open.length && day !== times.dayKey(now)) {
    rows.push({ kind: 'day', key: 'day-now', label: times.day(new Date(now).toISOString(), now) })
  }
  open.forEach((entry, at) => {
    const trouble = entry.state === 'refused' || entry.state === 'old'
    rows.push({
      kind: 'pending',
      key: entry.clientId,
      pending: entry,
      first: at === 0,
      last: trouble || at === open.length - 1,
    })
  })
  return rows
}
