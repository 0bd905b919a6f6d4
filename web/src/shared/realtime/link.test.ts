import { beforeEach, expect, test } from 'vitest'

import type { Changes } from '../api/types'
import { Link, type Socket } from './link'

class FakeSocket implements Socket {
  sent: string[] = []
  closedByUs = false
  onopen: (() => void) | null = null
  onmessage: ((event: { data: unknown }) => void) | null = null
  onclose: ((event: { code: number; reason: string }) => void) | null = null
  send(text: string): void {
    this.sent.push(text)
  }
  close(): void {
    this.closedByUs = true
  }
  hear(frame: unknown): void {
    this.onmessage?.({ data: JSON.stringify(frame) })
  }
}

let sockets: FakeSocket[]
let timers: { at: number; run: () => void }[]
let time: number
let heard: unknown[]
let polls: { after: string | null; answer: (changes: Changes) => void; fail: (error: unknown) => void }[]

function advance(ms: number): void {
  const until = time + ms
  for (;;) {
    const next = timers.filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at)[0]
    if (!next) break
    time = next.at
    timers = timers.filter((timer) => timer !== next)
    next.run()
  }
  time = until
}

function link(): Link {
  return new Link(
    {
      socket: () => {
        const socket = new FakeSocket()
        sockets.push(socket)
        return socket
      },
      poll: (after) => new Promise((answer, fail) => polls.push({ after, answer, fail })),
      later: (ms, run) => {
        const timer = { at: time + ms, run }
        timers.push(timer)
        return () => (timers = timers.filter((other) => other !== timer))
      },
      random: () => 1,
    },
    {
      changes: (items, cursor) => heard.push(['changes', items.length, cursor]),
      resync: (cursor) => heard.push(['resync', cursor]),
      online: (online) => heard.push(online ? 'online' : 'offline'),
      signedOut: () => heard.push('signed out'),
    },
    'c0',
  )
}

const last = () => sockets[sockets.length - 1] as FakeSocket
const settle = () => new Promise((done) => setTimeout(done, 0))

beforeEach(() => {
  sockets = []
  timers = []
  polls = []
  heard = []
  time = 0
})

test('follows from its cursor, and resumes from the last one it handed over (G22)', () => {
  link().start()
  last().onopen?.()
  expect(last().sent).toEqual(['{"type":"follow","after":"c0"}'])
  last().hear({ type: 'changes', items: [{}], cursor: 'c1' })
  last().onclose?.({ code: 1006, reason: '' })
  advance(500)
  last().onopen?.()
  expect(last().sent).toEqual(['{"type":"follow","after":"c1"}'])
  expect(heard).toEqual(['online', ['changes', 1, 'c1'], 'offline', 'online'])
})

test('a gap is handed on as resync, from the cursor the server names', () => {
  link().start()
  last().onopen?.()
  last().hear({ type: 'resync', cursor: 'c9' })
  last().onclose?.({ code: 1006, reason: '' })
  advance(500)
  last().onopen?.()
  expect(last().sent).toEqual(['{"type":"follow","after":"c9"}'])
  expect(heard[1]).toEqual(['resync', 'c9'])
})

test('a cursor that the server does not know is a gap, by socket and by poll', async () => {
  link().start()
  last().onopen?.()
  last().onclose?.({ code: 1008, reason: 'bad_cursor' })
  advance(500)
  last().onopen?.()
  expect(last().sent).toEqual(['{"type":"follow"}'])
  last().hear({ type: 'changes', items: [], cursor: 'd0' })
  expect(heard).toContainEqual(['resync', 'd0'])
  last().hear({ type: 'changes', items: [{}], cursor: 'd1' })
  expect(heard).toContainEqual(['changes', 1, 'd1'])
  last().onclose?.({ code: 1006, reason: '' })
  for (let failed = 0; failed < 2; failed += 1) {
    advance(500 * 2 ** failed)
    last().onclose?.({ code: 1006, reason: '' })
  }
  advance(2000)
  expect(polls.map((poll) => poll.after)).toEqual(['d1'])
  polls[0]?.fail({ status: 400, code: 'bad_cursor' })
  await settle()
  advance(4000)
  expect(polls[1]?.after).toBeNull()
  polls[1]?.answer({ items: [], cursor: 'e0', resync: false })
  await settle()
  expect(heard).toContainEqual(['resync', 'e0'])
})

test('pauses grow to half a minute and no further (G28)', () => {
  link().start()
  last().onopen?.()
  last().onclose?.({ code: 1006, reason: '' })
  const pauses: number[] = []
  for (let round = 0; round < 9; round += 1) {
    const begun = time
    const count = sockets.length
    while (sockets.length === count) advance(50)
    pauses.push(time - begun)
    last().onopen?.()
    last().onclose?.({ code: 1006, reason: '' })
  }
  expect(pauses.slice(0, 3)).toEqual([500, 1000, 2000])
  expect(Math.max(...pauses)).toBe(30_000)
})

test('a restart says when to come back', () => {
  link().start()
  last().onopen?.()
  last().onclose?.({ code: 1012, reason: 'retry=3000' })
  advance(2999)
  expect(sockets).toHaveLength(1)
  advance(1)
  expect(sockets).toHaveLength(2)
})

test('a silent line is given up after ping and patience', () => {
  link().start()
  last().onopen?.()
  advance(25_000)
  expect(last().sent[1]).toBe('{"type":"ping"}')
  last().hear({ type: 'pong' })
  advance(25_000)
  expect(last().sent).toHaveLength(3)
  advance(10_000)
  expect(heard).toEqual(['online', 'offline'])
})

test('two failed upgrades lead to long polling, and a socket is tried again later', async () => {
  link().start()
  last().onclose?.({ code: 1006, reason: '' })
  advance(500)
  last().onclose?.({ code: 1006, reason: '' })
  advance(1000)
  expect(polls.map((poll) => poll.after)).toEqual(['c0'])
  polls[0]?.answer({ items: [{} as never], cursor: 'c1', resync: false })
  await settle()
  expect(heard).toEqual(['online', ['changes', 1, 'c1']])
  expect(polls.map((poll) => poll.after)).toEqual(['c0', 'c1'])
  advance(60_000)
  expect(sockets).toHaveLength(3)
  last().onopen?.()
  expect(last().sent).toEqual(['{"type":"follow","after":"c1"}'])
})

test('signed out is final: no further try', async () => {
  link().start()
  last().onopen?.()
  last().onclose?.({ code: 4401, reason: '' })
  advance(120_000)
  expect(sockets).toHaveLength(1)
  expect(heard).toEqual(['online', 'offline', 'signed out'])
})

test('a found network cuts the pause short', () => {
  const line = link()
  line.start()
  last().onopen?.()
  last().onclose?.({ code: 1006, reason: '' })
  line.hurry()
  expect(sockets).toHaveLength(2)
  advance(60_000)
  expect(sockets.length).toBeGreaterThan(2)
})
