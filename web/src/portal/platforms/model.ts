/** Platforms as the portal's screens need them: a provider's accounts at carriers (R116 to R133). */
import type { components } from '../../shared/api/schema'
import { ask } from '../api'

type Theirs = components['schemas']
export type Carrier = Theirs['CarrierShown']
export type Platform = Theirs['PlatformShown']
export type PlatformList = Theirs['PlatformList']
export type Check = Theirs['Check']
export type SelfCheck = Theirs['SelfCheck']

export const platforms = (): Promise<PlatformList> => ask('GET', '/platforms')
export const carriers = (): Promise<{ items: Carrier[] }> => ask('GET', '/carriers')
export const platform = (id: string): Promise<Platform> => ask('GET', pathOfPlatform(id))

export function pathOfPlatform(id: string, action = ''): string {
  return `/platforms/${encodeURIComponent(id)}${action && `/${action}`}`
}

/** As the form holds it: all fields of the carrier, secrets empty unless they are replaced, addresses as they are used. */
export interface Values {
  carrier: string
  name: string
  credentials: Record<string, string>
  endpoints: Record<string, string>
  user_confirmation: boolean
  user_can_block: boolean
  mms: boolean
  mail_on_postpone: boolean
  takes_long_texts: boolean
  token_hash: boolean
}

/** A new form: the switches are on (R120). */
export function freshValues(carrier: Carrier): Values {
  return {
    carrier: carrier.kind,
    name: '',
    credentials: Object.fromEntries(carrier.credential_fields.map((field) => [field.name, ''])),
    endpoints: { ...carrier.endpoints },
    user_confirmation: true,
    user_can_block: true,
    mms: true,
    mail_on_postpone: true,
    takes_long_texts: false,
    token_hash: false,
  }
}

export function valuesOf(one: Platform, carrier: Carrier): Values {
  const { name, user_confirmation, user_can_block, mms, mail_on_postpone, takes_long_texts, token_hash } = one
  return {
    carrier: one.carrier,
    name,
    credentials: Object.fromEntries(
      carrier.credential_fields.map((field) => [field.name, one.credentials[field.name]?.value ?? '']),
    ),
    endpoints: { ...carrier.endpoints, ...one.endpoints },
    user_confirmation,
    user_can_block,
    mms,
    mail_on_postpone,
    takes_long_texts,
    token_hash,
  }
}

/** Only the addresses that are not the carrier's own; an emptied field goes back to it. */
export function ownEndpoints(values: Values, carrier: Carrier): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values.endpoints).filter(
      ([name, url]) => url.trim() !== '' && url.trim() !== carrier.endpoints[name],
    ),
  )
}

/** The body of a new platform. */
export function bodyOf(values: Values, carrier: Carrier): object {
  return { ...values, endpoints: ownEndpoints(values, carrier) }
}

/** The body of a change: only what differs, so that a switch alone does not count as new credentials. */
export function changesOf(changes: Partial<Values>, values: Values, carrier: Carrier): object {
  const { carrier: _, ...changed } = changes
  return { ...changed, ...(changed.endpoints ? { endpoints: ownEndpoints(values, carrier) } : {}) }
}
