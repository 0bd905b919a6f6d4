import { beforeEach, expect, test } from 'vitest'

import { Problem } from '../../shared/api/http'
import type { Message } from '../../shared/api/types'
import { Outbox, STALE_MS, type Pending, type Surroundings } from './outbox'

let now: number
let timers: { at: number; run: () => void }[]
let answers: (Message | Problem)[]
let asked: string[]
let entries: Pending[]
let sent: string[]
let signedOut: number

const around: Surroundings = {
  send: async (clientId) => {
    asked.push(clientId)
    const answer = answers.shift() ?? new Problem(0, 'offline', '')
    if (answer instanceof Problem) throw answer
    return answer
  },
  later: (ms, run) => timers.push({ at: now + ms, run }),
  now: () => now,
  random: () => 1,
  save: () => undefined,
  changed: (held) => (entries = held),
  sent: (message) => sent.push(message.id),
  signedOut: () => (signedOut += 1),
}

const settle = () => new Promise((done) => setTimeout(done, 0))
const text = (clientId = 'c1', at = now) => ({
  clientId,
  numberId: '5',
  to: '+12025550142',
  toDisplay: '',
  text: 'Hello',
  at,
  attachments: [],
  conversationId: null,
})

async function pass(ms: number): Promise<void> {
  now += ms
  const due = timers.filter((timer) => timer.at <= now)
  timers = timers.filter((timer) => timer.at > now)
  for (const timer of due) timer.run()
  await settle()
}

beforeEach(() => {
  now = 1_000_000
  timers = []
  answers = []
  asked = []
  entries = []
  sent = []
  signedOut = 0
})

test('a lost answer is asked for again with the same client id, until it comes (G24)', async () => {
  answers = [new Problem(0, 'offline', ''), new Problem(503, 'unavailable', ''), { id: '7' } as Message]
  const outbox = new Outbox(around)
  outbox.add(text())
  await settle()
  expect(entries[0]?.state).toBe('waiting')
  await pass(1000)
  await pass(2000)
  expect(asked).toEqual(['c1', 'c1', 'c1'])
  expect(sent).toEqual(['7'])
  expect(entries).toEqual([])
})

test('a refusal keeps the text and says why', async () => {
  answers = [new Problem(422, 'stopped', 'This person asked for no more texts.')]
  const outbox = new Outbox(around)
  outbox.add(text())
  await settle()
  expect(entries[0]).toMatchObject({ state: 'refused', text: 'Hello', why: 'This person asked for no more texts.' })
  await pass(60_000)
  expect(asked).toHaveLength(1)
})

test('too many requests: the server says how long to wait', async () => {
  answers = [new Problem(429, 'too_many', '', [], 7), { id: '7' } as Message]
  const outbox = new Outbox(around)
  outbox.add(text())
  await settle()
  await pass(6999)
  expect(asked).toHaveLength(1)
  await pass(1)
  expect(sent).toEqual(['7'])
})

test('one request at a time for one text, however often it is hurried', async () => {
  const outbox = new Outbox(around)
  outbox.add(text())
  outbox.hurry()
  outbox.retry('c1')
  await settle()
  expect(asked).toHaveLength(1)
})

test('the live line knows the text already: the entry goes', () => {
  const outbox = new Outbox(around)
  outbox.add(text())
  outbox.settle(['c1'])
  expect(entries).toEqual([])
})

test('what a reload left behind goes on; what is too old waits for a person', async () => {
  answers = [{ id: '7' } as Message]
  const fresh: Pending = { ...text('c1'), state: 'sending', why: '' }
  const stale: Pending = { ...text('c2', now - STALE_MS - 1), state: 'waiting', why: '' }
  new Outbox(around, [fresh, stale]).resume()
  await settle()
  expect(asked).toEqual(['c1'])
  expect(entries).toEqual([{ ...stale, state: 'old' }])
})

test('signed out: the text waits', async () => {
  answers = [new Problem(401, 'not_signed_in', '')]
  new Outbox(around).add(text())
  await settle()
  expect(signedOut).toBe(1)
  expect(entries[0]?.state).toBe('waiting')
})
