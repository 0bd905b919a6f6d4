// @vitest-environment happy-dom
/** The files of drafts: refused before the upload where that is known, kept over a reload, handed over once (R69, R71, P28). */
import { beforeEach, expect, test, vi } from 'vitest'

import type { Attachment } from '../../shared/api/types'
import { gist, sizeOf, Trays } from './tray.svelte'

const LIMITS = {
  bytes: 1000,
  pixels: 40_000_000,
  files: 2,
  types: [
    { ending: 'txt', content_type: 'text/plain', kind: 'text' },
    { ending: 'jpg', content_type: 'image/jpeg', kind: 'picture' },
  ],
  numbers: [],
}
const done = (id: string): Attachment => ({ id, name: `${id}.jpg`, bytes: 10, kind: 'picture' }) as Attachment

beforeEach(() => {
  localStorage.clear()
  vi.stubGlobal('fetch', () => Promise.resolve(new Response(JSON.stringify(LIMITS))))
})

test.each([
  ['a.exe', 10, 'cannot be sent'],
  ['a.txt', 0, 'empty'],
  ['a.txt', 1001, 'Larger than'],
])('%s of %i bytes is refused before it is uploaded', async (name, size, why) => {
  const trays = new Trays('1')
  await trays.add('c', [new File([new Uint8Array(size)], name)])
  expect(trays.of('c').map((held) => [held.progress, held.problem.includes(why), held.again])).toEqual([
    [null, true, false],
  ])
  expect(trays.ids('c')).toEqual([])
})

test('more files than fit into one text say so', async () => {
  const trays = new Trays('1')
  trays.restore('c', [done('1'), done('2')])
  await trays.add('c', [new File(['x'], 'a.txt')])
  expect(trays.of('c')[2]?.problem).toContain('At most 2')
})

test('only a picture that is too large can be shrunk here', async () => {
  const trays = new Trays('1')
  await trays.add('c', [new File([new Uint8Array(1001)], 'a.jpg', { type: 'image/jpeg' })])
  await trays.add('c', [new File([new Uint8Array(1001)], 'a.txt', { type: 'text/plain' })])
  expect(trays.of('c').map((held) => trays.shrinkable(held))).toEqual([true, false])
})

test('what is uploaded outlives a reload and is handed over once', () => {
  new Trays('1').restore('c', [done('7')])
  const reloaded = new Trays('1')
  expect(reloaded.ids('c')).toEqual(['7'])
  expect(new Trays('2').ids('c')).toEqual([])
  expect(reloaded.hand('c').map((file) => file.id)).toEqual(['7'])
  expect(reloaded.hand('c')).toEqual([])
  expect(new Trays('1').ids('c')).toEqual([])
})

test('sizes and messages without words in one line', () => {
  expect([sizeOf(1), sizeOf(1500), sizeOf(5 * 2 ** 20)]).toEqual(['1 byte', '2 kB', '5.2 MB'])
  expect(gist({ text: '', attachments: [{ kind: 'picture' }] })).toBe('Picture')
  expect(gist({ text: ' ', attachments: [{ kind: 'pdf' }, { kind: 'pdf' }] })).toBe('2 files')
  expect(gist({ text: 'Hi', attachments: [{ kind: 'pdf' }] })).toBe('Hi')
})
