/** The signed-in client: what it holds, what it asks of the server, and what the live line tells it. One object for the whole window. */
import { api, newId, Problem } from '../../shared/api/http'
import type {
  Answer,
  Attachment,
  Change,
  Contact,
  Conversation,
  Licence,
  LicenceNumber,
  Message,
  Session,
} from '../../shared/api/types'
import { currentLanguage, t } from '../../shared/i18n'
import { timeWriter } from '../../shared/i18n/time'
import { world } from '../../shared/realtime/hub'
import * as reduce from '../../shared/realtime/reducer'
import { router } from '../../shared/router.svelte'
import { Keeper, type Kept } from '../offline/kept'
import { closeNotices, lookedAt, showUnread } from './alerts'
import { Bell } from './bell'
import { Drafts } from './drafts.svelte'
import { nameOf } from './naming'
import { Outbox, outboxStore, type Pending } from './outbox'
import { Expected } from './expected'
import { Place } from './place'
import { SignOut } from './signout.svelte'
import { gist, Trays } from './tray.svelte'
import { Windows } from './windows.svelte'

export { failed, nameOf, ownName } from './naming'

const OFFLINE_SHOWN_MS = 2000
const TICK_MS = 20_000
const READ_PAUSE_MS = 250

export class Client {
  state = $state.raw(reduce.EMPTY)
  licence = $state.raw<Licence | null>(null)
  pending = $state.raw<Pending[]>([])
  offline = $state(false)
  /** The start failed; it is tried again by itself. */
  stuck = $state(false)
  /** What is shown was kept by this browser; the server has not been reached yet. */
  kept = $state(false)
  now = $state(Date.now())
  /** A short word after something could not be done; shown until the next one or dismissed. */
  word = $state('')
  /** For screen readers: what just arrived. */
  spoken = $state('')
  resending = $state.raw<ReadonlySet<string>>(new Set())
  /** The contact that is being written down. */
  editing = $state.raw<{ contact: Contact | null; start: { name: string; number: string } } | null>(null)
  /** Somebody asked for the search; its field takes the focus as soon as it is there. */
  seeking = $state(false)
  /** The open conversation stays in the New group while it is open, so that the list does not jump under the pointer. */
  heldNew = $state<string | null>(null)

  readonly conversations = $derived(reduce.listed(this.state))
  readonly unread = $derived(reduce.unreadTotal(this.state))
  readonly questions = $derived(this.state.numbers.filter((number) => number.ask && !this.answered.has(number.id)))
  readonly usable = $derived(this.state.numbers.filter((number) => number.can.includes('send')))
  /** R23: off, only numbers known to be mobile are texted. */
  readonly anyNumber = $derived(this.licence?.settings.any_number ?? true)
  readonly times = $derived(timeWriter(currentLanguage(), this.licence?.settings.timezone))

  /** Goes up whenever contacts may be others than before. */
  names = $state(0)
  readonly trays: Trays
  readonly expected = new Expected()
  readonly drafts: Drafts
  readonly windows: Windows
  readonly signingOut: SignOut
  private readonly bell = new Bell(() => this.licence?.settings)
  private readonly place: Place
  private readonly outbox: Outbox
  private answered = $state.raw<ReadonlySet<string>>(new Set())
  private offlineTimer: ReturnType<typeof setTimeout> | undefined
  private readonly ticker: ReturnType<typeof setInterval>
  private ended = false
  private readonly keeper: Keeper

