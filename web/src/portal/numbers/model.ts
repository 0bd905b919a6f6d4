/** Assignments as the portal's screens need them: what they are asked by and how their states read. */
import type { components } from '../../shared/api/schema'
import { t } from '../../shared/i18n'
import { ask, list, whereOf, withQuery, type Level } from '../api'
import { Pages } from '../parts/pages.svelte'
import type { Step } from '../parts/Progress.svelte'

type Theirs = components['schemas']
export type Assignment = Theirs['AssignmentShown']
export type AssignmentBody = Partial<Theirs['AssignmentBody']> & { number: string }
export type AssignmentPage = Theirs['AssignmentList']
export type EvidenceEntry = Theirs['EvidenceEntry']
export type BlockedRemote = Theirs['Blocked']
export type MessagingType = Assignment['messaging_type']
export type Which = 'live' | 'past' | 'all'

const UNDER_WAY = ['requested', 'checking', 'registering']

export function underWay(one: Assignment): boolean {
  return one.ended_at === null && UNDER_WAY.includes(one.state)
}

interface Place {
  level: Level
  id: string
}

/** A page of the numbers at and below a place, with the wildcards that were put around the words (R176). */
export function numbersOf(place: Place, parameters: object, signal?: AbortSignal): Promise<AssignmentPage> {
  return list<Assignment>('/assignments', { ...whereOf(place), ...parameters }, signal) as Promise<AssignmentPage>
}

/** Where the same list is a file. */
export function exportOf(place: Place, parameters: object): string {
  return withQuery('/api/v1/assignments/export', { ...whereOf(place), ...parameters })
}

export const number = (id: string): Promise<Assignment> => ask('GET', `/assignments/${encodeURIComponent(id)}`)

/** The other assignments of the same number, newest first, as far as they are within reach (R178, Q28). */
export async function othersOf(top: Place, one: Assignment): Promise<Assignment[]> {
  const page = await numbersOf(top, { q: one.number, state: 'all', sort: '-started', limit: 50 })
  return page.items.filter((other) => other.number === one.number && other.id !== one.id)
}

/** The evidence about one number, newest first. */
export function evidenceOf(id: string): Pages<EvidenceEntry> {
  return new Pages((wanted) => list<EvidenceEntry>('/evidence', { assignment: id, ...wanted }), 20)
}

/** Whom its user blocked. */
export function blockedOf(id: string): Pages<BlockedRemote> {
  return new Pages((wanted) => list<BlockedRemote>(pathOfBlocked(id), wanted))
}

export function pathOfBlocked(id: string, remote = ''): string {
  return `/assignments/${encodeURIComponent(id)}/blocked${remote && `/${encodeURIComponent(remote)}`}`
}

export function assign(user: string, body: AssignmentBody): Promise<Assignment> {
  return ask('POST', `/users/${encodeURIComponent(user)}/assignments`, body)
}

/** How far the carrier has got, as steps (R150, R198). */
export function stepsOf(one: Assignment): Step[] {
  const at = ['requested', 'checking', 'registering', 'enabled'].indexOf(one.state)
  const broken = one.state === 'rejected' ? 1 : one.state === 'failed' ? 2 : -1
  const texts = [
    t('number.step.requested'),
    t('number.step.checking'),
    t('number.step.registering'),
    t('number.step.enabled'),
  ]
  return texts.map((text, index) => ({
    id: String(index),
    text,
    state:
      broken >= 0
        ? index < broken
          ? 'done'
          : index === broken
            ? 'failed'
            : 'next'
        : index < at || at === 3
          ? 'done'
          : index === at
            ? 'now'
            : 'next',
  }))
}

export function typeWords(type: MessagingType): string {
  return type === 'sms' ? t('number.type.sms') : t('number.type.mms')
}

const OPT_IN: Record<string, () => string> = {
  not_needed: () => t('number.optin.not_needed'),
  pending: () => t('number.optin.pending'),
  opted_in: () => t('number.optin.opted_in'),
  opted_out: () => t('number.optin.opted_out'),
  postponed: () => t('number.optin.postponed'),
}

export function optInWords(state: string): string {
  return OPT_IN[state]?.() ?? state
}

/** When the user gave the answer that stands (R179, R180). */
export function answeredAt(one: Assignment): string | null {
  const { state, opted_in_at, opted_out_at, postponed_at } = one.opt_in
  if (state === 'opted_in') return opted_in_at
  if (state === 'opted_out') return opted_out_at
  return state === 'postponed' ? postponed_at : null
}
