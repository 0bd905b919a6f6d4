/** The pages about oneself, behind the account menu: one line a page. */
import type { Component } from 'svelte'

import type { Key } from '../shared/i18n'
import type { Portal } from './state/portal.svelte'
import ApiKeys from './views/ApiKeys.svelte'
import Security from './views/Security.svelte'
import Sessions from './views/Sessions.svelte'

export interface OwnPage {
  id: string
  title: Key
  component: Component<{ portal: Portal }>
}

export const own: readonly OwnPage[] = [
  { id: 'security', title: 'own.security', component: Security },
  { id: 'sessions', title: 'own.sessions', component: Sessions },
  { id: 'api-keys', title: 'own.keys', component: ApiKeys },
]
