/** State is read after the answer, never before: `f(this.state, await …)` would put back what was true when the question was asked. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '..', 'src')
const sources = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => /\.(svelte|ts)$/.test(name))

test.each(sources)('%s takes no state along over an await', (name) => {
  const text = readFileSync(join(root, name), 'utf8')
  expect(text.match(/\b(?:this|client)\.state\b[^;\n]*\bawait\b/g)).toBeNull()
})
