/** What this browser remembers. Promises: damaged or foreign content reads as the default; a full or forbidden store never breaks the page. */
import * as v from 'valibot'

export function recall<T>(key: string, schema: v.GenericSchema<unknown, T>, otherwise: T): T {
  try {
    const text = localStorage.getItem(key)
    const read = v.safeParse(schema, text === null ? undefined : JSON.parse(text))
    return read.success ? read.output : otherwise
  } catch {
    return otherwise
  }
}

/** Runs `changed` whenever another window of this browser has remembered something under `key`; answers how to stop that. */
export function whenRemembered(key: string, changed: () => void): () => void {
  const heard = (event: StorageEvent) => (event.key === key ? changed() : undefined)
  addEventListener('storage', heard)
  return () => removeEventListener('storage', heard)
}

export function remember(key: string, value: unknown): void {
  try {
    localStorage.setItem(key, JSON.stringify(value))
  } catch {
    // Private windows may forbid it; then it lasts as long as the page.
  }
}
