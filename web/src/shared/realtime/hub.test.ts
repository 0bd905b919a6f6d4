import { expect, test } from 'vitest'

import { Hub, type Notice } from './hub'
import type { Socket } from './link'

function setUp() {
  const sockets: (Socket & { sent: string[]; closed: boolean })[] = []
  const hub = new Hub({
    socket: () => {
      const socket = {
        sent: [] as string[],
        closed: false,
        onopen: null,
        onmessage: null,
        onclose: null,
        send: (text: string) => void socket.sent.push(text),
        close: () => void (socket.closed = true),
      }
      sockets.push(socket)
      return socket
    },
    poll: () => new Promise(() => undefined),
    later: () => () => undefined,
    random: () => 0,
  })
  const page = () => {
    const heard: Notice[] = []
    const notice = (news: Notice) => void heard.push(news)
    hub.join(notice)
    return { heard, order: (order: Parameters<Hub['order']>[0]) => hub.order(order, notice) }
  }
  return { sockets, page }
}

test('one socket for all windows; each hears every change (P77)', () => {
  const { sockets, page } = setUp()
  const first = page()
  first.order({ type: 'follow', user: '1', cursor: 'c1' })
  const second = page()
  second.order({ type: 'follow', user: '1', cursor: 'c7' })
  expect(sockets).toHaveLength(1)
  sockets[0]?.onopen?.()
  // The running line began earlier than the second window's answers, so following on from it misses nothing.
  expect(sockets[0]?.sent).toEqual(['{"type":"follow","after":"c1"}'])
  sockets[0]?.onmessage?.({ data: JSON.stringify({ type: 'changes', items: [{}], cursor: 'c8' }) })
  for (const window of [first, second]) expect(window.heard).toContainEqual({ type: 'changes', items: [{}] })
})

test('a window that joins hears whether the line stands', () => {
  const { sockets, page } = setUp()
  page().order({ type: 'follow', user: '1', cursor: 'c1' })
  sockets[0]?.onopen?.()
  expect(page().heard).toEqual([{ type: 'joined' }, { type: 'online', online: true }])
})

test('another person gets another line, from his own cursor', () => {
  const { sockets, page } = setUp()
  const window = page()
  window.order({ type: 'follow', user: '1', cursor: 'c1' })
  window.order({ type: 'follow', user: '2', cursor: 'd1' })
  expect(sockets[0]?.closed).toBe(true)
  sockets[1]?.onopen?.()
  expect(sockets[1]?.sent).toEqual(['{"type":"follow","after":"d1"}'])
})

test('the line ends with the last window', () => {
  const { sockets, page } = setUp()
  const [first, second] = [page(), page()]
  first.order({ type: 'follow', user: '1', cursor: 'c1' })
  first.order({ type: 'bye' })
  expect(sockets[0]?.closed).toBe(false)
  second.order({ type: 'bye' })
  expect(sockets[0]?.closed).toBe(true)
})

test('signed out reaches every window (G26)', () => {
  const { sockets, page } = setUp()
  const [first, second] = [page(), page()]
  first.order({ type: 'follow', user: '1', cursor: 'c1' })
  sockets[0]?.onopen?.()
  sockets[0]?.onclose?.({ code: 4401, reason: '' })
  for (const window of [first, second]) expect(window.heard).toContainEqual({ type: 'signed-out' })
})