  constructor(
    readonly session: Session & { user: NonNullable<Session['user']> },
    private readonly signedOut: () => void,
    kept: Kept | null = null,
  ) {
    const user = session.user
    this.trays = new Trays(user.id)
    this.windows = new Windows(user.id, () => this.licence?.settings.text_windows === 'windows')
    this.drafts = new Drafts(user.id, {
      kept: (id) => this.state.conversations[id]?.draft ?? '',
      keep: async (id, text) => {
        const news = await api.keepDraft(id, text)
        this.state = reduce.applyConversation(this.state, news)
      },
      later: world.later,
    })
    const store = outboxStore(user.id)
    this.pending = store.saved
    if (kept) {
      this.kept = this.stuck = true
      this.licence = kept.licence
      this.state = kept.state
    }
    this.outbox = new Outbox(
      {
        send: api.send,
        later: world.later,
        now: Date.now,
        random: Math.random,
        save: store.save,
        changed: (entries) => (this.pending = entries),
        sent: (message, entry) => this.sent(message, entry),
        signedOut: () => this.end(),
      },
      store.saved,
    )
    this.ticker = setInterval(() => (this.now = Date.now()), TICK_MS)
    this.keeper = new Keeper(session)
    this.signingOut = new SignOut(user.id, {
      brought: () => this.drafts.brought(),
      trays: () => Object.keys(this.trays.held),
      pending: () => this.pending.length,
      hurry: () => this.outbox.hurry(),
      failed: (error) => this.say(error),
      end: () => this.end(),
    })
    this.place = new Place(user.id, {
      open: () => this.openId,
      holed: () => this.kept || this.stuck,
      show: (licence, over, meanwhile) => this.show(licence, over, meanwhile),
      taken: () => this.expected.forget(),
      started: () => {
        this.stuck = this.kept = false
        this.outbox.resume()
        this.drafts.hurry()
      },
      stuck: () => (this.stuck = true),
      apply: (changes) => this.apply(changes),
      online: (online) => this.setOnline(online),
      gone: (error) => this.gone(error),
      signedOut: () => this.end(),
    })
  }

  /** Writes down what is on screen, so that it can be read without a connection. */
  keep(): void {
    if (this.licence && !this.kept) this.keeper.note(this.licence, this.state, this.conversations)
  }

  end(): void {
    if (this.ended) return
    this.ended = true
    this.place.end()
    this.outbox.end()
    this.drafts.end()
    this.trays.end()
    this.windows.end()
    this.keeper.end()
    clearInterval(this.ticker)
    clearTimeout(this.offlineTimer)
    showUnread(0)
    closeNotices()
    this.signedOut()
  }

  /** True when the session is over; the sign-in form follows. */
  private gone(error: unknown): boolean {
    if (!(error instanceof Problem && error.status === 401)) return false
    this.end()
    return true
  }

  say(error: unknown): void {
    if (this.gone(error)) return
    this.word = (error instanceof Problem && error.text) || t('problem.offline')
  }

  /** R28, R29, R33. The server has every window of this person load anew, this one included, since numbers are shown otherwise then. */
  async changeSettings(changes: Parameters<typeof api.changeSettings>[0]): Promise<void> {
    const before = this.licence
    if (before) this.licence = { ...before, settings: { ...before.settings, ...changes } }
    try {
      const settings = await api.changeSettings(changes)
      if (this.licence) this.licence = { ...this.licence, settings }
    } catch (error) {
      if (before) this.licence = before
      this.say(error)
    }
  }

  // The live line

  private setOnline(online: boolean): void {
    clearTimeout(this.offlineTimer)
    if (online) {
      this.offline = false
      this.outbox.hurry()
      this.drafts.hurry()
    } else this.offlineTimer = setTimeout(() => (this.offline = true), OFFLINE_SHOWN_MS)
  }

  private apply(changes: Change[]): void {
    if (changes.some((c) => c.kind === 'conversation.changed' && !c.conversation)) this.names++
    const known = this.state.messages
    const arrived = changes.filter((c) => c.kind === 'message.received' && c.message && !known[c.message.id])
    const failed = changes.some(
      (c) =>
        c.message?.direction === 'out' &&
        ['failed', 'undelivered'].includes(c.message.status) &&
        reduce.isNews(known, c.message),
    )
    this.state = reduce.applyChanges(this.state, changes)
    this.outbox.settle(changes.flatMap((c) => c.message?.client_id ?? []))
    if (arrived.length) this.announce(arrived.flatMap((c) => c.message ?? []))
    if (failed) this.bell.failed()
  }

