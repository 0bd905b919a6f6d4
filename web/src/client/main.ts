/** Starts the client. */
import { mount } from 'svelte'

import { tryMadeLanguage } from '../shared/i18n'
import { preferences } from '../shared/preferences.svelte'
import { loadAnewWhenReplaced } from '../shared/replaced'
import '../shared/ui/tokens.css'
import '../shared/ui/base.css'
import App from './App.svelte'

preferences.apply()
await tryMadeLanguage()
loadAnewWhenReplaced()
const target = document.getElementById('app')
if (target) mount(App, { target })
