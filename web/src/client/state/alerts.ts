/** Telling a person who looks elsewhere: three sounds of our own, a notice of the system, the window's title, the badge. */
import { t } from '../../shared/i18n'
import { preferences } from '../../shared/preferences.svelte'

type Sound = 'arrived' | 'sent' | 'failed'

/** Each sound as notes: frequency in Hz, start and length in seconds. A pigeon's two soft calls, a light tick, a low pair. */
const NOTES: Record<Sound, [hz: number, from: number, length: number][]> = {
  arrived: [
    [587.33, 0, 0.16],
    [880, 0.12, 0.28],
  ],
  sent: [[1174.66, 0, 0.08]],
  failed: [
    [311.13, 0, 0.16],
    [233.08, 0.16, 0.3],
  ],
}
const LOUDNESS = 0.12

let audio: AudioContext | null = null

/** Browsers allow sound only after the person did something; call once. */
export function allowSound(): void {
  const wake = () => {
    audio ??= typeof AudioContext === 'function' ? new AudioContext() : null
    void audio?.resume()
  }
  addEventListener('pointerdown', wake, { once: true })
  addEventListener('keydown', wake, { once: true })
}

export function play(sound: Sound): void {
  if (!audio || audio.state !== 'running') return
  const begin = audio.currentTime + 0.01
  for (const [hz, from, length] of NOTES[sound]) {
    const tone = new OscillatorNode(audio, { type: 'sine', frequency: hz })
    const gain = new GainNode(audio, { gain: 0 })
    gain.gain.setValueAtTime(0, begin + from)
    gain.gain.linearRampToValueAtTime(LOUDNESS, begin + from + 0.012)
    gain.gain.exponentialRampToValueAtTime(0.0001, begin + from + length)
    tone.connect(gain).connect(audio.destination)
    tone.start(begin + from)
    tone.stop(begin + from + length)
  }
}

/** Runs `act` in one window only, where the browser can tell windows apart. */
export async function once(what: string, act: () => void): Promise<void> {
  // Missing over plain http on another machine than this one.
  if (!(navigator as { locks?: LockManager | null }).locks) return act()
  await navigator.locks.request(`kereru.alert.${what}`, { ifAvailable: true }, async (lock) => {
    if (!lock) return
    act()
    await new Promise((done) => setTimeout(done, 1500))
  })
}

export function noticesPossible(): boolean {
  return typeof Notification === 'function'
}

export async function askForNotices(): Promise<boolean> {
  return noticesPossible() && (await Notification.requestPermission()) === 'granted'
}

export function notice(title: string, body: string, tag: string, open: () => void): void {
  if (!noticesPossible() || Notification.permission !== 'granted') return
  try {
    const shown = new Notification(title, { body, tag, icon: '/icon-192.png', silent: true })
    shown.onclick = () => {
      window.focus()
      open()
      shown.close()
    }
  } catch {
    // Phones allow notices from a service worker only.
  }
}

/** Whether somebody has this window in front of them. */
export function lookedAt(): boolean {
  return document.visibilityState === 'visible' && document.hasFocus()
}

/** A text came that nobody watched arrive. */
export function arrived(who: string, text: string, tag: string, looking: boolean, open: () => void): void {
  if (preferences.current.sound) play('arrived')
  if (preferences.current.notices && !looking) notice(who, text, tag, open)
}

let lastUnread = -1

/** Unread in the window's title, its small picture and the app's badge. */
export function showUnread(count: number): void {
  document.title = count ? t('app.title.unread', { count }) : t('app.title')
  if (count === lastUnread) return
  lastUnread = count
  const icon = document.querySelector<HTMLLinkElement>('link[rel="icon"]')
  if (icon) icon.href = count ? '/favicon-unread.svg' : '/favicon.svg'
  if ('setAppBadge' in navigator)
    void (count ? navigator.setAppBadge(count) : navigator.clearAppBadge()).catch(() => undefined)
}
