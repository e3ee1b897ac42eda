///<reference types="svelte" />
;
import { account } from '../lib/account.svelte.ts'
import { find, pages, type Found } from '../lib/find.ts'
import { live } from '../lib/live.svelte.ts'
import { router } from '../lib/router.svelte.ts'
import { theme } from '../lib/theme.svelte.ts';
;

  type Props = { onclose: () => void; onhelp: () => void };function $$render() {

  
  
  
  
  

  const { onclose, onhelp }: Props = $props()

  let text = $state('')
  let at = $state(0)
  let list = $state<HTMLElement>()

  const fixed = $derived<Found[]>([
    ...pages(),
    ...(account.mayRun ? [doing('Start a session', '/sessions/start')] : []),
    ...(account.mayManage ? [doing('Add a PC', '/nodes/add')] : []),
    { id: 'do-theme', kind: 'do', name: 'Change the colours', detail: `now ${theme.name}`, act: () => theme.next() },
    { id: 'do-keys', kind: 'do', name: 'Show the keys', detail: 'help', act: onhelp }
  ])
  const found = $derived(find(text, fixed, live.mesh?.nodes ?? [], live.mesh?.sessions ?? []))
  const chosen = $derived(found[Math.min(at, found.length - 1)])

  function doing(name: string, path: string): Found {
    return { id: `do-${path}`, kind: 'do', name, detail: 'do', path }
  }
  function open(dialog: HTMLDialogElement) {
    dialog.showModal()
  }
  function take(entry: Found | undefined) {
    if (!entry) return
    onclose()
    if (entry.path) router.go(entry.path)
    entry.act?.()
  }
  function onkeydown(event: KeyboardEvent) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step !== undefined && found.length) {
      event.preventDefault()
      at = (Math.min(at, found.length - 1) + step + found.length) % found.length
      list?.children[at]?.scrollIntoView({ block: 'nearest' })
    } else if (event.key === 'Enter') {
      event.preventDefault()
      take(chosen)
    }
  }
;
async () => {


 { svelteHTML.createElement("dialog", {    [Symbol("@attach")]:open,onclose,"aria-label":`Find or do`,});
   { svelteHTML.createElement("input", {                          "type":`text`,"role":`combobox`,"aria-label":`Find or do`,"aria-expanded":`true`,"aria-controls":`found`,"aria-activedescendant":chosen ? `found-${chosen.id}` : undefined,"aria-autocomplete":`list`,"placeholder":`A PC, a session, or what to do`,"autocomplete":`off`,"spellcheck":`false`,"bind:value":text,"oninput":() => (at = 0),onkeydown,});/*Ωignore_startΩ*/() => text = __sveltets_2_any(null);/*Ωignore_endΩ*/}
   { const $$_div1 = svelteHTML.createElement("div", {      "id":`found`,"role":`listbox`,"aria-label":`Found`,});list = $$_div1;
       for(let entry of __sveltets_2_ensureArray(found)){entry.id;
      
       { svelteHTML.createElement("div", {         "id":`found-${entry.id}`,"role":`option`,"tabindex":-1,"aria-selected":entry === chosen,"onclick":() => take(entry),});
         { svelteHTML.createElement("span", { "class":`name`,});entry.name; }  { svelteHTML.createElement("span", { "class":`dim small`,});entry.detail; }
       }
    }
   }
   { svelteHTML.createElement("p", {   "class":`hint`,"role":`status`,});found.length ? '' : `Nothing is named “${text}”.`; }
 }


};
return { props: {} as any as Props, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const Find__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type Find__SvelteComponent_ = ReturnType<typeof Find__SvelteComponent_>;
/*Ωignore_endΩ*/export default Find__SvelteComponent_;