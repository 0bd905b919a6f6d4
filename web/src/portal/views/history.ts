/** The history log in words: what was done, to what kind of thing, which field. What has no words of its own is shown as the server calls it. */
import { isKey, t } from '../../shared/i18n'

export interface Entry {
  id: string
  at: string
  who: string
  address: string
  via: string
  action: string
  target: { kind: string; id: string; name: string }
  changes: { field: string; before: unknown; after: unknown }[]
  can?: string[]
}

export const KINDS: { id: string; words: () => string }[] = [
  { id: 'user', words: () => t('noun.user') },
  { id: 'portal-account', words: () => t('noun.portal_account') },
  { id: 'group', words: () => t('noun.group') },
  { id: 'reseller', words: () => t('noun.reseller') },
  { id: 'provider', words: () => t('noun.provider') },
  { id: 'platform', words: () => t('noun.platform') },
  { id: 'assignment', words: () => t('noun.number') },
  { id: 'sign-in', words: () => t('noun.sign_in') },
]

const plain = (code: string) => code.replaceAll('_', ' ')
const capital = (text: string) => text.charAt(0).toLocaleUpperCase() + text.slice(1)

/** `portal_account.changed`: "Portal account changed". */
export function actionWords(action: string): string {
  const [noun = '', verb = ''] = action.split('.')
  const word = (family: string, code: string) => {
    const key = `${family}.${code}`
    return isKey(key) ? t(key) : plain(code)
  }
  return capital(t('history.action', { noun: word('noun', noun), verb: word('verb', verb) }))
}

export function fieldWords(field: string): string {
  const key = `changed.${field}`
  return isKey(key) ? t(key) : capital(plain(field))
}

export function valueWords(value: unknown): string {
  if (value === null || value === '') return t('value.none')
  if (value === true) return t('value.on')
  if (value === false) return t('value.off')
  if (typeof value === 'string' || typeof value === 'number') return String(value)
  if (Array.isArray(value)) return value.map(valueWords).join(', ')
  return Object.entries(value as object)
    .map(([name, one]) => `${plain(name)} ${valueWords(one)}`)
    .join(', ')
}
