// @vitest-environment happy-dom
/** What the portal's screens are made of: addresses, forms that keep what was typed, and the question before something unsaved is left. */
import { afterEach, expect, test } from 'vitest'

import { withQuery } from '../src/portal/api'
import { Form } from '../src/portal/parts/form.svelte'
import { addressOf, linkTo } from '../src/portal/state/portal.svelte'
import { browserOf } from '../src/portal/views/browser'
import { Problem } from '../src/shared/api/http'
import { router } from '../src/shared/router.svelte'

afterEach(() => router.leave())

test('an address and its place are two ways to say the same', () => {
  const link = linkTo({ level: 'group', id: '12' }, 'users', 'new')
  expect(link).toBe('/portal/group/12/users/new')
  expect(addressOf(link)).toEqual({ level: 'group', id: '12', tab: 'users', rest: ['new'] })
  expect(addressOf('/portal/group/12')).toEqual({ level: 'group', id: '12', tab: '', rest: [] })
  for (const other of ['/portal', '/portal/sessions', '/portal/planet/1/details', '/group/12'])
    expect(addressOf(other)).toBeNull()
})

test('a question leaves out what was not asked for', () => {
  expect(withQuery('/users', { q: '', sort: '-name', cursor: null, limit: 50 })).toBe('/users?sort=-name&limit=50')
})

test('a refused form keeps what was typed, with the error at its field until that changes', async () => {
  const form = new Form({ name: 'Blue Door', credentials: { key: 'a' } })
  form.values.name = 'Blue  '
  const refusal = new Problem(422, 'not_a_name', 'No.', [
    { field: 'name', code: 'not_a_name', text: 'Another name, please.' },
    { field: 'credentials.key', code: 'bad', text: 'Too short.' },
  ])
  expect(await form.submit(() => Promise.reject(refusal))).toBe(false)
  expect(form.values.name).toBe('Blue  ')
  expect([form.failed, form.code, form.error('name'), form.error('credentials.key')]).toEqual(['No.', 'not_a_name', 'Another name, please.', 'Too short.']) // prettier-ignore
  form.values.name = 'Blue Door Ltd'
  expect(form.error('name')).toBeNull()
  expect(form.error('credentials.key')).toBe('Too short.')
  expect(form.changes()).toEqual({ name: 'Blue Door Ltd' })
  form.reset()
  expect([form.values.name, form.dirty, form.failed]).toEqual(['Blue Door', false, null])
})

test('two clicks on Save are one request', async () => {
  const form = new Form({ name: '' })
  let sent = 0
  let answer = (): void => undefined
  const send = () => {
    sent += 1
    return new Promise<void>((done) => (answer = done))
  }
  const first = form.submit(send)
  expect(await form.submit(send)).toBe(false)
  answer()
  expect([await first, sent]).toEqual([true, 1])
})

test('something unsaved is left only after a person said so; the query may change', () => {
  router.go('/portal/group/12/details', true)
  let unsaved = true
  router.guard(() => unsaved)
  router.go('/portal/group/12/details?q=ana')
  expect([router.search, router.held]).toEqual(['?q=ana', null])
  router.go('/portal/group/13/details')
  expect([router.path, router.held]).toEqual(['/portal/group/12/details', '/portal/group/13/details'])
  router.stay()
  expect(router.held).toBeNull()
  router.go('/portal/group/13/details')
  router.leave()
  expect(router.path).toBe('/portal/group/13/details')
  unsaved = false
})

test('browsers by their own names', () => {
  const chrome = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0 Safari/537.36'
  expect([browserOf(chrome), browserOf('curl/8.5.0'), browserOf('')]).toEqual(['Chrome, Linux', 'curl', ''])
})
