/**
 * A stand-in for the server with the API's shapes, for looking at screens without one. Not a model of its rules.
 * node dev/mock-server.mjs [--port 8787] [--bundle ../src/kereru/api/bundle]; any password works but "wrong".
 * Controls: POST /mock/inbound {to, from, text} · POST /mock/receipt {id, status} · POST /mock/down {seconds} · POST /mock/slow {ms}
 */
import { createReadStream, existsSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { parseArgs } from 'node:util'

import { WebSocketServer } from 'ws'

import * as seed from './seed.mjs'

const { values: options } = parseArgs({
  options: { port: { type: 'string', default: '8787' }, bundle: { type: 'string' } },
})
const TYPES = { '.js': 'text/javascript', '.css': 'text/css', '.html': 'text/html', '.svg': 'image/svg+xml', '.woff2': 'font/woff2', '.webmanifest': 'application/manifest+json', '.png': 'image/png' } // prettier-ignore
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

let nextId = BigInt(Date.now() - Date.UTC(2024, 0, 1)) << 20n
const id = (at = null) =>
  String(at === null ? nextId++ : (BigInt(at - Date.UTC(2024, 0, 1)) << 20n) + (nextId++ % 1024n))
const iso = (ms) => new Date(ms).toISOString()
let tries = 0
let down = 0
let slow = 0

class Account {
  constructor(email) {
    this.email = email
    this.person = seed.people[email]
    this.changes = []
    this.sockets = new Set()
    this.waiting = new Set()
    this.byClient = new Map()
    this.conversations = new Map()
    this.messages = new Map()
    this.numbers = (this.person.numbers ?? []).map((key) => ({
      id: key.replace('n', '50'), messaging_type: 'sms', ask: false, can: [], ...seed.numbers[key],
    })) // prettier-ignore
    this.numbers.forEach((n) => this.settle(n, n.opt_in))
    const usable = (this.person.numbers ?? []).filter((key) =>
      ['opted_in', 'not_needed'].includes(seed.numbers[key].opt_in),
    )
    for (const c of seed.conversations(usable)) this.fill(c)
  }
  settle(number, state) {
    number.opt_in = state
    number.ask = state === 'pending'
    number.can = ['opted_in', 'not_needed'].includes(state) ? ['send', 'receive'] : []
  }
  fill(c) {
    const number = this.numbers.find((n) => n.id === c.numberId.replace('n', '50'))
    const conversation = this.open(number, c.remote, c.display, c.name, c.source)
    const end = Date.now() - c.minutes * 60_000
    c.texts.forEach(([direction, text], i) => {
      const back = c.texts.length - 1 - i
      const at = end - back * 47_000 - Math.floor(back / 9) * 5 * 3_600_000
      this.add(conversation, { direction, text, at, status: direction === 'in' ? 'received' : 'delivered' })
    })
    if (c.remote === '+12025550117') {
      this.add(conversation, { direction: 'out', text: 'Your order is ready at the counter.', at: end + 60_000, status: 'undelivered', reason: { code: 'unreachable', text: 'The phone was off or out of reach for too long.' } }) // prettier-ignore
      this.add(conversation, { direction: 'out', text: 'Are you there?', at: end + 125_000, status: 'unknown' })
      this.add(conversation, { direction: 'in', text: 'Yes, sorry', at: end + 190_000, status: 'received' })
    }
    if (c.remote === '+442079460142') conversation.arrived = true
    conversation.unread = c.unread
  }
  open(number, remote, display, name = null, source = null) {
    const conversation = {
      id: id(),
      number,
      remote,
      remote_display: display,
      name,
      name_source: source,
      unread: 0,
      list: [],
      version: 1,
    }
    this.conversations.set(conversation.id, conversation)
    return conversation
  }
  add(conversation, more) {
    const message = { id: id(more.at), client_id: null, conversation_id: conversation.id, reason: null, encoding: 'gsm7', segments: Math.ceil(more.text.length / 160), attempt: 1, arrived_before: false, cut_to: null, attachments: [], version: 1, ...more, at: iso(more.at) } // prettier-ignore
    this.messages.set(message.id, message)
    conversation.list.push(message)
    return message
  }
  showMessage(m) {
    const again = ['failed', 'undelivered', 'expired', 'unknown'].includes(m.status) && m.direction === 'out'
    return { ...m, can: again ? ['resend'] : [] }
  }
  show(c) {
    const last = c.list.at(-1)
    const { id: nid, number, display, friendly_name, can } = c.number
    return { id: c.id, number: { id: nid, number, display, friendly_name }, number_id: nid, remote: c.remote, remote_display: c.remote_display, name: c.name, name_source: c.name_source, unread: c.unread, last_message: last ? this.showMessage(last) : null, last_at: last?.at ?? iso(Date.now()), blocked: false, version: c.version, can: can.includes('send') ? ['send'] : [] } // prettier-ignore
  }
  push(kind, { message = null, conversation = null, number = null }) {
    if (conversation) conversation.version += 1
    const change = { feed: this.person.id, position: this.changes.length + 1, kind, version: 1, message: message && this.showMessage(message), conversation: conversation && this.show(conversation), licence_number: number } // prettier-ignore
    this.changes.push(change)
    const frame = JSON.stringify({ type: 'changes', items: [change], cursor: this.cursor })
    for (const socket of this.sockets) socket.send(frame)
    for (const wake of this.waiting) wake()
  }
  get cursor() {
    return `k${this.changes.length}`
  }
  since(cursor) {
    return this.changes.slice(Number(cursor.slice(1)))
  }
  status(message, status, reason = null) {
    message.status = status
    message.reason = reason
    message.version += 1
    this.push('message.changed', { message, conversation: this.conversations.get(message.conversation_id) })
  }
  travel(message) {
    const steps = /fail/i.test(message.text) ? ['sending', 'failed'] : ['sending', 'sent', 'delivered']
    steps.forEach(
      (status, i) =>
      setTimeout(() => this.status(message, status, status === 'failed' ? { code: 'refused', text: 'The carrier refused this text as unwanted content.' } : null), 400 * (i + 1)), // prettier-ignore
    )
  }
}

const accounts = new Map(Object.keys(seed.people).map((email) => [email, new Account(email)]))
const problem = (status, code, detail, more = {}) => ({ status, body: { type: 'about:blank', title: detail, status, code, detail, fields: [], ...more } }) // prettier-ignore
const ok = (body, status = 200) => ({ status, body })

function normal(to) {
  const digits = to.replace(/[^\d+]/g, '')
  const e164 = digits.startsWith('+') ? digits : digits.startsWith('011') ? `+${digits.slice(3)}` : digits.startsWith('00') ? `+${digits.slice(2)}` : digits.length === 10 ? `+1${digits}` : digits.length === 11 && digits.startsWith('1') ? `+${digits}` : null // prettier-ignore
  return e164 && /^\+\d{8,15}$/.test(e164) ? e164 : null
}
const display = (e) => (e.startsWith('+1') ? `(${e.slice(2, 5)}) ${e.slice(5, 8)}-${e.slice(8)}` : e.replace(/^(\+\d\d)(\d{4})(\d+)/, '$1 $2 $3')) // prettier-ignore

function preflight(account, body) {
  const to = normal(body.to)
  const number = account.numbers.find((n) => n.id === body.number_id)
  const reasons = []
  if (!to) reasons.push({ code: 'not_a_number', text: 'This is not a telephone number. Write it with its area code.' })
  if (number && !number.can.includes('send')) reasons.push({ code: 'opted_out', text: 'You chose not to text with this number. Your administrator can have you asked again.' }) // prettier-ignore
  if (to === '+12025550199')
    reasons.push({ code: 'stopped', text: 'This person asked for no more texts from your business.' })
  if (!body.text.trim())
    reasons.push({ code: 'empty_text', text: 'There is nothing to send yet. Write something first.' })
  const culprits = [...new Set(body.text.match(/[^\n\r -_a-z~|{}^€£¥à-öø-ü]/gu) ?? [])].map((character) => ({ character, position: [...body.text].indexOf(character), plain: { '’': "'", '“': '"', '”': '"' }[character] ?? null })) // prettier-ignore
  const encoding = culprits.length ? 'ucs2' : 'gsm7'
  const units = body.text.length
  const [one, part] = encoding === 'gsm7' ? [160, 153] : [70, 67]
  const segments = units === 0 ? 0 : units <= one ? 1 : Math.ceil(units / part)
  const per = segments > 1 ? part : one
  const stop = reasons.length > 0
  if (!stop && segments >= 4) reasons.push({ code: 'many_segments', text: `This text is paid for ${segments} times.` })
  const known = [...account.conversations.values()].find((c) => c.remote === to && c.number.id === body.number_id)
  return { to, to_display: to && display(to), encoding, segments, units, per_segment: per, left: Math.max(segments, 1) * per - units, culprits, kind: 'sms', verdict: stop ? 'stop' : reasons.length ? 'warn' : 'ok', reasons, conversation_id: known?.id ?? null } // prettier-ignore
}

function page(items, cursor, limit, show) {
  const from = cursor ? Number(cursor) : 0
  const end = from + Number(limit ?? 50)
  return { items: items.slice(from, end).map(show), next: end < items.length ? String(end) : null }
}

async function route(account, method, url, body) {
  const path = url.pathname.replace('/api/v1', '')
  const q = url.searchParams
  if (path === '/session' && method === 'POST') {
    if (!seed.people[body.email] || body.password === 'wrong') {
      tries += 1
      if (tries > 4) return problem(429, 'too_many', 'Too many tries. Wait a little, then try again.', { retry: 20 })
      return problem(401, 'wrong_sign_in', 'That e-mail address and password do not belong together.')
    }
    tries = 0
    return { ...ok(session(accounts.get(body.email))), cookie: body.email }
  }
  if (!account) return problem(401, 'not_signed_in', 'You are not signed in. Sign in and try again.')
  if (path === '/session') return method === 'DELETE' ? { status: 204, cookie: '' } : ok(session(account))
  if (path === '/licence') {
    const { id: uid, name } = account.person
    return ok({ user: { id: uid, name, email: account.email }, product: 'desktop', numbers: account.numbers, settings: { region: 'US', country_code: '1', exclude_leading_zero: false, language: 'en', timezone: 'America/New_York', text_windows: 'docked', chat_windows: 'docked', quiet_hours: { on: false, begin: '22:00', end: '07:00' } }, cursor: account.cursor, can: ['send'] }) // prettier-ignore
  }
  let m = /^\/numbers\/(\w+)\/opt-in$/.exec(path)
  if (m) {
    const number = account.numbers.find((n) => n.id === m[1])
    account.settle(number, { yes: 'opted_in', no: 'opted_out', cancel: 'postponed' }[body.answer])
    account.push('number.changed', { number })
    return ok(number)
  }
  if (path === '/conversations') {
    const all = [...account.conversations.values()].filter((c) => c.list.length)
    all.sort((a, b) => (a.list.at(-1).at < b.list.at(-1).at ? 1 : -1))
    return ok(page(all, q.get('cursor'), q.get('limit'), (c) => account.show(c)))
  }
  m = /^\/conversations\/(\w+)(\/\w+)?$/.exec(path)
  if (m) return conversationRoute(account, account.conversations.get(m[1]), m[2], q)
  if (path === '/messages/preflight') return ok(preflight(account, body))
  m = /^\/messages\/(\w+)\/resend$/.exec(path)
  if (m) {
    const message = account.messages.get(m[1])
    if (message.attempt !== body.attempt)
      return problem(409, 'attempt_moved_on', 'This text is already being sent again.')
    if (message.status === 'unknown' && !body.despite_unknown)
      return problem(409, 'resend_needs_warning', 'Confirm first.')
    message.attempt += 1
    account.status(message, 'queued')
    account.travel(message)
    return ok(account.showMessage(message))
  }
  m = /^\/messages\/([\w-]+)$/.exec(path)
  if (m && method === 'PUT') return put(account, m[1], body)
  if (path === '/changes') {
    const after = q.get('after') ?? account.cursor
    if (!account.since(after).length && q.get('wait')) {
      await new Promise((done) => {
        account.waiting.add(done)
        setTimeout(done, Number(q.get('wait')) * 1000)
      })
    }
    return ok({ items: account.since(after), cursor: account.cursor, resync: false })
  }
  return problem(404, 'not_found', 'There is nothing here, or you may not see it.')
}

function conversationRoute(account, c, action, q) {
  if (!c) return problem(404, 'conversation_not_found', 'This conversation does not exist, or it is not yours.')
  if (action === '/messages') return ok(page([...c.list].reverse(), q.get('cursor'), q.get('limit'), (x) => account.showMessage(x))) // prettier-ignore
  if (action) {
    c.unread = action === '/read' ? 0 : 1
    account.push('conversation.read', { conversation: c })
  }
  return ok(account.show(c))
}

function put(account, clientId, body) {
  if (account.byClient.has(clientId)) return ok(account.showMessage(account.byClient.get(clientId)))
  const light = preflight(account, body)
  if (light.verdict === 'stop') return problem(422, light.reasons[0].code, light.reasons[0].text)
  const number = account.numbers.find((n) => n.id === body.number_id)
  const pair = [...account.conversations.values()].find((c) => c.number === number && c.remote === light.to)
  const conversation = pair ?? account.open(number, light.to, light.to_display)
  const message = account.add(conversation, { client_id: clientId, direction: 'out', text: body.text, at: Date.now(), status: 'queued', segments: light.segments, encoding: light.encoding }) // prettier-ignore
  account.byClient.set(clientId, message)
  account.push('message.queued', { message, conversation })
  account.travel(message)
  return ok(account.showMessage(message), 201)
}

function session(account) {
  const { id: uid, name, numbers } = account.person
  if (!numbers) return { email: account.email, user: null, roles: [{ level: 'provider', organisation_id: '1', organisation: 'Southern Phone Co.' }, { level: 'group', organisation_id: '7', organisation: 'Blue Door Ltd' }], can: ['platforms.read'] } // prettier-ignore
  return { email: account.email, user: { id: uid, name, email: account.email, language: 'en', timezone: 'America/New_York', region: 'US' }, roles: [], can: ['licence.read'] } // prettier-ignore
}

function control(path, body) {
  if (path === '/mock/down') down = Date.now() + body.seconds * 1000
  if (path === '/mock/down') for (const a of accounts.values()) for (const socket of a.sockets) socket.terminate()
  if (path === '/mock/slow') slow = body.ms
  for (const account of accounts.values()) {
    const number = account.numbers.find((n) => n.number === body.to)
    if (path === '/mock/inbound' && number) {
      const pair = [...account.conversations.values()].find((c) => c.number === number && c.remote === body.from)
      const conversation = pair ?? account.open(number, body.from, display(body.from))
      const message = account.add(conversation, { direction: 'in', text: body.text, at: Date.now(), status: 'received', arrived_before: body.arrived_before ?? false }) // prettier-ignore
      conversation.unread += 1
      account.push('message.received', { message, conversation })
    }
    if (path === '/mock/receipt' && account.messages.has(body.id)) account.status(account.messages.get(body.id), body.status, body.reason ?? null) // prettier-ignore
  }
}

function accountOf(request) {
  const email = /kereru_session=([^;]+)/.exec(request.headers.cookie ?? '')?.[1]
  return email ? accounts.get(decodeURIComponent(email)) : undefined
}

function file(path, response) {
  const found = normalize(join(options.bundle, path))
  const known = existsSync(found) && statSync(found).isFile()
  const real = known ? found : join(options.bundle, path.startsWith('/portal') ? 'portal.html' : 'index.html')
  response.writeHead(200, { 'content-type': TYPES[extname(real)] ?? 'text/plain', 'content-security-policy': POLICY })
  createReadStream(real).pipe(response)
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://mock')
  const parts = []
  for await (const part of request) parts.push(part)
  const text = Buffer.concat(parts).toString()
  const body = text ? JSON.parse(text) : {}
  if (url.pathname.startsWith('/mock/')) {
    control(url.pathname, body)
    return response.writeHead(204).end()
  }
  if (!url.pathname.startsWith('/api/')) {
    if (options.bundle) return file(url.pathname, response)
    return response.writeHead(404).end()
  }
  if (Date.now() < down) return request.socket.destroy()
  if (slow) await new Promise((done) => setTimeout(done, slow))
  const answer = await route(accountOf(request), request.method, url, body)
  const headers = { 'content-type': answer.status < 400 ? 'application/json' : 'application/problem+json' }
  if (answer.body?.retry) headers['retry-after'] = String(answer.body.retry)
  if (answer.cookie !== undefined) headers['set-cookie'] = `kereru_session=${encodeURIComponent(answer.cookie)}; HttpOnly; SameSite=Lax; Path=/` // prettier-ignore
  response.writeHead(answer.status, headers).end(answer.body ? JSON.stringify(answer.body) : undefined)
})

const sockets = new WebSocketServer({ noServer: true })
server.on('upgrade', (request, socket, head) => {
  if (Date.now() < down) return socket.destroy()
  sockets.handleUpgrade(request, socket, head, (ws) => {
    const account = accountOf(request)
    if (!account) return ws.close(4401)
    ws.on('close', () => account.sockets.delete(ws))
    ws.on('message', (data) => {
      const frame = JSON.parse(String(data))
      if (frame.type === 'ping') return ws.send('{"type":"pong"}')
      const missed = account.since(frame.after)
      if (missed.length) ws.send(JSON.stringify({ type: 'changes', items: missed, cursor: account.cursor }))
      account.sockets.add(ws)
    })
  })
})
server.listen(Number(options.port), '127.0.0.1', () =>
  console.log(`mock server on http://127.0.0.1:${server.address().port}`),
)
