/** The message files: every text parses as ICU, and nothing in the sources asks for a text that is not there or leaves one unused. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { IntlMessageFormat } from 'intl-messageformat'
import { expect, test } from 'vitest'

// As they are written, not as the bundle takes them apart.
const folder = join(import.meta.dirname, '..', 'src', 'shared', 'i18n')
const read = (name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Record<string, string>
const common = read('en.json')
const portal = read('en.portal.json')
const en = { ...common, ...portal }

const root = join(import.meta.dirname, '..', 'src')
const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => /\.(svelte|ts)$/.test(name))
const sources = files.map((name) => readFileSync(join(root, name), 'utf8')).join('\n')

test.each(Object.entries(en))('%s is a message', (_key, text) => {
  expect(() => new IntlMessageFormat(text, 'en')).not.toThrow()
  expect(text).not.toMatch(/!|oops/i)
})

test('no message is left over', () => {
  // Families whose key is put together at run time.
  const families = [
    /^number\.(not_needed|opted_in|pending|postponed|opted_out)(\.closed)?$/,
    /^number\.webhook\.(ours|missing|elsewhere)\.(at|text)$/,
    /^portal\.level\./,
    /^consent\.(stop|start|help|answered|agreed|person|carrier|colleague)$/,
    /^stopped\.(person|carrier|colleague)$/,
    /^light\.(ok|warn|stop)(\.help)?$/,
    /^files\.kind\.(picture|audio|video|pdf|text|contact|other)$/,
    /^(noun|verb|changed)\./,
    /^log\.(blocked|withheld)(\.help)?$/,
    /^log\.who\.(nobody|wait|us|carrier|recipient|customer)$/,
    /^settings\.tune\.(calls|drop|bell|wood|rise|dusk)$/,
    /^log\.ticket\.(carrier|ours)$/,
    /^log\.kind\.(sms|mms|sms_link)$/,
    /^log\.file\.(coming|failed)$/,
  ]
  const unused = Object.keys(en).filter(
    (key) => !sources.includes(`'${key}'`) && !families.some((family) => family.test(key)),
  )
  expect(unused).toEqual([])
})

test('what only the portal says is not in the client, and nothing is said twice', () => {
  const elsewhere = files
    .filter((name) => !name.startsWith('portal'))
    .map((name) => readFileSync(join(root, name), 'utf8'))
    .join('\n')
  expect(Object.keys(portal).filter((key) => elsewhere.includes(`'${key}'`))).toEqual([])
  expect(Object.keys(portal).filter((key) => key in common)).toEqual([])
})
