import { expect, test } from 'vitest'

import { measure, plainText } from './segments'

const digits = (n: number) => '0123456789'.repeat(Math.ceil(n / 10)).slice(0, n)

test.each([
  ['', 'gsm7', 0, 0],
  [digits(160), 'gsm7', 1, 160],
  [digits(161), 'gsm7', 2, 161],
  [digits(306), 'gsm7', 2, 306],
  [digits(307), 'gsm7', 3, 307],
  [`€${digits(158)}`, 'gsm7', 1, 160],
  [`€${digits(159)}`, 'gsm7', 2, 161],
  [`🙂${digits(68)}`, 'ucs2', 1, 70],
  [`🙂${digits(69)}`, 'ucs2', 2, 71],
  ['ç', 'ucs2', 1, 1],
  ['Ç', 'gsm7', 1, 1],
  ['`', 'ucs2', 1, 1],
] as const)('appendix A: %j', (text, encoding, segments, units) => {
  expect(measure(text)).toMatchObject({ encoding, segments, units })
})

test('a pair is never torn over two parts (bad input 6)', () => {
  // 152 septets, then a pair: the pair moves on, and the first part stays one short.
  expect(measure(`${digits(152)}€${digits(152)}`)).toMatchObject({ segments: 3, left: 152 })
  expect(measure(`${digits(152)}€${digits(151)}`)).toMatchObject({ segments: 2, left: 0 })
})

test('the character to blame is named once, at its first code point, with a stand-in', () => {
  expect(measure('🙂 It’s Ana’s').culprits).toEqual([
    { character: '🙂', position: 0, plain: null },
    { character: '’', position: 4, plain: "'" },
  ])
})

test('plain text replaces only what has a stand-in (bad input 8)', () => {
  const text = '“Ana’s” 🙂 café – naïve…'
  expect(plainText(text, measure(text).culprits)).toBe('"Ana\'s" 🙂 café - naive...')
})
