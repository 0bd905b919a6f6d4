import { expect, test } from 'vitest'

import type { Contact, Conversation, LicenceNumber } from '../../shared/api/types'
import { addressOf, waysToText } from './ways'

const own = (id: string, can = ['send']) =>
  ({ id, number: `+1201555011${id}`, display: id, friendly_name: '', can }) as LicenceNumber
const theirs = (number: string, kind: Contact['numbers'][0]['kind'] = 'mobile', can = ['text']) => ({
  number,
  display: number,
  kind,
  label: '',
  can,
})
const held = (number_id: string, remote: string, more: Partial<Conversation> = {}) =>
  ({ id: `c${number_id}`, number_id, remote, stopped: null, can: ['send'], ...more }) as Conversation
const PHONE = '+12025550142'
const OTHER = '+12025550143'
const pairs = (...given: Parameters<typeof waysToText>) => waysToText(...given).map((way) => `${way.to} ${way.own.id}`)

test('each textable number from each own number (R54, R56, R58)', () => {
  expect(pairs([theirs(PHONE), theirs(OTHER, 'work')], [own('1'), own('2')], [])).toEqual([
    `${PHONE} 1`,
    `${PHONE} 2`,
    `${OTHER} 1`,
    `${OTHER} 2`,
  ])
})

test('what cannot be texted is not offered (R55)', () => {
  expect(pairs([theirs(PHONE, 'fax', [])], [own('1')], [])).toEqual([])
  expect(pairs([theirs(PHONE)], [own('1', ['receive'])], [])).toEqual([])
  expect(pairs([theirs('+12015550111')], [own('1'), own('2')], [])).toEqual([])
})

test('who stopped is offered from no number, who is blocked not from that one (G17, R130)', () => {
  const stopped = { at: '2026-03-12T00:00:00Z', by: 'person' } as const
  expect(pairs([theirs(PHONE)], [own('1'), own('2')], [held('1', PHONE, { stopped, can: [] })])).toEqual([])
  expect(pairs([theirs(PHONE)], [own('1'), own('2')], [held('1', PHONE, { blocked: true, can: ['unblock'] })])).toEqual(
    [`${PHONE} 2`],
  )
})

test('a way leads to the conversation that there is, or to a new text with both ends filled in (R39, R40)', () => {
  const [first, second] = waysToText([theirs(PHONE)], [own('1'), own('2')], [held('1', PHONE)])
  expect(first && addressOf(first)).toBe('/c/c1')
  expect(second && addressOf(second)).toBe('/new?to=%2B12025550142&number=2')
})
