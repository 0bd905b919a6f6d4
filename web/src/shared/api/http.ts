/**
 * The one door to the server. Promises: every answer is either the typed body or a thrown Problem; whoever gets a Problem can show its `text` to a
 * person. A network that does not answer is a Problem too (`code` "offline"), so that callers have one kind of failure to think about.
 */
import type {
  Answer,
  AuthenticatorKey,
  Changes,
  ClientSettings,
  Contact,
  ContactDraft,
  Conversation,
  Found,
  Imported,
  Licence,
  LicenceNumber,
  MailLink,
  Message,
  Outgoing,
  Page,
  Preflight,
  Reason,
  Region,
  Session,
  SignedIn,
} from './types'

export const BASE = '/api/v1'

export interface FieldProblem extends Reason {
  field: string
}

export class Problem extends Error {
  override name = 'Problem'

  constructor(
    readonly status: number,
    readonly code: string,
    readonly text: string,
    readonly fields: FieldProblem[] = [],
    readonly retryAfter: number | null = null,
  ) {
    super(text)
  }

  /** The request may be repeated as it is: nothing answered, or the server asked for time. */
  get passing(): boolean {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500
  }
}

interface ProblemBody {
  title?: string
  code?: string
  detail?: string
  fields?: FieldProblem[]
}

async function problemOf(response: Response): Promise<Problem> {
  let body: ProblemBody = {}
  try {
    body = (await response.json()) as ProblemBody
  } catch {
    // A proxy in between may answer with a page of its own.
  }
  const seconds = Number.parseInt(response.headers.get('retry-after') ?? '', 10)
  return new Problem(
    response.status,
    body.code ?? `http_${response.status}`,
    body.detail || body.title || '',
    body.fields ?? [],
    Number.isFinite(seconds) ? seconds : null,
  )
}

export async function call<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  let response: Response
  try {
    response = await fetch(BASE + path, {
      method,
      credentials: 'same-origin',
      cache: 'no-store',
      headers:
        body === undefined
          ? { accept: 'application/json' }
          : { accept: 'application/json', 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    })
  } catch (error) {
    if (signal?.aborted) throw error
    throw new Problem(0, 'offline', '')
  }
  if (!response.ok) throw await problemOf(response)
  if (response.status === 204) return undefined as T
  try {
    return (await response.json()) as T
  } catch (error) {
    if (signal?.aborted) throw error
    // The answer broke off half-way: as if none had come.
    throw new Problem(0, 'offline', '')
  }
}

function query(parameters: Record<string, string | number | null | undefined>): string {
  const set = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined)
  return set.length ? `?${new URLSearchParams(set.map(([key, value]) => [key, String(value)]))}` : ''
}

export const api = {
  session: () => call<Session>('GET', '/session'),
  /** `code`: of the authenticator app, or one for recovery; empty where none was asked for. */
  signIn: (email: string, password: string, code = '') =>
    call<SignedIn>('POST', '/session', { email, password, ...(code ? { code } : {}) }),
  beginSecondFactor: (email: string, password: string) =>
    call<AuthenticatorKey>('POST', '/session/totp/setup', { email, password }),
  askForReset: (email: string) => call<unknown>('POST', '/password-resets', { email }),
  lookAtLink: (token: string) => call<MailLink>('GET', `/password-resets/${encodeURIComponent(token)}`),
  useLink: (token: string, password: string) =>
    call<undefined>('POST', `/password-resets/${encodeURIComponent(token)}`, { password }),
  signOut: () => call<undefined>('DELETE', '/session'),
  licence: () => call<Licence>('GET', '/licence'),
  regions: () => call<Region[]>('GET', '/regions'),
  changeSettings: (changes: Partial<Omit<ClientSettings, 'country_code' | 'language' | 'timezone'>>) =>
    call<ClientSettings>('PATCH', '/settings', changes),
  optIn: (id: string, answer: Answer) => call<LicenceNumber>('POST', `/numbers/${id}/opt-in`, { answer }),
  conversations: (cursor: string | null = null, limit = 50) =>
    call<Page<Conversation>>('GET', `/conversations${query({ cursor, limit })}`),
  conversation: (id: string) => call<Conversation>('GET', `/conversations/${id}`),
  messages: (id: string, cursor: string | null = null, limit = 50) =>
    call<Page<Message>>('GET', `/conversations/${id}/messages${query({ cursor, limit })}`),
  markRead: (id: string, upTo: string | null) =>
    call<Conversation>('POST', `/conversations/${id}/read`, { up_to: upTo }),
  block: (id: string, reason: string) => call<Conversation>('POST', `/conversations/${id}/block`, { reason }),
  unblock: (id: string) => call<Conversation>('DELETE', `/conversations/${id}/block`),
  judge: (id: string, answer: 'stop' | 'dismiss' | 'allow', upTo: string | null) =>
    call<Conversation>('POST', `/conversations/${id}/consent`, { answer, up_to: upTo }),
  markUnread: (id: string) => call<Conversation>('POST', `/conversations/${id}/unread`, {}),
  keepDraft: (id: string, text: string) => call<Conversation>('PUT', `/conversations/${id}/draft`, { text }),
  send: (clientId: string, outgoing: Outgoing) => call<Message>('PUT', `/messages/${clientId}`, outgoing),
  resend: (id: string, attempt: number, despiteUnknown: boolean) =>
    call<Message>('POST', `/messages/${id}/resend`, {
      attempt,
      ...(despiteUnknown ? { despite_unknown: true } : {}),
    }),
  preflight: (outgoing: Outgoing, signal?: AbortSignal) =>
    call<Preflight>('POST', '/messages/preflight', outgoing, signal),
  /** Texts by their words in one conversation or all, newest first; people by number or name. */
  search: (q: string, conversation: string | null = null, cursor: string | null = null, limit = 20) =>
    call<Found>('GET', `/search${query({ q, conversation, cursor, limit })}`),
  contacts: (q: string, which: 'all' | 'personal' | 'colleagues', cursor: string | null = null, limit = 50) =>
    call<Page<Contact>>('GET', `/contacts${query({ q: q || null, which, cursor, limit })}`),
  addContact: (draft: ContactDraft) => call<Contact>('POST', '/contacts', draft),
  changeContact: (id: string, draft: ContactDraft) => call<Contact>('PUT', `/contacts/${id}`, draft),
  deleteContact: (id: string) => call<undefined>('DELETE', `/contacts/${id}`),
  importContacts: (text: string) => call<Imported>('POST', '/contacts/import', { text }),
  changes: (after: string, wait: number, signal?: AbortSignal) =>
    call<Changes>('GET', `/changes${query({ after, wait })}`, undefined, signal),
}

/** A random UUID (version 4). `crypto.randomUUID` is missing where the page came over plain http. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
