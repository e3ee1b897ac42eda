/** Starts the page. */
import './lib/tokens.css'
import './lib/base.css'
import { mount } from 'svelte'
import App from './App.svelte'
import { account } from './lib/account.svelte.ts'
import { clock } from './lib/clock.svelte.ts'
import { readArrival } from './lib/handover.ts'
import { router } from './lib/router.svelte.ts'
import { theme } from './lib/theme.svelte.ts'

theme.apply()
clock.start()
router.start()
void account.arrive()
// A one-time link that is pasted into an open page changes only the fragment.
window.addEventListener('hashchange', () => {
  if (readArrival(location.hash)) void account.arrive()
})
mount(App, { target: document.getElementById('app') as HTMLElement })
