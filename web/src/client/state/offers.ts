/** What a context menu offers for a number or a person, in words: exactly what is possible now (R54 to R58, R73, R89). */
import type { Contact, Conversation, NumberKind } from '../../shared/api/types'
import { t, type Key } from '../../shared/i18n'
import { router } from '../../shared/router.svelte'
import type { Entry } from '../../shared/ui/Menu.svelte'
import { ownName, type Client } from './client.svelte'
import { windowsPossible } from './windows.svelte'
import { addressOf, numberOf, waysToText } from './ways'

export const KINDS: NumberKind[] = ['mobile', 'work', 'home', 'fax', 'pager', 'other']
const WORDS: Record<string, Key> = {
  mobile: 'kind.mobile',
  work: 'kind.work',
  home: 'kind.home',
  fax: 'kind.fax',
  pager: 'kind.pager',
  other: 'kind.other',
  colleague: 'source.colleague',
}

/** R67, R59: what stands behind a name or beside a number: its type, or where the name came from. */
export function sourceWord(source: string): string {
  const key = WORDS[source]
  return key ? t(key) : source
}

/** Whether the name on screen is from a contact of one's own. */
export function isContact({ name, name_source: source }: Pick<Conversation, 'name' | 'name_source'>): boolean {
  return name !== null && (source === null || KINDS.some((kind) => kind === source))
}

/** A text to each number from each own number, the numbers told apart only where there are several. */
export function textEntries(client: Client, contact: Pick<Contact, 'numbers'>): Entry[] {
  const ways = waysToText(contact.numbers, client.state.numbers, client.conversations)
  const several = client.usable.length > 1
  return ways.map((way) => ({
    id: `text-${way.to}-${way.own.id}`,
    text: several
      ? t('offer.text.from', { number: way.display, own: ownName(way.own) })
      : t('offer.text', { number: way.display }),
    detail: way.label || (way.kind === 'other' ? '' : sourceWord(way.kind)),
    hue: several ? client.hue(way.own.id) : 0,
    run: () => router.go(addressOf(way)),
  }))
}

/** Copy a number; says so where the browser does not let us. */
export async function copy(client: Client, number: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(number)
    return true
  } catch {
    client.word = t('details.copy.failed')
    return false
  }
}

function copyEntry(client: Client, number: string, text: string): Entry {
  return { id: `copy-${number}`, text, run: () => void copy(client, number) }
}

export function contactEntries(client: Client, contact: Contact, edit: (() => void) | null): Entry[] {
  const several = contact.numbers.length > 1
  const copies = contact.numbers.map((number) =>
    copyEntry(client, number.number, several ? t('offer.copy.one', { number: number.display }) : t('details.copy')),
  )
  return apart(
    textEntries(client, contact),
    copies,
    edit ? [{ id: 'edit', text: t('contact.edit.dots'), run: edit }] : [],
  )
}

/** R89 for one conversation's row or title. An entry whose system is not here yet (calls, CRM) is absent. */
export function conversationEntries(client: Client, conversation: Conversation): Entry[] {
  const here = client.openId === conversation.id
  const own = textEntries(client, { numbers: [numberOf(conversation, client.anyNumber)] })
  const acts: Entry[] = [
    { id: 'open', text: t('offer.open'), run: () => router.go(`/c/${conversation.id}`) },
    { id: 'unread', text: t('conversation.mark-unread'), run: () => void client.markUnread(conversation.id) },
  ]
  const person: Entry[] = [
    copyEntry(client, conversation.remote, t('details.copy')),
    {
      id: 'contact',
      text: t(isContact(conversation) ? 'contact.edit.dots' : 'contact.add.dots'),
      run: () => void client.editContact(conversation),
    },
  ]
  return apart(
    here ? [] : [...acts.slice(0, 1), ...places(client, conversation.id)],
    own.filter((entry) => !here || !entry.id.endsWith(`-${conversation.number_id}`)),
    conversation.unread === 0 ? acts.slice(1) : [],
    person,
  )
}

/** R68: what the title bar's menu offers, wherever a conversation stands. `block`: asks about blocking, where that may be. */
export function titleEntries(
  client: Client,
  conversation: Conversation,
  newest: string | null,
  block: (() => void) | null,
): Entry[] {
  const { id, stopped, blocked } = conversation
  const stop: Entry = {
    id: 'stop',
    text: t('stopped.note'),
    detail: t('stopped.note.help'),
    run: () => void client.judge(conversation, 'stop', newest),
  }
  return [
    { id: 'unread', text: t('conversation.mark-unread'), run: () => void client.markUnread(id) },
    ...(stopped ? [] : [stop]),
    ...(block ? [{ id: 'block', text: t(blocked ? 'unblock.dots' : 'block.dots'), run: block }] : []),
  ]
}

/** R62: beside what is open already, at the bottom or in a window of its own. */
function places(client: Client, id: string): Entry[] {
  const { windows } = client
  const panel: Entry = { id: 'dock', text: t('dock.open'), run: () => windows.dock(id) }
  const float = () => (windows.float(id) ? undefined : (client.word = t('windows.blocked')))
  const own: Entry = { id: 'float', text: t('windows.float'), run: float }
  return [...(windows.fits > 0 && !windows.open.has(id) ? [panel] : []), ...(windowsPossible() ? [own] : [])]
}

function apart(...groups: Entry[][]): Entry[] {
  return groups
    .filter((group) => group.length)
    .flatMap((group, place) => group.map((entry, at) => ({ ...entry, apart: place > 0 && at === 0 })))
}
