/** What is open in the tree, and what a search in it finds. Promises: a group's users are asked for when it is opened, a page at a time. */
import * as v from 'valibot'

import type { Page } from '../../shared/api/types'
import { t } from '../../shared/i18n'
import { recall, remember } from '../../shared/store'
import { list, type Level, type User } from '../api'
import { Pages } from '../parts/pages.svelte'
import { linkTo, type Place, type Portal } from '../state/portal.svelte'

const KEY = 'kereru.portal.open'
const USERS_A_PAGE = 50
const FOUND_A_KIND = 8
const PAUSE_MS = 200

export interface Row {
  key: string
  level: Level
  id: string
  name: string
  depth: number
  parent: string
  open: boolean
  /** How much is below it; 0 has no arrow. */
  holds: number
  waiting: boolean
  failed: unknown
  /** After this row there are more of its kind to fetch. */
  more: boolean
}

export class Branches {
  private opened = $state.raw<ReadonlySet<string>>(new Set(recall(KEY, v.array(v.string()), [])))
  private held = $state.raw<Record<string, Pages<User>>>({})

  constructor(private readonly portal: Portal) {
    for (const key of this.opened) if (key.startsWith('group ')) void this.more(key)
  }

  readonly rows = $derived.by((): Row[] => {
    const rows: Row[] = []
    const below = new Map<string, (typeof this.portal.roots)[number][]>()
    for (const node of this.portal.nodes ?? []) {
      const parent = this.portal.parentOf(node)
      if (!parent) continue
      const key = `${parent.level} ${parent.id}`
      const held = below.get(key)
      if (held) held.push(node)
      else below.set(key, [node])
    }
    const walk = (nodes: typeof this.portal.roots, depth: number, parent: string): void => {
      for (const node of nodes) {
        const key = `${node.level} ${node.id}`
        const open = this.opened.has(key)
        const branch = node.level === 'group' && open ? this.held[key] : undefined
        const holds = node.level === 'group' ? node.users : (below.get(key)?.length ?? 0)
        rows.push({ key, level: node.level, id: node.id, name: node.name, depth, parent, open, holds, more: false,
          waiting: Boolean(branch && !branch.items && !branch.failed), failed: branch?.failed ?? null }) // prettier-ignore
        if (!open) continue
        walk(below.get(key) ?? [], depth + 1, key)
        branch?.items?.forEach((user, at) =>
          rows.push({ key: `user ${user.id}`, level: 'user', id: user.id, name: user.name, depth: depth + 1, parent: key, open: false, holds: 0,
            waiting: false, failed: null, more: at === (branch.items?.length ?? 0) - 1 && branch.next !== null })) // prettier-ignore
      }
    }
    walk(this.portal.roots, 0, '')
    return rows
  })

  /** The first look at a tree shows what is right below its tops. */
  begin(): void {
    if (this.opened.size === 0) for (const root of this.portal.roots) this.toggle(`${root.level} ${root.id}`, true)
  }

  toggle(key: string, open = !this.opened.has(key)): void {
    if (key.startsWith('user ') || open === this.opened.has(key)) return
    const opened = new Set(this.opened)
    if (open) opened.add(key)
    else opened.delete(key)
    this.opened = opened
    remember(KEY, [...opened])
    if (open && key.startsWith('group ') && !this.held[key]) void this.more(key)
  }

  /** Open everything above a place, and the place itself unless it is a user. */
  reveal(place: Place): void {
    for (const step of this.portal.path(place)) this.toggle(`${step.level} ${step.id}`, true)
  }

  /** Fetch the next users of a group, the first ones at first. */
  async more(key: string): Promise<void> {
    const branch = this.held[key] ?? usersOf(key.slice('group '.length))
    if (!this.held[key]) this.held = { ...this.held, [key]: branch }
    await (branch.items ? branch.more() : branch.load())
  }

  /** People changed: what is open is fetched anew, the rest forgotten. */
  again(): void {
    this.held = Object.fromEntries(Object.entries(this.held).filter(([key]) => this.opened.has(key)))
    for (const branch of Object.values(this.held)) void branch.load()
  }
}

function usersOf(group: string): Pages<User> {
  return new Pages((wanted) => list<User>('/users', { group, ...wanted }), USERS_A_PAGE)
}

export interface Hit {
  kind: Level | 'number'
  href: string
  text: string
  detail: string
}

interface FoundNumber {
  id: string
  display: string
  shown_name: string
  user: { id: string; name: string }
}

export class Finder {
  q = $state('')
  busy = $state(false)
  failed = $state.raw<unknown>(null)
  private asked = $state.raw<Hit[]>([])

  constructor(private readonly portal: Portal) {
    $effect(() => {
      const q = this.q.trim()
      this.asked = []
      this.failed = null
      this.busy = q !== ''
      if (!q) return
      const stop = new AbortController()
      const timer = setTimeout(() => void this.look(q, stop.signal), PAUSE_MS)
      return () => {
        clearTimeout(timer)
        stop.abort()
      }
    })
  }

  readonly found = $derived.by((): Hit[] => {
    const words = this.q.trim().toLocaleLowerCase()
    const organisations = (this.portal.nodes ?? [])
      .filter((node) => node.name.toLocaleLowerCase().includes(words))
      .slice(0, FOUND_A_KIND)
      .map((node) => ({
        kind: node.level,
        href: linkTo(node),
        text: node.name,
        detail: t(`portal.level.${node.level}`),
      }))
    return [...organisations, ...this.asked]
  })

  private async look(q: string, signal: AbortSignal): Promise<void> {
    try {
      const [users, numbers] = await Promise.all([
        list<User>('/users', { q, limit: FOUND_A_KIND }, signal),
        list<FoundNumber>('/assignments', { q, limit: FOUND_A_KIND }, signal),
      ])
      this.asked = [...people(users), ...numbersFound(numbers)]
    } catch (error) {
      if (!signal.aborted) this.failed = error
    } finally {
      if (!signal.aborted) this.busy = false
    }
  }
}

function people(page: Page<User>): Hit[] {
  return page.items.map((user) => ({
    kind: 'user',
    href: linkTo({ level: 'user', id: user.id }),
    text: user.name,
    detail: `${user.email} · ${user.group}`,
  }))
}

function numbersFound(page: Page<FoundNumber>): Hit[] {
  return page.items.map((one) => ({
    kind: 'number',
    href: linkTo({ level: 'user', id: one.user.id }, 'numbers', one.id),
    text: one.display,
    detail: [one.shown_name === one.display ? '' : one.shown_name, one.user.name].filter(Boolean).join(' · '),
  }))
}
