import { expect, test } from 'vitest'

import { piecesOf, wordsOf } from './file'

const bytes = (...values: number[]) => new Uint8Array(values)

test('files are read in whatever they are written in', () => {
  expect(wordsOf(new TextEncoder().encode('Zoë'))).toBe('Zoë')
  expect(wordsOf(bytes(0x5a, 0x6f, 0xeb))).toBe('Zoë')
  expect(wordsOf(bytes(0xff, 0xfe, 0x5a, 0, 0x6f, 0, 0xeb, 0)).replace('\ufeff', '')).toBe('Zoë')
})

const card = (place: number) =>
  `BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Person ${place}\r\nTEL:20255501${place % 100}\r\nEND:VCARD\r\n`

test('many cards go in several requests, each of them whole and once', () => {
  const all = Array.from({ length: 2000 }, (_, place) => card(place))
  const pieces = piecesOf(all.join(''))
  expect(pieces.length).toBeGreaterThan(1)
  expect(pieces.join('')).toBe(all.join(''))
  for (const piece of pieces) expect(piece).toMatch(/^BEGIN:VCARD[^]*END:VCARD\r\n$/)
})

test('pictures stay here, and an assistant stays with whose assistant it is', () => {
  const picture = `PHOTO;ENCODING=b:${'A'.repeat(70)}\r\n ${'B'.repeat(70)}\r\n`
  const agent = 'AGENT:\r\nBEGIN:VCARD\r\nFN:Wes\r\nEND:VCARD\r\n'
  const whole = (within: string) => `BEGIN:VCARD\r\nFN:Ana\r\n${within}END:VCARD\r\n`
  expect(piecesOf(whole(picture + agent).repeat(501))).toEqual([whole(agent).repeat(500), whole(agent)])
})

test('each piece of a table has its heading, and no cell of several lines is torn', () => {
  const row = 'Ana,2025550142,"likes ""blue""\nand green"\n'
  const pieces = piecesOf(`\ufeffName,Phone,Notes\n${row.repeat(1200)}`)
  expect(pieces.map((piece) => piece.split(row).length - 1)).toEqual([500, 500, 200])
  for (const piece of pieces) expect(piece).toMatch(/^Name,Phone,Notes\nAna/)
})

test.each(['', 'hello', 'BEGIN:VCARD', 'a,"b'])(
  'what is no address book is one piece, for the server to refuse: %j',
  (words) => {
    expect(piecesOf(words)).toEqual([words])
  },
)

test('thousands of odd lines take no time to speak of', () => {
  piecesOf('BEGIN:VCARD\n'.repeat(80_000))
  piecesOf(`Name\n${'"\n'.repeat(100_000)}`)
})
