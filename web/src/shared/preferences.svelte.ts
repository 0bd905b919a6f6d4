/** Each person's own switches in this browser: theme, density, sounds, notices. Applied to the page as soon as they change. */
import * as v from 'valibot'

import { recall, remember } from './store'

/** How the activity list shares out its width among its columns. */
export const COLUMNS = [5, 4, 3, 4]
const KEY = 'kereru.preferences'
const Schema = v.object({
  theme: v.optional(v.picklist(['system', 'light', 'dark']), 'system'),
  density: v.optional(v.picklist(['comfortable', 'compact']), 'comfortable'),
  sound: v.optional(v.boolean(), true),
  arrival: v.optional(v.picklist(['calls', 'drop', 'bell', 'wood', 'rise', 'dusk']), 'calls'),
  notices: v.optional(v.boolean(), false),
  details: v.optional(v.boolean(), true),
  list: v.optional(v.number(), 0),
  columns: v.optional(v.pipe(v.array(v.pipe(v.number(), v.minValue(1))), v.length(COLUMNS.length)), COLUMNS),
  gridlines: v.optional(v.boolean(), false),
})
export type Preferences = v.InferOutput<typeof Schema>

const DEFAULTS = v.parse(Schema, {})

class Held {
  current = $state.raw<Preferences>(recall(KEY, Schema, DEFAULTS))

  set(change: Partial<Preferences>): void {
    this.current = { ...this.current, ...change }
    remember(KEY, this.current)
    this.apply()
  }

  apply(): void {
    const { theme, density } = this.current
    const root = document.documentElement
    if (theme === 'system') delete root.dataset.theme
    else root.dataset.theme = theme
    if (density === 'compact') root.dataset.density = 'compact'
    else delete root.dataset.density
  }
}

export const preferences = new Held()
