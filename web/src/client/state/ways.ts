/**
 * The ways to text somebody: every number of theirs that can be tried × every own number that may send (R54 to R58, R61). Pure. What is not in the list
 * is not offered: a fax, one's own number, a pair that was blocked or has stopped (R55, G17), and, for who texts mobile numbers only, what is not known to
 * be one and never wrote (R25, R26, Q19).
 */
import type { ContactNumber, Conversation, LicenceNumber } from '../../shared/api/types'

export interface Way {
  to: string
  display: string
  kind: ContactNumber['kind']
  label: string
  own: LicenceNumber
  /** The pair's conversation, where there is one already (R39). */
  conversation: Conversation | null
}

type Theirs = Pick<ContactNumber, 'number' | 'display' | 'kind' | 'label' | 'can'>

export function waysToText(
  theirs: readonly Theirs[],
  own: readonly LicenceNumber[],
  conversations: readonly Conversation[],
): Way[] {
  const mine = new Set(own.map((number) => number.number))
  const senders = own.filter((number) => number.can.includes('send'))
  return theirs.flatMap((number) => {
    if (mine.has(number.number)) return []
    const held = conversations.filter((one) => one.remote === number.number)
    if (held.some((one) => one.stopped)) return []
    return senders.flatMap((sender) => {
      const conversation = held.find((one) => one.number_id === sender.id) ?? null
      const may = conversation ? conversation.can.includes('send') : number.can.includes('text')
      if (!may) return []
      return {
        to: number.number,
        display: number.display,
        kind: number.kind,
        label: number.label,
        own: sender,
        conversation,
      }
    })
  })
}

/** Where a way leads: its conversation, or a new text with both ends filled in. */
export function addressOf(way: Way): string {
  if (way.conversation) return `/c/${way.conversation.id}`
  return `/new?${new URLSearchParams({ to: way.to, number: way.own.id })}`
}

/** The other side of a conversation, as a contact's number; `any` says that all numbers may be texted and not only those known to be mobile. */
export function numberOf(conversation: Conversation, any = true): Theirs {
  const plain = /^\+\d{7,15}$/.test(conversation.remote) || conversation.can.includes('send')
  return {
    number: conversation.remote,
    display: conversation.remote_display,
    kind: 'other',
    label: '',
    can: plain && (any || conversation.name_source === 'mobile') ? ['text'] : [],
  }
}
