/**
 * Words on screen: ICU messages by typed key, taken apart when the bundle is made (vite.config.ts). English is bundled, what only the portal says with
 * the portal; another language is one file a face, loaded when chosen.
 */
import { IntlMessageFormat, type PrimitiveType } from 'intl-messageformat'

import en from './en.json'
import type portal from './en.portal.json'

export type Key = keyof typeof en | keyof typeof portal
export type Values = Record<string, PrimitiveType>
/** A text without arguments, or the parts of one with them. */
export type Message = string | Extract<ConstructorParameters<typeof IntlMessageFormat>[0], unknown[]>

let messages = en as Record<string, Message>
const formats = new Map<string, IntlMessageFormat>()
let language = 'en'
/** Stays, whatever language the person's settings name. */
let made: string | null = null
const KEY = 'kereru.locale'
/** The customary tag of an invented right-to-left language; dates and numbers come as in Arabic. */
const PSEUDO = 'ar-XB'
const RIGHT_TO_LEFT = /^(ar|dv|fa|he|ku-Arab|ps|sd|ug|ur|yi)(-|$)/

export function t(key: Key, values?: Values): string {
  const message = messages[key] ?? key
  if (typeof message === 'string') return message
  let format = formats.get(key)
  if (!format) {
    format = new IntlMessageFormat(message, language)
    formats.set(key, format)
  }
  return format.format(values) as string
}

/** The words of a face that are not in the shared file. */
export function addMessages(more: Record<string, unknown>): void {
  messages = { ...messages, ...(more as Record<string, Message>) }
}

/** Whether there are words for a key that was put together at run time. */
export function isKey(key: string): key is Key {
  return key in messages
}

/** The language that dates, numbers and the page's direction follow; texts follow where their file exists. */
export function useLanguage(tag: string): void {
  try {
    language = made ?? new Intl.Locale(tag).toString()
  } catch {
    language = 'en'
  }
  formats.clear()
  document.documentElement.lang = language
  document.documentElement.dir = RIGHT_TO_LEFT.test(language) ? 'rtl' : 'ltr'
}

/** Puts the made language in place for this tab where the address asks for it; call before anything is drawn, after all words were added. */
export async function tryMadeLanguage(): Promise<void> {
  let asked = new URLSearchParams(location.search).get('locale')
  try {
    if (asked === null) asked = sessionStorage.getItem(KEY)
    else sessionStorage.setItem(KEY, asked)
  } catch {
    // A forbidden store only means that it lasts as long as the page.
  }
  if (asked !== 'pseudo') return
  const { pseudo } = await import('./pseudo')
  messages = Object.fromEntries(Object.entries(messages).map(([key, message]) => [key, pseudo(message)]))
  made = PSEUDO
  useLanguage(PSEUDO)
}

export function currentLanguage(): string {
  return language
}
