/** The shapes of /api/v1 that the web application uses. Ids are decimal strings, times ISO 8601 in UTC. */

import type { components } from './schema'

/** A file that was sent, that came, or that waits to be sent. */
export type Attachment = components['schemas']['Attachment']
/** What may be uploaded, and what each number sends as MMS. */
export type Limits = components['schemas']['Limits']
/** How one file of a draft would travel. */
export type FileRoute = components['schemas']['FileRoute']

export type Direction = 'in' | 'out'
export type Encoding = 'gsm7' | 'ucs2'
export type Status =
  'queued' | 'sending' | 'sent' | 'delivered' | 'undelivered' | 'failed' | 'expired' | 'unknown' | 'received'
export type OptIn = 'not_needed' | 'pending' | 'opted_in' | 'opted_out' | 'postponed'
export type Answer = 'yes' | 'no' | 'cancel'

export interface Reason {
  code: string
  text: string
}

export interface Role {
  level: 'provider' | 'reseller' | 'group'
  organisation_id: string
  organisation: string
}

export interface Person {
  id: string
  name: string
  email: string
}

export interface Session {
  email: string
  user: (Person & { language: string; timezone: string; region: string }) | null
  roles: Role[]
  can: string[]
}

/** The answer to a sign-in; recovery codes where it has ended the set-up of a second factor. */
export interface SignedIn extends Session {
  recovery_codes: string[]
}

export interface AuthenticatorKey {
  secret: string
  uri: string
}

/** Whom a link of a mail is for. */
export interface MailLink {
  kind: string
  email: string
}

export interface LicenceNumber {
  id: string
  number: string
  display: string
  friendly_name: string
  messaging_type: 'sms' | 'mms_sms'
  opt_in: OptIn
  ask: boolean
  can: string[]
  /** False only in a change that takes the number away. */
  assigned: boolean
}

export interface ClientSettings {
  region: string
  country_code: string
  exclude_leading_zero: boolean
  language: string
  timezone: string
  /** Whether any number may be texted, or only those known to be mobile (R23, R25). */
  any_number: boolean
  text_windows: Windows
  chat_windows: Windows
  quiet_hours: QuietHours
}

/** Conversations sit in the main window, or each has a window of its own (R33, R34). */
export type Windows = 'docked' | 'windows'
/** No sound and no notice from `begin` until `end`, hours and minutes in the user's time zone. */
export type QuietHours = components['schemas']['QuietHours']

/** A stretch of a text that was looked for; code points from 0. */
export type TextMark = components['schemas']['Mark']

/** What a search found: texts, newest first, with the conversations they stand in; people on the first page. */
export interface Found {
  items: { message: Message; marks: TextMark[] }[]
  next: string | null
  conversations: Conversation[]
  people: Conversation[]
}

/** A country that numbers can be typed for without its code. */
export interface Region {
  region: string
  country_code: string
}

export interface Licence {
  user: Person
  product: 'desktop' | 'agent' | 'supervisor' | 'reception' | null
  numbers: LicenceNumber[]
  settings: ClientSettings
  cursor: string
  can: string[]
}

export interface OwnNumber {
  id: string
  number: string
  display: string
  friendly_name: string
}

export interface Message {
  id: string
  client_id: string | null
  conversation_id: string
  direction: Direction
  text: string
  status: Status
  reason: Reason | null
  at: string
  encoding: Encoding
  segments: number
  attempt: number
  arrived_before: boolean
  cut_to: string | null
  /** How it travelled: a text, a text with pictures, or a text with links to files. */
  kind: 'sms' | 'mms' | 'sms_link'
  attachments: Attachment[]
  /** What an inbound text is to consent; `review`: its writer may want no more texts. */
  consent: 'stop' | 'start' | 'help' | 'review' | 'dismissed' | 'agreed' | null
  /** Sent by the server itself, as the answer to this. */
  automatic: 'help' | null
  version: number
  can: string[]
}

export interface Stopped {
  at: string
  by: 'person' | 'carrier' | 'colleague'
}

export interface Conversation {
  id: string
  number: OwnNumber
  number_id: string
  remote: string
  remote_display: string
  name: string | null
  name_source: string | null
  unread: number
  last_message: Message | null
  last_at: string
  blocked: boolean
  /** The other side wants no more texts from the whole group. */
  stopped: Stopped | null
  /** What was begun to be written, on any device. */
  draft: string
  version: number
  can: string[]
}

export type NumberKind = 'mobile' | 'work' | 'home' | 'fax' | 'pager' | 'other'

export interface ContactNumber {
  number: string
  display: string
  kind: NumberKind
  /** A colleague's own name for it. */
  label: string
  can: string[]
}

/** Somebody as this person sees them: a contact of their own, or a colleague of the group. */
export interface Contact {
  id: string
  source: 'personal' | 'colleague'
  name: string
  organisation: string
  email: string
  note: string
  numbers: ContactNumber[]
  can: string[]
}

export interface ContactDraft {
  name: string
  organisation: string
  email: string
  note: string
  numbers: { number: string; kind: NumberKind }[]
}

/** What a file of contacts brought. */
export interface Imported {
  added: number
  changed: number
  unchanged: number
  skipped: string[]
}

export interface Page<T> {
  items: T[]
  next: string | null
}

export interface Change {
  feed: string
  position: number
  kind:
    'message.received' | 'message.queued' | 'message.changed' | 'conversation.read' | 'number.changed' | (string & {})
  version: number
  message: Message | null
  conversation: Conversation | null
  licence_number: LicenceNumber | null
}

export interface Changes {
  items: Change[]
  cursor: string
  resync: boolean
}

export interface Culprit {
  character: string
  position: number
  plain: string | null
}

export interface Outgoing {
  number_id: string
  to: string
  text: string
  attachments: string[]
}

export interface Preflight {
  to: string | null
  to_display: string | null
  encoding: Encoding
  segments: number
  units: number
  per_segment: number
  left: number
  culprits: Culprit[]
  kind: 'sms' | 'mms' | 'sms_link'
  verdict: 'ok' | 'warn' | 'stop'
  reasons: Reason[]
  conversation_id: string | null
  files: FileRoute[]
}
