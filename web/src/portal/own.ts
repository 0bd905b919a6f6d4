/** The pages about oneself, behind the account menu: one line a page. */
import type { Component } from 'svelte'

import type { Key } from '../shared/i18n'
import type { Portal } from './state/portal.svelte'
import Sessions from './views/Sessions.svelte'

export interface OwnPage {
  id: string
  title: Key
  component: Component<{ portal: Portal }>
}

export const own: readonly OwnPage[] = [{ id: 'sessions', title: 'own.sessions', component: Sessions }]
