import { expect, test } from 'vitest'

import type { Change, Conversation, Message } from '../api/types'
import {
  applyChanges,
  applyConversation,
  applyConversations,
  applyMessages,
  compareIds,
  conversationFor,
  EMPTY,
  listed,
  unreadTotal,
  type State,
} from './reducer'

const number = { id: '5', number: '+12015550110', display: '(201) 555-0110', friendly_name: 'Front desk' }

function message(id: number, more: Partial<Message> = {}): Message {
  return {
    id: String(id),
    client_id: null,
    conversation_id: '1',
    direction: 'in',
    text: `text ${id}`,
    status: 'received',
    reason: null,
    at: new Date(Date.UTC(2026, 2, 12, 10, 0, id)).toISOString(),
    encoding: 'gsm7',
    segments: 1,
    attempt: 1,
    arrived_before: false,
    cut_to: null,
    kind: 'sms',
    attachments: [],
    consent: null,
    automatic: null,
    version: 1,
    can: [],
    ...more,
  }
}

function conversation(id: string, last: Message, more: Partial<Conversation> = {}): Conversation {
  return {
    id,
    number,
    number_id: number.id,
    remote: '+12025550142',
    remote_display: '(202) 555-0142',
    name: null,
    name_source: null,
    blocked: false,
    stopped: null,
    draft: '',
    unread: 0,
    last_message: last,
    last_at: last.at,
    version: 1,
    can: ['send'],
    ...more,
  }
}

function change(more: Partial<Change>): Change {
  return {
    feed: '9',
    position: 1,
    kind: 'message.changed',
    version: 1,
    message: null,
    conversation: null,
    licence_number: null,
    ...more,
  }
}

function opened(): State {
  let state = applyConversations(EMPTY, { items: [conversation('1', message(11))], next: null })
  state = applyMessages(state, '1', { items: [message(11), message(10)], next: 'older' }, true)
  return state
}

test('ids compare as numbers wider than 53 bits', () => {
  expect(compareIds('9', '10')).toBeLessThan(0)
  expect(compareIds('90071992547409931', '90071992547409930')).toBeGreaterThan(0)
})

test('an older version never replaces a newer one, in whatever order they come (G19, G22)', () => {
  const sent = change({ message: message(12, { direction: 'out', status: 'sent', version: 2 }) })
  const delivered = change({ message: message(12, { direction: 'out', status: 'delivered', version: 3 }) })
  for (const order of [
    [sent, delivered],
    [delivered, sent],
    [delivered, sent, delivered, sent],
  ]) {
    const state = applyChanges(opened(), order)
    expect(state.messages['12']?.status).toBe('delivered')
    expect(state.threads['1']?.ids).toEqual(['10', '11', '12'])
    expect(state.conversations['1']?.last_message?.status).toBe('delivered')
  }
})

test('the same change twice changes nothing', () => {
  const news = [
    change({ message: message(12), conversation: conversation('1', message(12), { unread: 1, version: 2 }) }),
  ]
  const once = applyChanges(opened(), news)
  expect(applyChanges(once, news)).toEqual(once)
})

test('old state + changes = state fetched again', () => {
  const last = message(13)
  const after = conversation('1', last, { unread: 2, version: 4 })
  const live = applyChanges(opened(), [
    change({
      kind: 'message.received',
      message: message(12),
      conversation: conversation('1', message(12), { unread: 1, version: 3 }),
    }),
    change({ kind: 'message.received', message: last, conversation: after }),
  ])
  let fetched = applyConversations(EMPTY, { items: [after], next: null })
  fetched = applyMessages(fetched, '1', { items: [last, message(12), message(11), message(10)], next: 'older' }, true)
  expect(live).toEqual(fetched)
})

test('a change that comes while the page is under way does not leave a hole', () => {
  const early = applyChanges(applyConversations(EMPTY, { items: [conversation('1', message(11))], next: null }), [
    change({ message: message(12) }),
  ])
  expect(early.threads['1']?.loaded).toBe(false)
  const state = applyMessages(early, '1', { items: [message(11), message(10)], next: null }, true)
  expect(state.threads['1']).toEqual({ ids: ['10', '11', '12'], next: null, loaded: true })
})

test('older pages go on where the last one ended; the first page fetched again does not lose that place', () => {
  let state = applyMessages(opened(), '1', { items: [message(9)], next: 'oldest' }, false)
  expect(state.threads['1']).toMatchObject({ ids: ['9', '10', '11'], next: 'oldest' })
  state = applyMessages(state, '1', { items: [message(11), message(10)], next: 'older' }, true)
  expect(state.threads['1']?.next).toBe('oldest')
})

test('newest first (R87), and unread counted over all', () => {
  const state = applyChanges(opened(), [
    change({
      conversation: conversation('2', message(20, { conversation_id: '2' }), { unread: 3, remote: '+442079460142' }),
    }),
  ])
  expect(listed(state).map((held) => held.id)).toEqual(['2', '1'])
  expect(unreadTotal(state)).toBe(3)
})

test('a conversation is found by its pair (R38, R42)', () => {
  expect(conversationFor(opened(), '5', '+12025550142')?.id).toBe('1')
  expect(conversationFor(opened(), '6', '+12025550142')).toBeNull()
})

test('opting in reaches the number without a restart (R8)', () => {
  const before = {
    id: '5',
    number: '+12015550110',
    display: '',
    friendly_name: '',
    messaging_type: 'sms',
    ask: true,
    assigned: true,
  } as const
  const state = applyChanges({ ...EMPTY, numbers: [{ ...before, opt_in: 'pending', can: [] }] }, [
    change({
      kind: 'number.changed',
      licence_number: { ...before, ask: false, opt_in: 'opted_in', can: ['send', 'receive'] },
    }),
  ])
  expect(state.numbers).toHaveLength(1)
  expect(state.numbers[0]).toMatchObject({ opt_in: 'opted_in', can: ['send', 'receive'] })
  const gone = { ...before, opt_in: 'not_needed', can: [], assigned: false } as const
  const later = applyChanges(state, [change({ kind: 'number.changed', licence_number: { ...gone, can: [] } })])
  expect(later.numbers, 'a number that is taken away').toHaveLength(0)
})

test('an answer that is as old as what is held does not undo what the live line told (names and consent have no version)', () => {
  const last = message(1)
  const start = applyChanges(EMPTY, [change({ conversation: conversation('1', last) })])
  const stopped = { at: '2026-03-12T00:00:00Z', by: 'colleague' } as const
  const told = applyChanges(start, [change({ conversation: conversation('1', last, { stopped, name: 'Mia' }) })])
  expect(told.conversations['1']?.name).toBe('Mia')
  const late = applyConversation(told, conversation('1', last))
  expect(late.conversations['1']).toMatchObject({ stopped, name: 'Mia' })
})
