/** The history log in words (R191). */
import { expect, test } from 'vitest'

import { actionWords, fieldWords, valueWords } from './history'

test('what was done, known or not', () => {
  expect(actionWords('portal_account.changed')).toBe('Portal account changed')
  expect(actionWords('opt_in.reset')).toBe('Opt-in reset')
  expect(actionWords('moon_base.repainted_twice')).toBe('Moon base repainted twice')
})

test('fields and values', () => {
  expect(fieldWords('send_alerts')).toBe('Send alerts')
  expect(fieldWords('external_id')).toBe('User id or MAC address')
  expect([true, false, null, '', 'Ana', 3, { groups: 1, users: 2 }].map(valueWords)).toEqual([
    'on', 'off', 'nothing', 'nothing', 'Ana', '3', 'groups 1, users 2',
  ]) // prettier-ignore
})
