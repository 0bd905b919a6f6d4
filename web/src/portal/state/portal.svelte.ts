/**
 * What the whole portal knows: who is signed in, the tree, where we are. Promises: the place always belongs to the address shown; an answer that comes
 * after somebody went on is dropped.
 */
import { Problem } from '../../shared/api/http'
import type { Session } from '../../shared/api/types'
import { currentLanguage } from '../../shared/i18n'
import { timeWriter } from '../../shared/i18n/time'
import { ask, pathOf, type Group, type Level, type Provider, type Reseller, type TreeNode, type User } from '../api'

export interface Places {
  provider: Provider
  reseller: Reseller
  group: Group
  user: User
}

/** A place of the tree with what the server says about it. */
export type Place = { [L in Level]: { level: L; id: string; name: string; can: string[]; thing: Places[L] } }[Level]

/** What an address says: `/portal/group/12/users/new` is level group, id 12, tab users, rest ["new"]. */
export interface Address {
  level: Level
  id: string
  tab: string
  rest: string[]
}

const LEVELS: readonly string[] = ['provider', 'reseller', 'group', 'user']

export function addressOf(path: string): Address | null {
  const [, portal, level, id, tab, ...rest] = path.split('/')
  if (portal !== 'portal' || !level || !id || !LEVELS.includes(level)) return null
  return {
    level: level as Level,
    id: decodeURIComponent(id),
    tab: tab ?? '',
    rest: rest.filter(Boolean).map(decodeURIComponent),
  }
}

/** The address of a place, of one of its tabs, of something in that tab. */
export function linkTo(place: { level: Level; id: string }, tab = '', ...rest: string[]): string {
  return ['/portal', place.level, place.id, tab, ...rest.map(encodeURIComponent)].filter(Boolean).join('/')
}

export class Portal {
  session = $state.raw<Session>() as Session
  nodes = $state.raw<TreeNode[] | null>(null)
  treeFailed = $state.raw<unknown>(null)
  place = $state.raw<Place | null>(null)
  placeFailed = $state.raw<unknown>(null)
  /** Rises when people are made, moved or deleted, so that open branches of the tree are fetched again. */
  people = $state(0)
  /** What has just been done, in words; shown for a moment. */
  said = $state<string | null>(null)
  private wanted = ''

  readonly byKey = $derived(new Map((this.nodes ?? []).map((node) => [`${node.level} ${node.id}`, node])))
  readonly roots = $derived((this.nodes ?? []).filter((node) => node.parent_id === null))

  constructor(session: Session) {
    this.session = session
  }

  /** Fetch the tree; the one shown stays until the answer is there. */
  async loadTree(): Promise<void> {
    try {
      const tree = await ask<{ items: TreeNode[] }>('GET', '/tree')
      this.nodes = tree.items
      this.treeFailed = null
    } catch (error) {
      this.treeFailed = error
    }
  }

  /** Make `level` and `id` the place, or fetch it again. */
  async open(level: Level, id: string): Promise<void> {
    const wanted = `${level} ${id}`
    if (this.wanted !== wanted) this.place = null
    this.wanted = wanted
    this.placeFailed = null
    try {
      const thing = await ask<Places[Level]>('GET', pathOf(level, id))
      if (this.wanted === wanted) this.place = { level, id: thing.id, name: thing.name, can: thing.can, thing } as Place
    } catch (error) {
      if (this.wanted === wanted && !(error instanceof Problem && error.status === 401)) this.placeFailed = error
    }
  }

  /** Something here changed: the place and the tree are fetched again. */
  async refresh(): Promise<void> {
    this.people += 1
    const place = this.place
    await Promise.all([this.loadTree(), place ? this.open(place.level, place.id) : undefined])
  }

  /** The organisations above a place, from the top of what the caller sees, and the place itself. */
  path(place: Place): { level: Level; id: string; name: string }[] {
    const above: { level: Level; id: string; name: string }[] = []
    let node =
      place.level === 'user'
        ? this.byKey.get(`group ${place.thing.group_id}`)
        : this.byKey.get(`${place.level} ${place.id}`)
    if (place.level === 'user' || !node) above.push(place)
    while (node) {
      above.unshift(node)
      node = this.parentOf(node)
    }
    return above
  }

  parentOf(node: TreeNode): TreeNode | undefined {
    if (node.parent_id === null) return undefined
    return this.byKey.get(`${node.level === 'group' ? 'reseller' : 'provider'} ${node.parent_id}`)
  }

  childrenOf(node: TreeNode): TreeNode[] {
    const below = node.level === 'provider' ? 'reseller' : node.level === 'reseller' ? 'group' : null
    return (this.nodes ?? []).filter((one) => one.level === below && one.parent_id === node.id)
  }

  /** Say that something was done. */
  say(words: string): void {
    this.said = words
  }

  /** Writes times in the person's own zone. */
  readonly times = $derived.by(() => timeWriter(currentLanguage(), this.session.user?.timezone))

  get writes(): boolean {
    return this.session.can.includes('portal.write')
  }
}
