/**
 * Holds the hand-written types to the API's own description (`schema.ts` is made from it): same fields, and values that fit. Compiled by
 * `make lint`, never run. The hand-written ones may be narrower, where a text can only be one of a few words.
 */
import type { components } from './schema'
import type * as ours from './types'

type Theirs = components['schemas']
/** `true` when both have the same fields and ours fit theirs; else a name that says what is wrong. */
type Same<Ours, Api> =
  Exclude<keyof Api, keyof Ours> extends never
    ? Exclude<keyof Ours, keyof Api> extends never
      ? Ours extends Api
        ? true
        : 'a value does not fit'
      : 'fields the API does not have'
    : 'fields that are missing here'

export const checked: [
  Same<ours.Reason, Theirs['messaging_reasons_Reason']>,
  Same<ours.Role, Theirs['SessionRole']>,
  Same<ours.Session, Theirs['Session']>,
  Same<ours.SignedIn, Theirs['SignedIn']>,
  Same<ours.AuthenticatorKey, Theirs['SetUp']>,
  Same<ours.MailLink, Theirs['LinkShown']>,
  Same<ours.LicenceNumber, Theirs['LicenceNumber']>,
  Same<ours.ClientSettings, Theirs['LicenceSettings']>,
  Same<ours.Region, Theirs['Region']>,
  Same<ours.Licence, Theirs['Licence']>,
  Same<ours.OwnNumber, Theirs['ConversationNumber']>,
  Same<ours.Message, Theirs['Message']>,
  Same<ours.Conversation, Theirs['Conversation']>,
  Same<ours.Culprit, Theirs['Culprit']>,
  Same<ours.Outgoing, Theirs['DraftBody']>,
  Same<ours.Contact, Theirs['Contact']>,
  Same<ours.ContactNumber, Theirs['ContactNumber']>,
  Same<ours.Imported, Theirs['Imported']>,
  Same<ours.Preflight, Theirs['Preflight']>,
  Same<ours.Change, Theirs['PresentedChange']>,
  Same<ours.Changes, Theirs['ChangePage']>,
  Same<ours.Found, Theirs['SearchPage']>,
] = [
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
  true,
]
