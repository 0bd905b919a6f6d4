/** How a conversation and a number are called on screen. */
import type { Conversation } from '../../shared/api/types'

/** R65: the name if one was found, else the number; R67: with where it came from. */
export function nameOf(conversation: Pick<Conversation, 'name' | 'remote_display'>): string {
  return conversation.name || conversation.remote_display
}

/** The last thing said in it was ours and did not get there. */
export function failed({ last_message: last }: Pick<Conversation, 'last_message'>): boolean {
  return last?.direction === 'out' && ['failed', 'undelivered', 'expired'].includes(last.status)
}

/** R61, R84: the friendly name, or the number alone. */
export function ownName(number: { friendly_name: string; display: string }): string {
  return number.friendly_name || number.display
}
