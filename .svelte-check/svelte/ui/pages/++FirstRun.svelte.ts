///<reference types="svelte" />
;
import type { StatusView } from '../../node/http/views.ts'
import { account } from '../lib/account.svelte.ts'
import { ApiFailure, messageOf } from '../lib/client.ts'
import Failure from '../parts/Failure.svelte'
import NewPassword from '../parts/NewPassword.svelte'
import Looking from './Looking.svelte';
function $$render() {

  
  
  
  
  
  

  const ASK_EVERY_MS = 1_500
  let status = $state.raw<StatusView | null>(null)
  let failure = $state('')

  async function ask() {
    try {
      status = await account.newcomerStatus()
      failure = ''
    } catch (error) {
      if (error instanceof ApiFailure && (error.status === 401 || error.status === 403)) await account.linkEnded(linkNote())
      else failure = messageOf(error)
    }
  }
  /** Joining a mesh that has people ends the link of this PC: its own account is not needed any more. */
  function linkNote(): string {
    const mesh = status?.mesh?.name
    if (status?.phase === 'looking' || mesh) return `This PC is in ${mesh ?? 'a mesh'} now, which has accounts already. Sign in with yours.`
    return 'This link is used up or of an earlier start. Sign in, or open the link that omega up prints now.'
  }

  $effect(() => {
    void ask()
    const timer = setInterval(() => void ask(), ASK_EVERY_MS)
    return () => clearInterval(timer)
  })
;
async () => {


if(status?.phase === 'looking'){
   { const $$_gnikooL0C = __sveltets_2_ensureComponent(Looking); new $$_gnikooL0C({ target: __sveltets_2_any(), props: {   status,"newcomer":true,"onchanged":ask,}});}
} else if (status?.phase === 'active'){
   { svelteHTML.createElement("div", { "class":`page narrow`,});
     { svelteHTML.createElement("h1", {});   }
     { svelteHTML.createElement("p", { "class":`lead`,});
      status.mesh?.name ?? 'This mesh';    status.name;                  
         
     }
     { const $$_drowssaPweN1C = __sveltets_2_ensureComponent(NewPassword); new $$_drowssaPweN1C({ target: __sveltets_2_any(), props: {    "verb":`Make account and enter`,"send":(name, password) => account.createOwner(name, password),}});}
   }
}else{
   { svelteHTML.createElement("div", { "class":`page`,});
    if(failure){ { const $$_eruliaF1C = __sveltets_2_ensureComponent(Failure); new $$_eruliaF1C({ target: __sveltets_2_any(), props: {    "text":failure,"onretry":ask,}});}}else{ { svelteHTML.createElement("p", {   "class":`dim`,"role":`status`,});       }}
   }
}
};
return { props: {} as Record<string, never>, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const FirstRun__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type FirstRun__SvelteComponent_ = ReturnType<typeof FirstRun__SvelteComponent_>;
/*Ωignore_endΩ*/export default FirstRun__SvelteComponent_;