import { expect, test } from 'vitest'

import type { Message } from '../../shared/api/types'
import { timeWriter } from '../../shared/i18n/time'
import type { Pending } from '../state/outbox'
import { rowsOf } from './rows'

const times = timeWriter('en', 'UTC')
const now = Date.parse('2026-03-12T12:00:00Z')

function message(id: number, at: string, more: Partial<Message> = {}): Message {
  return {
    id: String(id),
    client_id: null,
    direction: 'in',
    at,
    status: 'received',
    arrived_before: false,
    ...more,
  } as Message
}

const shape = (messages: Message[], pending: Pending[] = []) =>
  rowsOf(messages, pending, false, times, now).map((row) =>
    row.kind === 'message' || row.kind === 'pending'
      ? `${row.key}${row.first ? ' first' : ''}${row.last ? ' last' : ''}`
      : row.kind === 'day'
        ? row.label
        : row.kind,
  )

test('days are separated by a date (R75), texts of one sender and minute stand together', () => {
  expect(
    shape([
      message(1, '2026-03-11T23:59:10Z'),
      message(2, '2026-03-12T00:00:10Z'),
      message(3, '2026-03-12T00:00:40Z'),
      message(4, '2026-03-12T00:00:50Z', { direction: 'out', status: 'sent' }),
      message(5, '2026-03-12T00:01:01Z', { direction: 'out', status: 'sent' }),
    ]),
  ).toEqual(['start', 'Yesterday', '1 first last', 'Today', '2 first', '3 last', '4 first last', '5 first last'])
})

test('a text that failed ends its group, so that its reason stands under it (R78)', () => {
  const out = { direction: 'out', status: 'sent' } as const
  expect(
    shape([message(1, '2026-03-12T00:00:10Z', { ...out, status: 'failed' }), message(2, '2026-03-12T00:00:40Z', out)]),
  ).toEqual(['start', 'Today', '1 first last', '2 last'])
})

test('an optimistic text is replaced in place by the truth', () => {
  const pending = { clientId: 'c1', state: 'sending' } as Pending
  expect(shape([], [pending])).toEqual(['Today', 'c1 first last'])
  const real = message(9, '2026-03-12T11:59:00Z', { client_id: 'c1', direction: 'out', status: 'queued' })
  expect(shape([real], [pending])).toEqual(['start', 'Today', 'c1 first last'])
})

test('only the newest own text spells its receipt out', () => {
  const out = { direction: 'out', status: 'delivered' } as const
  const rows = rowsOf(
    [message(1, '2026-03-12T00:00:10Z', out), message(2, '2026-03-12T00:05:10Z', out)],
    [],
    false,
    times,
    now,
  )
  expect(rows.flatMap((row) => (row.kind === 'message' ? row.brief : []))).toEqual([true, false])
})
