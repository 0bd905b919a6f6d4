/** Portal accounts, and the four kinds of mail each of them can have switched on (R140). */
import { t } from '../../shared/i18n'

export interface Switches {
  send_technical: boolean
  send_alerts: boolean
  send_invoices: boolean
  send_licence_expiry: boolean
}

export interface Account extends Switches {
  id: string
  name: string
  email: string
  level: string
  organisation_id: string
  organisation: string
  invited: boolean
  second_factor: boolean
  disabled: boolean
  can: string[]
}

export const SWITCHES: { id: keyof Switches; words: () => string; short: () => string; help: () => string }[] = [
  { id: 'send_technical', words: () => t('mails.technical'), short: () => t('mails.technical.short'), help: () => t('mails.technical.help') },
  { id: 'send_alerts', words: () => t('mails.alerts'), short: () => t('mails.alerts.short'), help: () => t('mails.alerts.help') },
  { id: 'send_invoices', words: () => t('mails.invoices'), short: () => t('mails.invoices.short'), help: () => t('mails.invoices.help') },
  { id: 'send_licence_expiry', words: () => t('mails.expiry'), short: () => t('mails.expiry.short'), help: () => t('mails.expiry.help') },
] // prettier-ignore

/** The switches of an account; all off for a new one (R140). */
export function switchesOf(account: Account | null): Switches {
  return {
    send_technical: account?.send_technical ?? false,
    send_alerts: account?.send_alerts ?? false,
    send_invoices: account?.send_invoices ?? false,
    send_licence_expiry: account?.send_licence_expiry ?? false,
  }
}
