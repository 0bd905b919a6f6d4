// @vitest-environment happy-dom
/** Shared computers: what a person leaves behind is counted before it goes, and nothing stays after it. */
import { beforeEach, expect, test } from 'vitest'

import { forgetPerson, holdFiles, unsentOf } from './leaving'
import { remember } from './store'

beforeEach(() => localStorage.clear())

test('what only this browser has is found, each text once', async () => {
  remember('kereru.outbox.7', [
    { clientId: 'a', numberId: '5', to: '+12025550142', conversationId: '31', text: 'Hello' },
    { clientId: 'b', numberId: '5', to: '+12025550143', conversationId: null, text: 'Hello' },
  ])
  remember('kereru.drafts.7', { '31': '', '32': 'Half a', new: 'Other half' })
  remember('kereru.files.7', { '32': [{ id: '9' }], '33': [{ id: '10' }] })
  remember('kereru.drafts.17', { '40': 'of somebody else' })
  expect(await unsentOf('7', ['33', '34'])).toEqual([
    '/c/31',
    '/new?to=%2B12025550143&number=5',
    '/c/32',
    '/new',
    '/c/33',
    '/c/34',
  ])
  expect(await unsentOf('8')).toEqual([])
})

test('nothing of a person stays, and what is about the device or of others does', () => {
  const own = ['outbox.7', 'drafts.7', 'files.7', 'windows.panels.7', 'windows.places.7', 'windows.eyes.7', 'email']
  const others = ['preferences', 'drafts.17', 'outbox.8']
  for (const key of [...own, 'portal.open', ...others]) remember(`kereru.${key}`, 'something')
  forgetPerson('7')
  expect(Object.keys(localStorage).sort()).toEqual(others.map((key) => `kereru.${key}`).sort())
})

test('damaged content stops nobody from leaving', async () => {
  localStorage.setItem('kereru.outbox.7', '{')
  localStorage.setItem('kereru.drafts.7', '[1]')
  expect(await unsentOf('7')).toEqual([])
  forgetPerson('7')
  expect(localStorage.length).toBe(0)
})

test('files on their way in other windows are found by the locks that those hold', async () => {
  const held = ['kereru.files.7.33', 'kereru.files.7.new', 'kereru.files.17.40', 'something else'].map((name) => ({
    name,
  }))
  const asked: string[] = []
  const locks = {
    query: () => Promise.resolve({ held }),
    request: (name: string, _options: unknown, run: () => Promise<void>) => {
      asked.push(name)
      return run().then(() => asked.splice(asked.indexOf(name), 1))
    },
  }
  Object.defineProperty(navigator, 'locks', { value: locks, configurable: true })
  remember('kereru.files.7', { '33': [{ id: '10' }] })
  expect(await unsentOf('7')).toEqual(['/c/33', '/new'])
  const letGo = holdFiles('7', '51')
  expect(asked).toEqual(['kereru.files.7.51'])
  letGo()
  await Promise.resolve()
  await Promise.resolve()
  expect(asked).toEqual([])
})
