/** What of a found text is shown: the stretch around the first words that were looked for, cut between words, with them marked. */
import type { TextMark } from '../../shared/api/types'

export interface Piece {
  text: string
  marked: boolean
}

const BEFORE = 32
const LENGTH = 160
const DOTS = '…'

/** Positions are code points from 0, as the server counts. */
export function snippet(text: string, marks: readonly TextMark[]): Piece[] {
  const letters = Array.from(text.replace(/\s/g, ' '))
  const first = marks[0]?.start ?? 0
  let from = first > BEFORE ? first - BEFORE : 0
  if (from) {
    const space = letters.indexOf(' ', from)
    if (space >= 0 && space < first) from = space + 1
  }
  let to = Math.min(letters.length, from + LENGTH)
  if (to < letters.length) {
    const space = letters.lastIndexOf(' ', to)
    const last = marks.findLast((mark) => mark.start < to)
    if (space > from && space >= (last ? Math.min(last.start + last.length, to) : 0)) to = space
  }
  const pieces: Piece[] = []
  const put = (text: string, marked: boolean) => text && pieces.push({ text, marked })
  let at = from
  put(from ? DOTS : '', false)
  for (const mark of marks) {
    const end = Math.min(mark.start + mark.length, to)
    if (mark.start < at || mark.start >= to) continue
    put(letters.slice(at, mark.start).join(''), false)
    put(letters.slice(mark.start, end).join(''), true)
    at = end
  }
  put(letters.slice(at, to).join('') + (to < letters.length ? DOTS : ''), false)
  return pieces
}
