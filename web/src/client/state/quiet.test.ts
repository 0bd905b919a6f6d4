import { expect, test } from 'vitest'

import { isQuiet } from './quiet'

const hours = (begin: string, end: string, on = true) => ({ begin, end, on })
const at = (time: string) => Date.parse(`2026-03-12T${time}:00Z`)

test.each([
  ['within a day', '12:00', '14:00', '13:00', true],
  ['from the first minute', '12:00', '14:00', '12:00', true],
  ['until the last, not longer', '12:00', '14:00', '14:00', false],
  ['before them', '12:00', '14:00', '11:59', false],
  ['over midnight, before it', '22:00', '07:00', '23:30', true],
  ['over midnight, after it', '22:00', '07:00', '06:59', true],
  ['over midnight, in the day', '22:00', '07:00', '12:00', false],
  ['both the same: all day', '08:00', '08:00', '03:00', true],
])('R36: %s', (_what, begin, end, time, quiet) => {
  expect(isQuiet(hours(begin, end), 'UTC', at(time))).toBe(quiet)
})

test('switched off they are never', () => {
  expect(isQuiet(hours('00:00', '00:00', false), 'UTC', at('03:00'))).toBe(false)
})

test('R36: by the clock of the person’s time zone, not of this computer', () => {
  // 03:30 in London is 22:30 in Chicago the day before, and 12:30 in Tokyo.
  expect(isQuiet(hours('22:00', '07:00'), 'America/Chicago', at('03:30'))).toBe(true)
  expect(isQuiet(hours('22:00', '07:00'), 'Asia/Tokyo', at('03:30'))).toBe(false)
})
