/** Starts the client. */
import { mount } from 'svelte'

import { preferences } from '../shared/preferences.svelte'
import { loadAnewWhenReplaced } from '../shared/replaced'
import '../shared/ui/tokens.css'
import '../shared/ui/base.css'
import App from './App.svelte'

preferences.apply()
loadAnewWhenReplaced()
const target = document.getElementById('app')
if (target) mount(App, { target })
