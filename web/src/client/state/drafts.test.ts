// @vitest-environment happy-dom
/** What is being written: kept at once, brought to the server a moment later, one word after the other, and never lost (R68, R74). */
import { beforeEach, expect, test } from 'vitest'

import { Problem } from '../../shared/api/http'
import { Drafts } from './drafts.svelte'

let server: Record<string, string>
let asked: { text: string; answer: () => void; fail: (error: unknown) => void }[]
let timers: { ms: number; run: () => void }[]

function open(): Drafts {
  return new Drafts('7', {
    kept: (id) => server[id] ?? '',
    keep: (id, text) =>
      new Promise((done, fail) =>
        asked.push({
          text,
          answer: () => {
            server[id] = text
            done()
          },
          fail,
        }),
      ),
    later: (ms, run) => {
      const timer = { ms, run }
      timers.push(timer)
      return () => (timers = timers.filter((other) => other !== timer))
    },
  })
}

const settle = () => new Promise((done) => setTimeout(done, 0))

function ring(): void {
  const due = timers
  timers = []
  for (const timer of due) timer.run()
}

beforeEach(() => {
  localStorage.clear()
  server = {}
  asked = []
  timers = []
})

test('strokes are gathered, and what is written meanwhile follows', async () => {
  const drafts = open()
  drafts.set('1', 'S')
  drafts.set('1', 'See')
  expect(asked).toEqual([])
  ring()
  expect(asked.map((one) => one.text)).toEqual(['See'])
  drafts.set('1', 'See you')
  ring()
  expect(asked).toHaveLength(1)
  asked[0]?.answer()
  await settle()
  expect(asked.map((one) => one.text)).toEqual(['See', 'See you'])
  asked[1]?.answer()
  await settle()
  expect(server).toEqual({ 1: 'See you' })
  server[1] = 'See you at'
  expect(drafts.of('1')).toBe('See you at')
})

test('sent: emptied everywhere at once, after the word that was on its way', async () => {
  const drafts = open()
  drafts.set('1', 'Hello')
  ring()
  drafts.set('1', '')
  expect(drafts.of('1')).toBe('')
  asked[0]?.answer()
  await settle()
  expect(drafts.of('1')).toBe('')
  asked[1]?.answer()
  await settle()
  expect(server).toEqual({ 1: '' })
})

test('without a network it stays here, over a reload too, and is brought later', async () => {
  const drafts = open()
  drafts.set('1', 'Hello')
  ring()
  asked[0]?.fail(new Problem(0, 'offline', ''))
  await settle()
  expect(timers).toHaveLength(1)
  const after = open()
  expect(after.of('1')).toBe('Hello')
  after.hurry()
  asked[1]?.answer()
  await settle()
  expect(server).toEqual({ 1: 'Hello' })
})

test('what the server refuses stays with its writer and is not asked again', async () => {
  const drafts = open()
  drafts.set('1', 'x'.repeat(10_001))
  ring()
  asked[0]?.fail(new Problem(422, 'invalid', ''))
  await settle()
  expect(timers).toEqual([])
  expect(drafts.of('1')).toHaveLength(10_001)
})

test('a text to nobody yet stays in this browser', () => {
  const drafts = open()
  drafts.set('new', 'Hello')
  ring()
  drafts.hurry()
  expect(asked).toEqual([])
  expect(open().of('new')).toBe('Hello')
  drafts.set('new', '')
  expect(open().of('new')).toBe('')
})

test('another window of this browser shows it at once', () => {
  const [one, other] = [open(), open()]
  one.set('1', 'Hello')
  dispatchEvent(new StorageEvent('storage', { key: 'kereru.drafts.7' }))
  expect(other.of('1')).toBe('Hello')
})
