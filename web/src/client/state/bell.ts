/** What tells of an arriving text: a sound and a notice, each as the person wants it (R36), in one window of a browser only, and not in quiet hours. */
import type { ClientSettings } from '../../shared/api/types'
import { preferences } from '../../shared/preferences.svelte'
import { notice, once, play } from './alerts'
import { isQuiet } from './quiet'

export interface Arrived {
  /** The text's id, by which a browser's windows agree on which of them rings. */
  id: string
  who: string
  text: string
  conversation: string
  /** Somebody looks at a window of this browser: no notice pops up over it. */
  looking: boolean
  open: () => void
}

export class Bell {
  constructor(private readonly settings: () => ClientSettings | undefined) {}

  private get quiet(): boolean {
    const settings = this.settings()
    return settings !== undefined && isQuiet(settings.quiet_hours, settings.timezone, Date.now())
  }

  private get audible(): boolean {
    return preferences.current.sound && !this.quiet
  }

  arrived({ id, who, text, conversation, looking, open }: Arrived): void {
    // By the hour at which it comes, not the one at which the windows have agreed.
    const { audible, quiet } = this
    void once(id, () => {
      if (audible) void play(preferences.current.arrival)
      if (preferences.current.notices && !looking && !quiet) notice(who, text, conversation, open)
    })
  }

  sent(): void {
    if (this.audible) void play('sent')
  }

  failed(): void {
    if (this.audible) void once('failed', () => void play('failed'))
  }
}
