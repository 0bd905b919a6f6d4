/** The message log: its shapes, and what a search of it looks for. Promises: a search stands whole in the address, so that a link finds the same texts. */
import type { Page, Reason, Status } from '../../shared/api/types'
import { currentLanguage } from '../../shared/i18n'
import { ask, withQuery, type Level, type Wanted } from '../api'

interface Named {
  id: string
  name: string
}

export type Travel = 'sms' | 'mms' | 'sms_link'

/** A file of a text, without what is in it. */
export interface File {
  name: string
  content_type: string
  bytes: number
  state: 'coming' | 'ready' | 'failed'
  as_media: boolean
}

export type Hidden = 'withheld' | 'blocked'

export interface Logged {
  id: string
  at: string
  from: string
  from_display: string
  to: string
  to_display: string
  direction: 'in' | 'out'
  status: Status
  reason: Reason | null
  hidden: Hidden | null
  text: string | null
  segments: number
  kind: Travel
  files: File[]
  user: Named
  group: Named
  assignment_id: string
}

export interface LogPage extends Page<Logged> {
  /** How far back it was looked, where more is left. */
  searched_to: string | null
}

export interface Step {
  at: string
  state: 'good' | 'waiting' | 'wrong' | 'note'
  text: string
  detail: string
}

export type Who = 'nobody' | 'wait' | 'us' | 'carrier' | 'recipient' | 'customer'

export interface MessageDetail {
  id: string
  sids: string[]
  at: string
  from: string
  from_display: string
  to: string
  to_display: string
  direction: 'inbound' | 'outbound-api'
  status: Status
  reason: Reason | null
  hidden: Hidden | null
  text: string | null
  cut_to: string | null
  characters: number
  segments: number
  kind: Travel
  files: File[]
  user: Named
  platform: Named
  carrier: string
  verdict: { who: Who; title: string; text: string; desk: 'carrier' | 'ours' | null }
  ticket: { subject: string; text: string }
  steps: Step[]
  exchanges: { at: string; kind: string; request_id: string; raw: string }[]
}

/** How large, as people count. */
export function sizeOf(bytes: number): string {
  const [unit, by, unitDisplay] =
    bytes < 1e3
      ? (['byte', 1, 'long'] as const)
      : bytes < 1e6
        ? (['kilobyte', 1e3, 'short'] as const)
        : (['megabyte', 1e6, 'short'] as const)
  return new Intl.NumberFormat(currentLanguage(), {
    style: 'unit',
    unit,
    unitDisplay,
    maximumFractionDigits: by === 1e6 ? 1 : 0,
  }).format(bytes / by)
}

/** What is filtered by, besides the words of the body; the names are those of the address. */
export const FILTERS = ['from', 'to', 'start', 'end', 'direction', 'status'] as const
export type Filter = (typeof FILTERS)[number]
export type Search = Record<Filter, string>

export function searchOf(query: string): Search {
  const parameters = new URLSearchParams(query)
  return Object.fromEntries(FILTERS.map((name) => [name, parameters.get(name) ?? ''])) as Search
}

/** The query with these filters, from its first page. */
export function withSearch(query: string, search: Search): string {
  const parameters = new URLSearchParams(query)
  parameters.delete('after')
  for (const name of FILTERS) {
    if (search[name].trim()) parameters.set(name, search[name].trim())
    else parameters.delete(name)
  }
  const written = parameters.toString()
  return written ? `?${written}` : ''
}

const ROUNDS = 5
/** "blocked" and "withheld" stand among the states, since that is where people look for them. */
const HIDDEN: readonly string[] = ['blocked', 'withheld']

/** What the server is asked with; a time without a zone is the browser's own. */
export function questionOf(search: Search, words: string): Record<string, string> {
  const { start, end, status, ...rest } = search
  const hidden = HIDDEN.includes(status)
  return {
    ...rest,
    start: start ? new Date(start).toISOString() : '',
    end: end ? new Date(end).toISOString() : '',
    status: hidden ? '' : status,
    hidden: hidden ? status : '',
    text: words,
  }
}

/** A page; where a wide search finds little, a few rounds are made before somebody has to ask for more. */
export async function page(
  where: { level: Level; organisation: string },
  search: Search,
  wanted: Wanted,
  signal: AbortSignal,
): Promise<LogPage> {
  const items: Logged[] = []
  let cursor = wanted.cursor
  for (let round = 1; ; round += 1) {
    const limit = wanted.limit - items.length
    const path = withQuery('/message-log', { ...where, ...questionOf(search, wanted.q), cursor, limit })
    const found = await ask<LogPage>('GET', path, undefined, signal)
    items.push(...found.items)
    cursor = found.next
    if (!cursor || items.length >= wanted.limit || round === ROUNDS) return { ...found, items }
  }
}