  private announce(messages: Message[]): void {
    const last = messages[messages.length - 1]
    const conversation = last && this.state.conversations[last.conversation_id]
    if (!last || !conversation) return
    const who = nameOf(conversation)
    this.spoken = t('announce.arrived', { who, text: gist(last) })
    const open = () => router.go(`/c/${conversation.id}`)
    const looking = lookedAt()
    if (!(looking && this.shows(conversation.id)) && !this.windows.isWatched(conversation.id))
      this.bell.arrived({ id: last.id, who, text: gist(last), conversation: conversation.id, looking, open })
  }

  private show(licence: Licence, over: (state: reduce.State) => reduce.State, meanwhile: Change[]): void {
    if (this.live) this.names++
    this.licence = licence
    this.state = reduce.applyChanges(over(this.state), meanwhile)
    this.outbox.settle(meanwhile.flatMap((change) => change.message?.client_id ?? []))
  }

  // Reading

  /** What is shown came after the place in the live line was known. */
  get live(): boolean {
    return this.licence !== null && !this.kept
  }

  /** The conversation on screen, by its address. */
  get openId(): string | null {
    return /^\/(?:c|window)\/(\d+)$/.exec(router.path)?.[1] ?? null
  }

  /** Whether its texts are on screen in this window. */
  private shows(id: string): boolean {
    return this.openId === id || this.windows.open.has(id)
  }

  private loadingMore = false

  async moreConversations(): Promise<void> {
    if (this.loadingMore || !this.state.next) return
    this.loadingMore = true
    try {
      await this.place.since(
        () => api.conversations(this.state.next),
        (page) => (this.state = reduce.applyConversations(this.state, page)),
      )
    } catch (error) {
      this.say(error)
    } finally {
      this.loadingMore = false
    }
  }

  /** Fetch what the thread lacks at its newer end. Raises Problem when the conversation is not there. */
  async load(id: string): Promise<void> {
    await this.place.since(
      () => Promise.all([this.state.conversations[id] ? null : api.conversation(id), this.expected.take(id)]),
      ([conversation, page]) => {
        const state = conversation ? reduce.applyConversation(this.state, conversation) : this.state
        this.state = reduce.applyMessages(state, id, page, true)
      },
    )
  }

  /** Answers how to show them, which the view does between two looks at where it is scrolled to; null when there are none. */
  async olderMessages(id: string, limit?: number): Promise<(() => void) | null> {
    let show: (() => void) | null = null
    await this.place.since(
      async () => {
        const next = this.state.threads[id]?.next
        return next ? await api.messages(id, next, limit) : null
      },
      (page) => {
        if (page) show = () => (this.state = reduce.applyMessages(this.state, id, page, false))
      },
    )
    return show
  }

  private readonly reading = new Map<string, boolean>()

  /** Q21: opened and seen clears it, on all devices. One request at a time: a burst of texts is not a burst of these. */
  async markRead(id: string): Promise<void> {
    if (this.reading.has(id)) {
      this.reading.set(id, true)
      return
    }
    this.reading.set(id, false)
    const ids = this.state.threads[id]?.ids ?? []
    try {
      const news = await api.markRead(id, ids[ids.length - 1] ?? null)
      this.state = reduce.applyConversation(this.state, news)
    } catch (error) {
      if (!(error instanceof Problem && error.passing)) this.say(error)
    }
    setTimeout(() => {
      const more = this.reading.get(id)
      this.reading.delete(id)
      if (more && this.shows(id) && !this.ended) void this.markRead(id)
    }, READ_PAUSE_MS)
  }

  async markUnread(id: string): Promise<void> {
    if (this.openId === id) router.go('/')
    if (this.windows.open.has(id)) this.windows.fold(id, true)
    try {
      const news = await api.markUnread(id)
      this.state = reduce.applyConversation(this.state, news)
    } catch (error) {
      this.say(error)
    }
  }

  /** R129: block the other side, or take it back; whether that was done. The live line tells the other devices. */
  async setBlocked(conversation: Conversation, blocked: boolean, reason = ''): Promise<boolean> {
    try {
      const news = await (blocked ? api.block(conversation.id, reason) : api.unblock(conversation.id))
      this.state = reduce.applyConversation(this.state, news)
      return true
    } catch (error) {
      this.say(error)
      return false
    }
  }

