///<reference types="svelte" />
;
import type { Snippet } from 'svelte'
import { Deed } from '../lib/deed.svelte.ts'
import Failure from './Failure.svelte';
;

  type Props = {
    title: string
    verb: string
    refusal: string
    /** Rejects with the reason when it did not happen. */
    act: () => Promise<unknown>
    onclose: () => void
    children: Snippet
  };function $$render() {

  
  
  

  const { title, verb, refusal, act, onclose, children }: Props = $props()
  const deed = new Deed()
  const id = $props.id()

  function open(dialog: HTMLDialogElement) {
    dialog.showModal()
  }
  async function go() {
    if (await deed.run(act)) onclose()
  }
;
async () => {


 { svelteHTML.createElement("dialog", {    [Symbol("@attach")]:open,"aria-labelledby":id,onclose,});
   { svelteHTML.createElement("h2", {id,});title; }
  ;__sveltets_2_ensureSnippet(children());
   { const $$_eruliaF1C = __sveltets_2_ensureComponent(Failure); new $$_eruliaF1C({ target: __sveltets_2_any(), props: {  "text":deed.failure,}});}
   { svelteHTML.createElement("div", { "class":`actions`,});
     { svelteHTML.createElement("button", {       "type":`button`,"class":`warn`,"onclick":go,"disabled":deed.busy,});deed.busy ? 'Asking…' : verb; }
     { svelteHTML.createElement("button", {   "type":`button`,"onclick":onclose,});refusal; }
   }
 }
};
return { props: {} as any as Props, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const Confirm__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type Confirm__SvelteComponent_ = ReturnType<typeof Confirm__SvelteComponent_>;
/*Ωignore_endΩ*/export default Confirm__SvelteComponent_;