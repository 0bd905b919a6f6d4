/** Keeps raw colours and lengths in one file (ui.md, "Tokens"), and the tokens themselves readable. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '..', 'src')
const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
const tokens = readFileSync(join(root, 'shared/ui/tokens.css'), 'utf8')

/** The style part of a file, without comments and without media conditions, which cannot read custom properties. */
function styles(name: string): string {
  const text = readFileSync(join(root, name), 'utf8')
  const css = name.endsWith('.css')
    ? text
    : [...text.matchAll(/<style[^>]*>([\s\S]*?)<\/style>/g)].map((m) => m[1]).join('\n')
  return css.replace(/\/\*[\s\S]*?\*\//g, '').replace(/@media[^{]*\{/g, (media) => {
    for (const width of media.matchAll(/(\d+)px/g))
      expect([640, 1024, 1280], `breakpoint in ${name}`).toContain(Number(width[1]))
    return '{'
  })
}

const sheets = files.filter((name) => /\.(svelte|css)$/.test(name) && !name.endsWith('tokens.css'))

test('there are sheets to look at', () => {
  expect(sheets.length).toBeGreaterThan(20)
})

test.each(sheets)('no raw colour or length in %s', (name) => {
  const css = styles(name)
  expect(
    css.match(
      /#[0-9a-f]{3,8}\b|\b(?:rgb|rgba|hsl|hsla|oklch|lab|lch)\(|:\s*(?:white|black|red|green|blue|gr[ae]y)\b/gi,
    ),
  ).toBeNull()
  expect(css.match(/(?<![\w-])-?\d*\.?\d+px\b/g)).toBeNull()
  // Logical properties only, so that a page turns around for right-to-left.
  expect(
    css.match(/(?:margin|padding|border)-(?:left|right)\b|(?<![\w.-])(?:left|right)\s*:|text-align:\s*(?:left|right)/g),
  ).toBeNull()
})

test.each(sheets)('every custom property used in %s exists', (name) => {
  const css = styles(name)
  const known = new Set([...tokens.matchAll(/(--[\w-]+)\s*:/g)].map((m) => m[1]))
  const local = new Set(['--hue', '--docked', '--it', '--width', '--avatar', '--depth', '--columns'])
  for (const used of css.matchAll(/var\((--[\w-]+)/g)) {
    expect(known.has(used[1]) || local.has(used[1] as string), `${used[1]} in ${name}`).toBe(true)
  }
})

/** Relative luminance of #rrggbb (WCAG 2.2). */
function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const c = Number.parseInt(hex.slice(at, at + 2), 16) / 255
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
  }) as [number, number, number]
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

const value = (name: string, dark: boolean): string => {
  const found = new RegExp(`--${name}: light-dark\\((#[0-9a-f]{6}), (#[0-9a-f]{6})\\)`).exec(tokens)
  return (dark ? found?.[2] : found?.[1]) ?? '#000000'
}

const PAIRS = [
  ['text', 'ground'], ['text', 'surface'], ['text', 'raised'], ['second', 'ground'], ['second', 'surface'], ['second', 'raised'],
  ['accent', 'surface'], ['accent', 'ground'], ['accent', 'accent-soft'], ['on-accent', 'accent'], ['on-own', 'own'], ['second', 'accent-soft'],
  ['bronze', 'surface'], ['bronze', 'ground'], ['bronze', 'bronze-soft'], ['failure', 'surface'], ['failure', 'failure-soft'],
  ['on-failure', 'failure'], ['waiting', 'surface'], ['waiting', 'waiting-soft'], ['delivered', 'surface'], ['delivered', 'accent-soft'],
] as const // prettier-ignore

test.each(PAIRS.flatMap(([ink, paper]) => [[ink, paper, false] as const, [ink, paper, true] as const]))(
  'AA: %s on %s (dark: %s)',
  (ink, paper, dark) => {
    const [a, b] = [luminance(value(ink, dark)), luminance(value(paper, dark))].sort((x, y) => y - x) as [
      number,
      number,
    ]
    expect((a + 0.05) / (b + 0.05)).toBeGreaterThanOrEqual(4.5)
  },
)
