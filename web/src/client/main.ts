/** Starts the client. */
import { mount } from 'svelte'

import { tryMadeLanguage } from '../shared/i18n'
import { preferences } from '../shared/preferences.svelte'
import { loadAnewWhenReplaced } from '../shared/replaced'
import '../shared/ui/tokens.css'
import '../shared/ui/base.css'
import App from './App.svelte'

preferences.apply()
loadAnewWhenReplaced()
// What waits at the top of a module keeps the bundler from joining what every page needs: forty files instead of seven.
const target = document.getElementById('app')
if (target) void tryMadeLanguage().then(() => mount(App, { target }))
