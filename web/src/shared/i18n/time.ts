/** One way to write a time: 10:42 today, Tue 10:42 this week, 12 Mar this year, 12 Mar 2025 before; in the person's own time zone. */

export interface TimeWriter {
  /** Short, for lists. */
  short: (iso: string, now: number) => string
  /** Hours and minutes, beside a bubble. */
  clock: (iso: string) => string
  /** A day separator: Today, Yesterday, Tuesday 12 March, 12 March 2025 where the year is not this one. */
  day: (iso: string, now: number) => string
  /** Day and second, for logs. */
  stamp: (iso: string) => string
  /** In full, for tool tips. */
  full: (iso: string) => string
  /** Equal for instants of one day, and of one minute. */
  dayKey: (iso: string | number) => string
  minuteKey: (iso: string) => string
}

const DAY = 86_400_000

export function timeWriter(language: string, timeZone: string | undefined): TimeWriter {
  const zone = validZone(timeZone)
  const make = (options: Intl.DateTimeFormatOptions) => {
    const format = new Intl.DateTimeFormat(language === 'en' || language === 'en-US' ? 'en-GB' : language, {
      ...options,
      ...(zone ? { timeZone: zone } : {}),
    })
    return (at: string | number) => format.format(new Date(at))
  }
  const clock = make({ hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })
  const weekday = make({ weekday: 'short' })
  const dayMonth = make({ day: 'numeric', month: 'short' })
  const dated = make({ day: 'numeric', month: 'short', year: 'numeric' })
  const longDay = make({ weekday: 'long', day: 'numeric', month: 'long' })
  const longDated = make({ day: 'numeric', month: 'long', year: 'numeric' })
  const full = make({ dateStyle: 'full', timeStyle: 'medium', hourCycle: 'h23' })
  const stamp = make({ dateStyle: 'medium', timeStyle: 'medium', hourCycle: 'h23' })
  const year = make({ year: 'numeric' })
  const keyFormat = new Intl.DateTimeFormat('en-CA', {
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    ...(zone ? { timeZone: zone } : {}),
  })
  const dayKey = (at: string | number) => keyFormat.format(new Date(at))
  const relative = new Intl.RelativeTimeFormat(language, { numeric: 'auto' })
  const capital = (text: string) => text.charAt(0).toLocaleUpperCase(language) + text.slice(1)

  return {
    clock,
    full,
    stamp,
    dayKey,
    minuteKey: (iso) => `${dayKey(iso)} ${clock(iso)}`,
    short(iso, now) {
      if (dayKey(iso) === dayKey(now)) return clock(iso)
      const age = now - Date.parse(iso)
      if (age >= 0 && age < 6 * DAY) return `${weekday(iso)} ${clock(iso)}`
      return year(iso) === year(now) ? dayMonth(iso) : dated(iso)
    },
    day(iso, now) {
      if (dayKey(iso) === dayKey(now)) return capital(relative.format(0, 'day'))
      if (dayKey(iso) === dayKey(now - DAY)) return capital(relative.format(-1, 'day'))
      return year(iso) === year(now) ? longDay(iso) : longDated(iso)
    },
  }
}

/** The zone if this browser knows it; without one its own counts. */
export function validZone(zone: string | undefined): string | undefined {
  try {
    return zone ? new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone : undefined
  } catch {
    return undefined
  }
}
