/**
 * The tabs of each level, in the order of the documents (R187 to R189, R201): one line a tab. A tab that is not built has no line.
 * A component gets `portal`, `place` and `rest`: what stands in the address after the tab, such as the id of something opened in it.
 */
import type { Component } from 'svelte'

import type { Key } from '../shared/i18n'
import type { Level } from './api'
import Numbers from './numbers/Numbers.svelte'
import Platforms from './platforms/Platforms.svelte'
import type { Place, Portal } from './state/portal.svelte'
import Accounts from './views/Accounts.svelte'
import Details from './views/Details.svelte'
import History from './views/History.svelte'
import MessageLog from './views/MessageLog.svelte'
import Organisations from './views/Organisations.svelte'
import Users from './views/Users.svelte'

export interface TabProps {
  portal: Portal
  place: Place
  rest: string[]
}

export interface Tab {
  id: string
  title: Key
  levels: readonly Level[]
  component: Component<TabProps>
}

const ORGANISATIONS = ['provider', 'reseller', 'group'] as const
const EVERYWHERE = [...ORGANISATIONS, 'user'] as const

export const tabs: readonly Tab[] = [
  { id: 'details', title: 'tab.details', levels: EVERYWHERE, component: Details },
  { id: 'accounts', title: 'tab.accounts', levels: ORGANISATIONS, component: Accounts },
  { id: 'resellers', title: 'tab.resellers', levels: ['provider'], component: Organisations },
  { id: 'groups', title: 'tab.groups', levels: ['reseller'], component: Organisations },
  { id: 'users', title: 'tab.users', levels: ['group'], component: Users },
  { id: 'numbers', title: 'tab.numbers', levels: EVERYWHERE, component: Numbers },
  { id: 'platforms', title: 'tab.platforms', levels: ['provider'], component: Platforms },
  { id: 'history', title: 'tab.history', levels: EVERYWHERE, component: History },
  { id: 'message-log', title: 'tab.message-log', levels: EVERYWHERE, component: MessageLog },
]

export function tabsOf(level: Level): Tab[] {
  return tabs.filter((tab) => tab.levels.includes(level))
}
