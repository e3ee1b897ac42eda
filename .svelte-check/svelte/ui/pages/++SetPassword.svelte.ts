///<reference types="svelte" />
;
import { account } from '../lib/account.svelte.ts'
import NewPassword from '../parts/NewPassword.svelte';
function $$render() {

  
  
;
async () => {


 { svelteHTML.createElement("div", { "class":`page narrow`,});
   { svelteHTML.createElement("h1", {}); account.invited;  }
   { svelteHTML.createElement("p", { "class":`lead`,});              }
   { const $$_drowssaPweN1C = __sveltets_2_ensureComponent(NewPassword); new $$_drowssaPweN1C({ target: __sveltets_2_any(), props: {      "givenName":account.invited,"verb":`Set password and enter`,"send":(_, password) => account.setPassword(password),}});}
 }
};
return { props: {} as Record<string, never>, exports: {}, bindings: "", slots: {}, events: {} }}
const SetPassword__SvelteComponent_ = __sveltets_2_isomorphic_component(__sveltets_2_with_any_event($$render()));
/*Ωignore_startΩ*/type SetPassword__SvelteComponent_ = InstanceType<typeof SetPassword__SvelteComponent_>;
/*Ωignore_endΩ*/export default SetPassword__SvelteComponent_;