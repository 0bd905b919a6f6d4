// @vitest-environment happy-dom
/** The client between its two sources, answers and changes: whatever overtakes whatever, nothing is lost on screen (G22, G24). */
import { afterEach, beforeEach, expect, test } from 'vitest'

import type { Change, Conversation, Message, Session } from '../src/shared/api/types'
import type { Client as ClientType } from '../src/client/state/client.svelte'

interface Asked {
  method: string
  path: string
  answer: (body: unknown, status?: number) => Promise<void>
}

let asked: Asked[]
let socket: { onopen?: () => void; onmessage?: (event: { data: string }) => void; send: () => void; close: () => void }
let client: ClientType
let left: number

const settle = () => new Promise((done) => setTimeout(done, 0))
const number = { id: '5', number: '+12015550110', display: '(201) 555-0110', friendly_name: 'Front desk' }
const licence = {
  user: { id: '1', name: 'Ana Torres', email: 'ana@bluedoor.example' },
  product: 'desktop',
  numbers: [{ ...number, messaging_type: 'sms', opt_in: 'opted_in', ask: false, can: ['send', 'receive'] }],
  settings: {
    region: 'US',
    country_code: '1',
    exclude_leading_zero: false,
    language: 'en',
    timezone: 'UTC',
    text_windows: 'docked',
    chat_windows: 'docked',
    quiet_hours: { on: false, begin: '22:00', end: '07:00' },
  },
  cursor: 'c0',
  can: ['send'],
}

function message(id: number): Message {
  const at = new Date(Date.UTC(2026, 2, 12, 10, 0, id)).toISOString()
  return {
    id: String(id), client_id: null, conversation_id: '1', direction: 'in', text: `text ${id}`, kind: 'sms', status: 'received', reason: null, at,
    encoding: 'gsm7', segments: 1, attempt: 1, arrived_before: false, cut_to: null, attachments: [], consent: null, automatic: null, version: 1, can: [],
  } // prettier-ignore
}

function conversation(last: Message, version: number, unread = 0): Conversation {
  return {
    id: '1', number, number_id: number.id, remote: '+12025550142', remote_display: '(202) 555-0142', name: null, name_source: null, blocked: false, stopped: null, draft: '',
    unread, last_message: last, last_at: last.at, version, can: ['send'],
  } // prettier-ignore
}

function arrives(id: number, version: number): void {
  const change: Change = {
    feed: '1', position: id, kind: 'message.received', version, message: message(id), conversation: conversation(message(id), version, 1),
    licence_number: null,
  } // prettier-ignore
  hear({ type: 'changes', items: [change], cursor: `c${id}` })
}

const hear = (frame: unknown) => socket.onmessage?.({ data: JSON.stringify(frame) })
const shown = () => client.state.threads['1']?.ids

/** The oldest open request for `path`. */
async function request(path: string): Promise<Asked> {
  for (let tries = 0; tries < 50; tries += 1) {
    const at = asked.findIndex((one) => one.path.startsWith(path))
    if (at >= 0) return asked.splice(at, 1)[0] as Asked
    await settle()
  }
  throw new Error(`nobody asked for ${path}; open: ${asked.map((one) => one.path).join(', ')}`)
}

/** A gap in the line, and what is fetched after it: one conversation with its last text, and where the list goes on. */
async function gap(last: number, version: number, next: string | null = null): Promise<void> {
  hear({ type: 'resync', cursor: `c${last}` })
  await (await request('/licence')).answer(licence)
  await (await request('/conversations')).answer({ items: [conversation(message(last), version)], next })
}

beforeEach(async () => {
  asked = []
  left = 0
  localStorage.clear()
  globalThis.fetch = ((address: string, init: RequestInit) =>
    new Promise((done) => {
      const answer = async (body: unknown, status = 200) => {
        done(new Response(status === 204 ? null : JSON.stringify(body), { status }))
        await settle()
        await settle()
      }
      asked.push({ method: init.method ?? 'GET', path: address.replace('/api/v1', ''), answer })
    })) as typeof fetch
  globalThis.WebSocket = function () {
    socket = { send: () => undefined, close: () => undefined }
    return socket
  } as unknown as typeof WebSocket
  const { Client } = await import('../src/client/state/client.svelte')
  const session: Session = {
    email: licence.user.email,
    user: { ...licence.user, language: 'en', timezone: 'UTC', region: 'US' },
    roles: [],
    can: [],
  }
  client = new Client(session as Session & { user: NonNullable<Session['user']> }, () => (left += 1))
  await (await request('/licence')).answer(licence)
  await (await request('/conversations')).answer({ items: [conversation(message(10), 1)], next: null })
  socket.onopen?.()
  const loading = client.load('1')
  await (await request('/conversations/1/messages')).answer({ items: [message(10)], next: null })
  await loading
})

afterEach(() => client.end())

test('a change that overtakes the answer to a read is not lost', async () => {
  arrives(11, 2)
  const reading = client.markRead('1')
  const read = await request('/conversations/1/read')
  arrives(12, 3)
  arrives(13, 4)
  await read.answer(conversation(message(13), 5))
  await reading
  expect(shown()).toEqual(['10', '11', '12', '13'])
  expect(client.unread).toBe(0)
})

test('a burst of texts is one read at a time', async () => {
  arrives(11, 2)
  const reading = client.markRead('1')
  void client.markRead('1')
  void client.markRead('1')
  await settle()
  expect(asked.filter((one) => one.path.endsWith('/read'))).toHaveLength(1)
  await (await request('/conversations/1/read')).answer(conversation(message(11), 3))
  await reading
})

