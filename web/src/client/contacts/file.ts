/** Address books as files: their words whatever they are written in, and in pieces that one request takes. Promises: no contact is torn. */

const MOST_CHARACTERS = 250_000
const MOST_CARDS = 500
// Most of a vCard file, and not kept anyway; with the lines that they are folded into.
const PICTURES = /^(?:[\w.-]+\.)?(?:PHOTO|LOGO|SOUND|KEY)[;:].*\r?\n(?:[ \t].*\r?\n)*/gim

/** UTF-8 where it is that; else what desktop programs write: UTF-16 with its mark, or the letters of Western Windows. */
export function wordsOf(bytes: Uint8Array): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder('utf-16le').decode(bytes)
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder('utf-16be').decode(bytes)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return new TextDecoder('windows-1252').decode(bytes)
  }
}

/** The file in pieces, each with whole contacts; those of a table begin with its heading. A single contact may be larger than a piece. */
export function piecesOf(words: string): string[] {
  const plain = words.replace(/^\ufeff/, '')
  const isCards = /^\s*BEGIN:VCARD/i.test(plain)
  const [heading = '', ...entries] = isCards ? ['', ...cards(plain.replace(PICTURES, ''))] : rows(plain)
  const pieces: string[] = []
  let piece: string[] = []
  let size = 0
  for (const entry of entries) {
    if (piece.length && (size + entry.length > MOST_CHARACTERS || piece.length >= MOST_CARDS)) {
      pieces.push(heading + piece.join(''))
      piece = []
      size = 0
    }
    piece.push(entry)
    size += entry.length
  }
  if (piece.length || !pieces.length) pieces.push(heading + piece.join(''))
  return pieces
}

/** Up to the end of each card; an assistant's card ends within another, and is left with it. */
function cards(words: string): string[] {
  const found: string[] = []
  let lines: string[] = []
  let depth = 0
  let before = ''
  for (const line of words.split(/(?<=\n)/)) {
    const said = line.trim().toUpperCase()
    if (said === 'BEGIN:VCARD') depth = depth && before.startsWith('AGENT') ? depth + 1 : 1
    lines.push(line)
    if (said === 'END:VCARD' && (depth = Math.max(0, depth - 1)) === 0) {
      found.push(lines.join(''))
      lines = []
    }
    before = said
  }
  if (lines.join('').trim()) found.push(lines.join(''))
  return found
}

/** Lines of a table, put together where a cell between quotation marks has several. */
function rows(words: string): string[] {
  const found: string[] = []
  let row = ''
  let open = false
  for (const line of words.split(/(?<=\n)/)) {
    row += line
    if ((line.match(/"/g)?.length ?? 0) % 2) open = !open
    if (open) continue
    found.push(row)
    row = ''
  }
  if (row) found.push(row)
  return found
}
