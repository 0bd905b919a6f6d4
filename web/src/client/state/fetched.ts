/** What is on screen, fetched anew: the list's first page and the open conversation. */
import { api, Problem } from '../../shared/api/http'
import * as reduce from '../../shared/realtime/reducer'

/** Answers how to put what came over a state. Raises Problem when it could not be fetched; a conversation that is gone is left out. */
export async function fetchShown(open: string | null): Promise<(state: reduce.State) => reduce.State> {
  const [page, conversation, messages] = await Promise.all([
    api.conversations(),
    open ? api.conversation(open).catch(missing) : null,
    open ? api.messages(open).catch(missing) : null,
  ])
  return (state) => {
    let next = reduce.applyConversations(state, page)
    if (conversation) next = reduce.applyConversation(next, conversation)
    return open && messages ? reduce.applyMessages(next, open, messages, true) : next
  }
}

/** Gone in the meantime is an answer too; anything else is not. */
function missing(error: unknown): null {
  if (error instanceof Problem && error.status === 404) return null
  throw error
}
