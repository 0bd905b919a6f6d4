/** Starts the portal. */
import { mount } from 'svelte'

import { addMessages, tryMadeLanguage } from '../shared/i18n'
import words from '../shared/i18n/en.portal.json'
import { preferences } from '../shared/preferences.svelte'
import { loadAnewWhenReplaced } from '../shared/replaced'
import '../shared/ui/tokens.css'
import '../shared/ui/base.css'
import App from './App.svelte'

addMessages(words)
preferences.apply()
loadAnewWhenReplaced()
const target = document.getElementById('app')
if (target) void tryMadeLanguage().then(() => mount(App, { target }))
