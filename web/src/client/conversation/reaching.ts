/** Going to a text of a conversation that is not on screen yet: everything back to it is fetched, so that nothing is missing in between. */
import type { Message } from '../../shared/api/types'
import { compareIds } from '../../shared/realtime/reducer'
import type { Client } from '../state/client.svelte'

const DAY_MS = 86_400_000
/** R44: nothing older is there. */
const KEPT_DAYS = 90
const PAGE = 200

export function oldestDay(client: Client): string {
  return client.times.dayKey(client.now - KEPT_DAYS * DAY_MS)
}

/** Fetch back to this text; whether it is there. Raises Problem. */
export async function reach(client: Client, id: string, message: string): Promise<boolean> {
  await back(client, id, (oldest) => compareIds(oldest.id, message) <= 0)
  return client.state.threads[id]?.ids.includes(message) ?? false
}

/** The first text of this day, or else the next one after it. Null: nothing since. Raises Problem. */
export async function firstOf(client: Client, id: string, day: string): Promise<Message | null> {
  await back(client, id, (oldest) => client.times.dayKey(oldest.at) < day)
  const { threads, messages } = client.state
  const found = threads[id]?.ids.find((one) => client.times.dayKey(messages[one]?.at ?? 0) >= day)
  return found ? (messages[found] ?? null) : null
}

/** Page by page, until the oldest text that is here is old enough, or the first one of all. */
async function back(client: Client, id: string, enough: (oldest: Message) => boolean): Promise<void> {
  for (;;) {
    const oldest = client.state.messages[client.state.threads[id]?.ids[0] ?? '']
    if (oldest && enough(oldest)) return
    const show = await client.olderMessages(id, PAGE)
    if (!show) return
    show()
  }
}
