/**
 * What the client holds, as pure functions: state + news → state. Promises: an entity is replaced only by one of the same or a newer version, so the
 * same change may come twice and in any order; old state + changes = state fetched again (G22, G24).
 */
import type { Change, Conversation, Licence, LicenceNumber, Message, Page } from '../api/types'

export interface Thread {
  /** Message ids, oldest first. */
  ids: readonly string[]
  /** Where older messages go on; null when the beginning is shown. */
  next: string | null
  /** The newest page has been fetched: before that, live messages are known but the thread has a hole. */
  loaded: boolean
}

export interface State {
  numbers: readonly LicenceNumber[]
  conversations: Readonly<Record<string, Conversation>>
  messages: Readonly<Record<string, Message>>
  threads: Readonly<Record<string, Thread>>
  /** Where older conversations go on. */
  next: string | null
  loaded: boolean
}

export const EMPTY: State = {
  numbers: [],
  conversations: {},
  messages: {},
  threads: {},
  next: null,
  loaded: false,
}

const NO_THREAD: Thread = { ids: [], next: null, loaded: false }

/** Ids are decimal numbers of 63 bits: too wide for a number, so compared by length and then by digit. */
export function compareIds(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0)
}

/** Collects one batch; each table is copied at most once, and only if something in it changed. */
class Draft {
  private conversations: Record<string, Conversation> | null = null
  private messages: Record<string, Message> | null = null
  private threads: Record<string, Thread> | null = null
  private numbers: LicenceNumber[] | null = null

  constructor(private readonly from: State) {}

  /**
   * What is joined when it is read (names, consent) is no part of the version. The live line tells of it in order, so of two with one version its word
   * stands; an answer to a request may be older than it was quick.
   */
  conversation(news: Conversation, live = false): void {
    const held = (this.conversations ?? this.from.conversations)[news.id]
    if (held && (live ? held.version > news.version : held.version >= news.version)) return
    this.conversations ??= { ...this.from.conversations }
    this.conversations[news.id] = news
    if (news.last_message) this.message(news.last_message)
  }

  message(news: Message): void {
    const held = (this.messages ?? this.from.messages)[news.id]
    if (!held || held.version <= news.version) {
      this.messages ??= { ...this.from.messages }
      this.messages[news.id] = news
      this.preview(news)
    }
    this.place(news)
  }

  /** A new or changed message is also what its conversation's row shows, if it is the newest. */
  private preview(news: Message): void {
    const conversation = (this.conversations ?? this.from.conversations)[news.conversation_id]
    if (!conversation) return
    const last = conversation.last_message
    if (last && compareIds(last.id, news.id) > 0) return
    if (last && last.id === news.id && last.version > news.version) return
    this.conversations ??= { ...this.from.conversations }
    this.conversations[conversation.id] = {
      ...conversation,
      last_message: news,
      last_at: last && last.id === news.id ? conversation.last_at : news.at,
    }
  }

  private place(message: Message): void {
    const thread = (this.threads ?? this.from.threads)[message.conversation_id] ?? NO_THREAD
    const ids = withId(thread.ids, message.id)
    if (ids === thread.ids) return
    this.threads ??= { ...this.from.threads }
    this.threads[message.conversation_id] = { ...thread, ids }
  }

  thread(id: string, change: (thread: Thread) => Thread): void {
    this.threads ??= { ...this.from.threads }
    this.threads[id] = change(this.threads[id] ?? NO_THREAD)
  }

  number(news: LicenceNumber): void {
    this.numbers ??= [...this.from.numbers]
    const at = this.numbers.findIndex((held) => held.id === news.id)
    if (!news.assigned) {
      if (at >= 0) this.numbers.splice(at, 1)
    } else if (at < 0) this.numbers.push(news)
    else this.numbers[at] = news
  }

  done(rest: Partial<State> = {}): State {
    return {
      ...this.from,
      ...(this.conversations ? { conversations: this.conversations } : {}),
      ...(this.messages ? { messages: this.messages } : {}),
      ...(this.threads ? { threads: this.threads } : {}),
      ...(this.numbers ? { numbers: this.numbers } : {}),
      ...rest,
    }
  }
}

/** `ids` with `id` at its place; the same array when it is there already. */
export function withId(ids: readonly string[], id: string): readonly string[] {
  let at = ids.length
  while (at > 0) {
    const order = compareIds(ids[at - 1] as string, id)
    if (order === 0) return ids
    if (order < 0) break
    at -= 1
  }
  return [...ids.slice(0, at), id, ...ids.slice(at)]
}

export function applyChanges(state: State, changes: readonly Change[]): State {
  const draft = new Draft(state)
  for (const change of changes) {
    if (change.conversation) draft.conversation(change.conversation, true)
    if (change.message) draft.message(change.message)
    if (change.licence_number) draft.number(change.licence_number)
  }
  return draft.done()
}

export function applyMessage(state: State, message: Message): State {
  const draft = new Draft(state)
  draft.message(message)
  return draft.done()
}

export function applyConversation(state: State, conversation: Conversation): State {
  const draft = new Draft(state)
  draft.conversation(conversation)
  return draft.done()
}

export function applyNumber(state: State, number: LicenceNumber): State {
  const draft = new Draft(state)
  draft.number(number)
  return draft.done()
}

export function applyLicence(state: State, licence: Licence): State {
  return { ...state, numbers: licence.numbers }
}

/** A page of the list. The first one (`after` null) also says how far down the list is known. */
export function applyConversations(state: State, page: Page<Conversation>): State {
  const draft = new Draft(state)
  for (const conversation of page.items) draft.conversation(conversation)
  return draft.done({ next: page.next, loaded: true })
}

/** A page of messages, newest first as the server sends them. The first page makes the thread whole at its lower end. */
export function applyMessages(state: State, id: string, page: Page<Message>, first: boolean): State {
  const draft = new Draft(state)
  for (const message of page.items) draft.message(message)
  draft.thread(id, (thread) => ({
    ...thread,
    // A first page fetched again must not hide that older pages are already here.
    next: first && thread.loaded ? thread.next : page.next,
    loaded: true,
  }))
  return draft.done()
}

/** Conversations as the list shows them: newest first (R87). */
export function listed(state: State): Conversation[] {
  return Object.values(state.conversations)
    .filter((conversation) => conversation.last_message !== null)
    .sort((a, b) => (a.last_at < b.last_at ? 1 : a.last_at > b.last_at ? -1 : compareIds(b.id, a.id)))
}

/** Whether this message is not known yet in this version. */
export function isNews(known: State['messages'], message: Message): boolean {
  const held = known[message.id]
  return !held || held.version < message.version
}

export function unreadTotal(state: State): number {
  return Object.values(state.conversations).reduce((sum, conversation) => sum + conversation.unread, 0)
}

/** The conversation of a pair, if it exists (R38, R39). */
export function conversationFor(state: State, numberId: string, remote: string): Conversation | null {
  return (
    Object.values(state.conversations).find((held) => held.number_id === numberId && held.remote === remote) ?? null
  )
}
