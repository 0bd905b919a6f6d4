/**
 * The portal's questions to the server. Promises: a session that ended is told once to `onSignedOut`, whoever asked; what was typed stays on screen,
 * since the sign-in form is laid over it. Otherwise as `shared/api/http`: the typed body, or a thrown Problem.
 */
import { call, Problem } from '../shared/api/http'
import type { Page } from '../shared/api/types'

export type Level = 'provider' | 'reseller' | 'group' | 'user'
export type OrganisationLevel = Exclude<Level, 'user'>

export interface TreeNode {
  level: OrganisationLevel
  id: string
  parent_id: string | null
  name: string
  users: number
  can: string[]
}

export interface Organisation {
  id: string
  name: string
  demands_second_factor: boolean
  users: number
  portal_accounts: number
  can: string[]
}

export interface Provider extends Organisation {
  resellers: number
  groups: number
}

export interface Reseller extends Organisation {
  groups: number
}

export interface Group extends Organisation {
  reseller_id: string
  reseller: string
}

export interface User {
  id: string
  name: string
  email: string
  group_id: string
  group: string
  reseller_id: string
  reseller: string
  external_id: string
  computer_name: string
  external_reference: string
  region: string
  exclude_leading_zero: boolean
  language: string
  timezone: string
  invited: boolean
  second_factor: boolean
  disabled: boolean
  can: string[]
}

/** What a list is asked for: the words, the sort key (`-` in front turns it around) and the page's marker. */
export interface Wanted {
  q: string
  sort: string
  cursor: string | null
  limit: number
}

export type Parameters = Record<string, string | number | null | undefined>

let signedOut: () => void = () => undefined

/** Who is to know that the session has ended. */
export function onSignedOut(listener: () => void): void {
  signedOut = listener
}

export async function ask<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  try {
    return await call<T>(method, path, body, signal)
  } catch (error) {
    if (error instanceof Problem && error.code === 'not_signed_in') signedOut()
    throw error
  }
}

/** `path` with the parameters that are set. */
export function withQuery(path: string, parameters: object): string {
  const set = Object.entries(parameters as Parameters).filter(
    ([, value]) => value !== null && value !== undefined && value !== '',
  )
  return set.length ? `${path}?${new URLSearchParams(set.map(([key, value]) => [key, String(value)]))}` : path
}

/** A page of a list. */
export function list<T>(path: string, parameters: object, signal?: AbortSignal): Promise<Page<T>> {
  return ask<Page<T>>('GET', withQuery(path, parameters), undefined, signal)
}

const NOUNS: Record<Level, string> = { provider: 'providers', reseller: 'resellers', group: 'groups', user: 'users' }

/** Where the thing of a level stands in the API. */
export function pathOf(level: Level, id: string): string {
  return `/${NOUNS[level]}/${encodeURIComponent(id)}`
}

/** What a list of things at and below a place is asked with (`/assignments`, `/history`, `/message-log`). */
export function whereOf(place: { level: Level; id: string }): { level: Level; organisation: string } {
  return { level: place.level, organisation: place.id }
}
