/** Words on screen: ICU messages by typed key. English is bundled; another language is one JSON file, loaded when chosen. */
import { IntlMessageFormat, type PrimitiveType } from 'intl-messageformat'

import en from './en.json'

export type Key = keyof typeof en
export type Values = Record<string, PrimitiveType>

const messages: Record<string, string> = en
const formats = new Map<string, IntlMessageFormat>()
let language = 'en'

export function t(key: Key, values?: Values): string {
  const text = messages[key] ?? key
  // Most strings have no argument; parsing them would only cost time.
  if (!values && !text.includes('{') && !text.includes("'")) return text
  let format = formats.get(key)
  if (!format) {
    format = new IntlMessageFormat(text, language)
    formats.set(key, format)
  }
  return format.format(values) as string
}

/** The language that dates, numbers and the page's direction follow; texts follow where their file exists. */
export function useLanguage(tag: string): void {
  try {
    language = new Intl.Locale(tag).toString()
  } catch {
    language = 'en'
  }
  formats.clear()
}

export function currentLanguage(): string {
  return language
}
