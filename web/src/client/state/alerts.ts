/** Telling a person who looks elsewhere: a sound, a notice of the system, the window's title, the badge. */
import { t } from '../../shared/i18n'
import type { Sound } from './sounds'

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

/** Plays nothing where the browser does not let us, or cannot fetch the tune just now. */
export async function play(name: Sound): Promise<void> {
  const { sound } = await import('./sounds')
  if (audio?.state === 'running') sound(audio, name)
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

const notices = new Set<Notification>()

/** They hold texts: gone with the session. */
export function closeNotices(): void {
  for (const shown of notices) shown.close()
  notices.clear()
}

export function notice(title: string, body: string, tag: string, open: () => void): void {
  if (!noticesPossible() || Notification.permission !== 'granted') return
  try {
    const shown = new Notification(title, { body, tag, icon: '/icon-192.png', silent: true })
    notices.add(shown)
    shown.onclose = () => notices.delete(shown)
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
