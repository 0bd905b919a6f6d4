/**
 * A language nobody speaks, made from the English: accented, a third longer, from right to left. What is readable as plain English on a screen in it was
 * never given to translators; what breaks would break in German or Arabic. `?locale=pseudo` asks for it.
 */
import type { Message } from '.'

type Part = Exclude<Message, string>[number]

const PLAIN = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const ACCENTED = [...'ÅƁÇÐÉƑĜĤÎĴĶĻṀÑÖÞǪŔŠŢÛṼŴẊÝŽåƀçðéƒĝĥîĵķļɱñöþǫŕšţûṽŵẋýž']
/** The isolates that keep an argument's direction its own (Unicode UAX #9). */
const OPEN = '\u2068'
const CLOSE = '\u2069'

function accented(text: string): string {
  return text.replace(/[A-Za-z]/g, (letter) => ACCENTED[PLAIN.indexOf(letter)] ?? letter)
}

/** A third more of it: translations of short English words are longer. */
function longer(text: string): string {
  const letters = text.match(/[A-Za-z]/g)?.length ?? 0
  return letters ? `${accented(text)}${'\u00b7'.repeat(Math.ceil(letters / 3))}` : text
}

const literal = (value: string): Part => ({ type: 0, value }) as Part

function partsOf(parts: readonly Part[]): Part[] {
  return parts.flatMap((part) => {
    if (part.type === 0) return [literal(accented(part.value))]
    if (part.type === 1) return [literal(OPEN), part, literal(CLOSE)]
    if (part.type !== 5 && part.type !== 6) return [part]
    const options = Object.entries(part.options).map(([name, one]) => [name, { ...one, value: partsOf(one.value) }])
    return [{ ...part, options: Object.fromEntries(options) as typeof part.options }]
  })
}

export function pseudo(message: Message): Message {
  if (typeof message === 'string') return longer(message)
  const length =
    JSON.stringify(message)
      .match(/"value":"[^"]*"/g)
      ?.join('').length ?? 0
  return [...partsOf(message), literal('\u00b7'.repeat(Math.min(12, Math.ceil(length / 12))))]
}