  /** G35: whether the other side wants no more texts. What it wrote after `upTo` stays open to judge. */
  async judge(conversation: Conversation, answer: 'stop' | 'dismiss' | 'allow', upTo: string | null): Promise<void> {
    try {
      const news = await api.judge(conversation.id, answer, upTo)
      this.state = reduce.applyConversation(this.state, news)
    } catch (error) {
      this.say(error)
    }
  }

  /** R73: a new contact for the other side of a conversation, or the one there is, to change. */
  async editContact(conversation: Conversation): Promise<void> {
    const { remote, remote_display: number } = conversation
    try {
      const page = await api.contacts(remote, 'personal')
      const contact = page.items.find((one) => one.numbers.some((held) => held.number === remote)) ?? null
      this.editing = { contact, start: { name: conversation.name ?? '', number } }
    } catch (error) {
      this.say(error)
    }
  }

  // Writing

  /** R40: the conversation comes into being with its first text. `to` is E.164 or what was typed. */
  send(
    number: LicenceNumber | { id: string },
    to: string,
    toDisplay: string,
    text: string,
    conversationId: string | null,
    attachments: Attachment[] = [],
  ): string {
    const clientId = newId()
    this.outbox.add({ clientId, numberId: number.id, to, toDisplay, text, attachments, at: Date.now(), conversationId })
    return clientId
  }

  private sent(message: Message, entry: Pending): void {
    this.state = reduce.applyMessage(this.state, message)
    this.bell.sent()
    if (!this.state.conversations[message.conversation_id]) void this.learn(message.conversation_id)
    if (entry.conversationId === null && router.path === '/new') router.go(`/c/${message.conversation_id}`, true)
  }

  private async learn(id: string): Promise<void> {
    try {
      const news = await api.conversation(id)
      this.state = reduce.applyConversation(this.state, news)
    } catch (error) {
      this.say(error)
    }
  }

  retry(clientId: string): void {
    this.outbox.retry(clientId)
  }

  discard(clientId: string): void {
    this.outbox.settle([clientId])
  }

  /** R79: one click, one attempt more. The button is off while a request is out; the attempt number guards the rest. */
  async resend(message: Message, despiteUnknown = false): Promise<void> {
    if (this.resending.has(message.id)) return
    this.resending = new Set([...this.resending, message.id])
    try {
      const news = await api.resend(message.id, message.attempt, despiteUnknown)
      this.state = reduce.applyMessage(this.state, news)
    } catch (error) {
      // Somebody was quicker, or this was the second click: the live line shows how it stands.
      if (!(error instanceof Problem && error.code === 'attempt_moved_on')) this.say(error)
    } finally {
      this.resending = new Set([...this.resending].filter((id) => id !== message.id))
    }
  }

  // Opt-in

  async answer(number: LicenceNumber, answer: Answer): Promise<void> {
    let news: LicenceNumber | undefined
    try {
      news = await api.optIn(number.id, answer)
    } catch (error) {
      if (!(error instanceof Problem && error.code === 'already_answered')) throw error
      // Answered elsewhere meanwhile, which stands: show that, and do not ask again.
      news = (await api.licence()).numbers.find((other) => other.id === number.id)
    }
    this.answered = new Set([...this.answered, number.id])
    if (news) this.state = reduce.applyNumber(this.state, news)
    if (answer === 'yes') await this.refreshConversations()
  }

  /** R17: a number that was reset meanwhile may be asked about again. */
  reopen(number: LicenceNumber): void {
    this.answered = new Set([...this.answered].filter((id) => id !== number.id))
    this.state = reduce.applyNumber(this.state, { ...number, ask: true })
  }

  /** Q26: yes releases what arrived before; the live line tells too, this only makes sure. */
  private async refreshConversations(): Promise<void> {
    try {
      const page = await api.conversations()
      this.state = reduce.applyConversations(this.state, page)
    } catch (error) {
      this.say(error)
    }
  }

  hue(numberId: string): number {
    const at = this.state.numbers.findIndex((number) => number.id === numberId)
    return (Math.max(0, at) % 8) + 1
  }
}
