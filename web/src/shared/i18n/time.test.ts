import { expect, test } from 'vitest'

import { timeWriter } from './time'

const now = Date.parse('2026-03-12T15:00:00Z')
const times = timeWriter('en', 'America/New_York')

test.each([
  ['2026-03-12T14:42:00Z', '10:42'],
  ['2026-03-10T14:42:00Z', 'Tue 10:42'],
  ['2026-03-01T15:42:00Z', '1 Mar'],
  ['2025-03-12T14:42:00Z', '12 Mar 2025'],
  // Still yesterday in New York, though already today in UTC.
  ['2026-03-12T02:00:00Z', 'Wed 22:00'],
])('a time in a list: %s', (iso, written) => {
  expect(times.short(iso, now)).toBe(written)
})

test('day separators (R75)', () => {
  expect(times.day('2026-03-12T14:42:00Z', now)).toBe('Today')
  expect(times.day('2026-03-12T02:00:00Z', now)).toBe('Yesterday')
  expect(times.day('2026-02-02T14:42:00Z', now)).toBe('Monday 2 February')
  expect(times.day('2025-02-03T14:42:00Z', now)).toBe('3 February 2025')
})

test('an unknown time zone falls back to the machine’s', () => {
  expect(timeWriter('en', 'Mars/Olympus').clock('2026-03-12T14:42:00Z')).toMatch(/^\d\d:\d\d$/)
})
