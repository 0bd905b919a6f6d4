/** Places where somebody is signed in. */
import type { components } from '../../shared/api/schema'
import { list } from '../api'
import { Pages } from '../parts/pages.svelte'

export type Session = components['schemas']['SessionShown']

/** Those that a path of the API lists: one's own, or somebody's whom one manages. */
export function sessionsAt(path: string): Pages<Session> {
  return new Pages(() => list<Session>(path, {}))
}
