/**
 * Segment arithmetic while somebody types (3GPP TS 23.038, carriers.md appendix A); the server's preflight confirms it.
 * Mirrors src/kereru/carriers/encoding.py: both are tested with the same boundaries.
 */
import type { Culprit, Encoding } from './types'

const BASIC =
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà'
const ESCAPED = new Set('\f^{}\\[~]|€')
const GSM7 = new Set([...BASIC, ...ESCAPED])

/** What may stand for a common intruder; the server knows more of them. */
const PLAIN = new Map<string, string>([
  ...[...'‘’‚‛′´`‹›'].map((c): [string, string] => [c, "'"]),
  ...[...'“”„‟″«»'].map((c): [string, string] => [c, '"']),
  ...[...'‐‑‒–—―−'].map((c): [string, string] => [c, '-']),
  ...[...'\u00a0\u2002\u2003\u2007\u2009\u200a\u202f\u3000\t'].map((c): [string, string] => [c, ' ']),
  ...[...'\u200b\u2060\ufeff\u00ad'].map((c): [string, string] => [c, '']),
  ['…', '...'],
  ['•', '*'],
  ['·', '.'],
  ['×', 'x'],
  ['ç', 'c'],
])

export interface Measurement {
  encoding: Encoding
  segments: number
  units: number
  /** Capacity of one segment as this text stands: 160, 153, 70 or 67. */
  perSegment: number
  /** Units that still fit before another segment is needed. */
  left: number
  culprits: Culprit[]
}

export function measure(text: string): Measurement {
  const characters = [...text]
  const encoding: Encoding = characters.every((c) => GSM7.has(c)) ? 'gsm7' : 'ucs2'
  const [single, part] = encoding === 'gsm7' ? [160, 153] : [70, 67]
  const cost = (c: string) => (encoding === 'gsm7' ? (ESCAPED.has(c) ? 2 : 1) : c.length)
  const units = characters.reduce((sum, c) => sum + cost(c), 0)
  const found = encoding === 'gsm7' ? [] : culprits(characters)
  if (units <= single) {
    return { encoding, segments: text ? 1 : 0, units, perSegment: single, left: single - units, culprits: found }
  }
  let segments = 1
  let filled = 0
  for (const c of characters) {
    const width = cost(c)
    // A two-unit character is never torn over two parts.
    if (filled + width > part) {
      segments += 1
      filled = 0
    }
    filled += width
  }
  return { encoding, segments, units, perSegment: part, left: part - filled, culprits: found }
}

function culprits(characters: string[]): Culprit[] {
  const seen = new Map<string, Culprit>()
  characters.forEach((character, position) => {
    if (!GSM7.has(character) && !seen.has(character)) {
      seen.set(character, { character, position, plain: plainFor(character) })
    }
  })
  return [...seen.values()].slice(0, 20)
}

export function plainFor(character: string): string | null {
  const known = PLAIN.get(character)
  if (known !== undefined) return known
  const bare = character.normalize('NFKD').replace(/\p{M}/gu, '')
  return bare && bare !== character && [...bare].every((c) => GSM7.has(c)) ? bare : null
}

/** `text` with every intruder that has a stand-in replaced; done only when a person asks for it (bad input 8). */
export function plainText(text: string, found: Culprit[]): string {
  return found.reduce(
    (all, culprit) => (culprit.plain === null ? all : all.replaceAll(culprit.character, culprit.plain)),
    text,
  )
}