test('changes that come while a resync fetches are applied on top of it', async () => {
  hear({ type: 'resync', cursor: 'c20' })
  const fetchedLicence = await request('/licence')
  const list = await request('/conversations')
  arrives(13, 5)
  await fetchedLicence.answer(licence)
  // The answer is older than the change that overtook it.
  await list.answer({ items: [conversation(message(12), 4)], next: null })
  await settle()
  expect(client.state.conversations['1']).toMatchObject({ version: 5, unread: 1 })
  expect(client.state.messages['13']).toBeDefined()
})

test('two clicks on Send again are one request (R79, R81)', async () => {
  const failed: Message = { ...message(11), direction: 'out', status: 'failed', can: ['resend'] }
  void client.resend(failed)
  void client.resend(failed)
  await settle()
  expect(asked.filter((one) => one.path.endsWith('/resend'))).toHaveLength(1)
  await (await request('/messages/11/resend')).answer({ ...failed, status: 'queued', attempt: 2, version: 2, can: [] })
  expect(client.state.messages['11']).toMatchObject({ status: 'queued', attempt: 2 })
})

test('a text is shown at once, and once, whichever of answer and change is first (G24)', async () => {
  for (const first of ['answer', 'change']) {
    const clientId = client.send({ id: '5' }, '+12025550142', '', 'Hello', '1')
    expect(client.pending.map((entry) => entry.clientId)).toEqual([clientId])
    const put = await request(`/messages/${clientId}`)
    const id = first === 'answer' ? 21 : 22
    const real: Message = { ...message(id), client_id: clientId, direction: 'out', status: 'queued' }
    const change = {
      feed: '1',
      position: id,
      kind: 'message.queued',
      version: 1,
      message: real,
      conversation: null,
      licence_number: null,
    }
    if (first === 'answer') await put.answer(real, 201)
    hear({ type: 'changes', items: [change], cursor: `c${id}` })
    if (first === 'change') await put.answer(real, 201)
    expect(client.pending).toEqual([])
    expect(shown()?.filter((held) => held === String(id))).toHaveLength(1)
  }
})

test('a session that ended leads to the sign-in form, once (G26)', async () => {
  void client.markUnread('1')
  await (await request('/conversations/1/unread')).answer({ code: 'not_signed_in' }, 401)
  expect(left).toBe(1)
})

test('texts asked for before the place in the line was known are asked for again once it is (G22)', async () => {
  client.end()
  const { Client } = await import('../src/client/state/client.svelte')
  client = new Client(client.session, () => undefined)
  const late = await request('/licence')
  await late.answer({ code: 'unavailable' }, 503)
  expect(client.stuck).toBe(true)
  const loading = client.load('1')
  const list = await request('/conversations/1')
  const older = await request('/conversations/1/messages')
  dispatchEvent(new Event('online'))
  await (await request('/licence')).answer(licence)
  await (await request('/conversations')).answer({ items: [conversation(message(12), 3)], next: null })
  expect(client.stuck).toBe(false)
  // The answer of before: a text that came between it and the place is in neither.
  await list.answer(conversation(message(10), 1))
  await older.answer({ items: [message(10)], next: null })
  expect(client.state.threads['1']?.loaded).toBe(false)
  await (
    await request('/conversations/1/messages')
  ).answer({ items: [message(12), message(11), message(10)], next: null })
  await loading
  expect(client.state.threads['1']).toMatchObject({ ids: ['10', '11', '12'], loaded: true })
})

test('texts asked for before a gap in the line are asked for again after it (G22)', async () => {
  const loading = client.load('1')
  const older = await request('/conversations/1/messages')
  await gap(12, 4)
  await older.answer({ items: [message(10)], next: null })
  expect(client.state.threads['1']?.loaded).toBe(false)
  await (
    await request('/conversations/1/messages')
  ).answer({ items: [message(12), message(11), message(10)], next: null })
  await loading
  expect(shown()).toEqual(['10', '11', '12'])
})

test('of two gaps the answers to the later one stand', async () => {
  hear({ type: 'resync', cursor: 'c20' })
  const first = await request('/licence')
  const firstList = await request('/conversations')
  hear({ type: 'resync', cursor: 'c30' })
  const second = await request('/licence')
  const secondList = await request('/conversations')
  await first.answer(licence)
  await firstList.answer({ items: [conversation(message(11), 3)], next: null })
  await second.answer(licence)
  arrives(13, 5)
  await secondList.answer({ items: [conversation(message(12), 4)], next: null })
  await settle()
  expect(client.state.conversations['1']).toMatchObject({ version: 5, unread: 1 })
  expect(client.state.messages['13']).toBeDefined()
})

test('a further page asked for before a gap in the line is asked for again behind the new first one', async () => {
  await gap(12, 4, 'p1')
  const loading = client.moreConversations()
  const stale = await request('/conversations?cursor=p1')
  await gap(14, 6, 'p2')
  await stale.answer({ items: [], next: 'p9' })
  expect(client.state.next).toBe('p2')
  await (await request('/conversations?cursor=p2')).answer({ items: [], next: null })
  await loading
  expect(client.state.next).toBeNull()
})

test('older texts asked for before a gap in the line are asked for again behind the newest', async () => {
  const more = { items: [message(10)], next: 'm1' }
  await gap(10, 2)
  const loading = client.load('1')
  await (await request('/conversations/1/messages')).answer(more)
  await loading
  const asking = client.olderMessages('1')
  const stale = await request('/conversations/1/messages?cursor=m1')
  await gap(99, 4)
  await stale.answer({ items: [message(9)], next: null })
  // The thread is to be fetched anew; a page of the old one would stand beside a hole.
  expect(await asking).toBeNull()
})
