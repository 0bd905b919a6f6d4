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

test('what consent came to stands under the word that brought it (G35)', () => {
  const found = rowsOf(
    [
      message(1, '2026-03-12T00:00:10Z', { consent: 'help' }),
      message(2, '2026-03-12T00:00:11Z', { direction: 'out', status: 'sent', automatic: 'help' }),
      message(3, '2026-03-12T00:02:10Z', { consent: 'review' }),
      message(4, '2026-03-12T00:03:10Z', { consent: 'stop' }),
    ],
    [],
    false,
    times,
    now,
    { at: '2026-03-12T00:03:10Z', by: 'person' },
  )
  expect(found.flatMap((row) => (row.kind === 'consent' ? row.what : row.kind === 'message' ? row.key : []))).toEqual([
    '1',
    'help',
    '2',
    'answered',
    '3',
    '4',
    'stop',
  ])
})

test('a stop that was said elsewhere stands at its time, unless that is further back (P34)', () => {
  const texts = [message(1, '2026-03-12T01:00:00Z'), message(2, '2026-03-12T03:00:00Z')]
  const kinds = (at: string, more = false) =>
    rowsOf(texts, [], more, times, now, { at, by: 'colleague' }).flatMap((row) =>
      row.kind === 'consent' ? row.what : row.kind === 'message' ? row.key : [],
    )
  expect(kinds('2026-03-12T02:00:00Z')).toEqual(['1', 'colleague', '2'])
  expect(kinds('2026-03-12T04:00:00Z')).toEqual(['1', '2', 'colleague'])
  expect(kinds('2026-03-11T00:00:00Z')).toEqual(['colleague', '1', '2'])
  expect(kinds('2026-03-11T00:00:00Z', true)).toEqual(['1', '2'])
})
