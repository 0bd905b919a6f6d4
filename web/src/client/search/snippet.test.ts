import { describe, expect, it } from 'vitest'

import { snippet } from './snippet'

const shown = (text: string, ...marks: [start: number, length: number][]) =>
  snippet(
    text,
    marks.map(([start, length]) => ({ start, length })),
  )
    .map((piece) => (piece.marked ? `[${piece.text}]` : piece.text))
    .join('')

describe('what of a found text is shown (issue 5, point 9)', () => {
  it('is all of a short one, with the words marked', () => {
    expect(shown('The order is ready', [4, 5])).toBe('The [order] is ready')
    expect(shown('order order', [0, 5], [6, 5])).toBe('[order] [order]')
  })

  it('counts in code points, as the server does', () => {
    expect(shown('👍🏽 order', [3, 5])).toBe('👍🏽 [order]')
  })

  it('begins shortly before the first marked word and ends between words', () => {
    const text = `${'word '.repeat(40)}order ${'more '.repeat(60)}`
    const found = shown(text, [200, 5])
    expect(found.startsWith('…word word')).toBe(true)
    expect(found).toContain('[order]')
    expect(found.endsWith('more…')).toBe(true)
    expect(found.length).toBeLessThan(180)
  })

  it('cuts what has no spaces, and no marked word is left out of it', () => {
    expect(shown('x'.repeat(1000), [0, 1000])).toBe(`[${'x'.repeat(160)}]…`)
    expect(shown('汉'.repeat(500), [300, 2])).toContain('[汉汉]')
  })

  it('puts line breaks in one line and survives marks that are not there', () => {
    expect(shown('a\nb', [0, 1])).toBe('[a] b')
    expect(shown('a', [5, 3])).toBe('a')
    expect(shown('')).toBe('')
  })
})
