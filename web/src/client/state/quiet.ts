/** Quiet hours: when a text makes neither a sound nor a notice. It is shown, counted and marked as new all the same. */
import type { QuietHours } from '../../shared/api/types'
import { validZone } from '../../shared/i18n/time'

/** Whether `now` lies in them, by the clock of the person's time zone; over midnight where the end comes first, all day where both are the same. */
export function isQuiet({ on, begin, end }: QuietHours, timeZone: string, now: number): boolean {
  if (!on) return false
  const zone = validZone(timeZone)
  const clock = new Intl.DateTimeFormat('en-GB', {
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
    ...(zone ? { timeZone: zone } : {}),
  })
  const time = clock.format(now)
  return begin < end ? begin <= time && time < end : begin <= time || time < end
}
