///<reference types="svelte" />
;
import { account } from '../lib/account.svelte.ts'
import { Deed } from '../lib/deed.svelte.ts'
import { live } from '../lib/live.svelte.ts'
import { router } from '../lib/router.svelte.ts'
import { TABS, tabOf } from '../lib/routes.ts'
import { theme } from '../lib/theme.svelte.ts'
import Failure from './Failure.svelte';
;

  type Props = { onfind: () => void; onhelp: () => void };function $$render() {

  
  
  
  
  
  
  

  const { onfind, onhelp }: Props = $props()
  const here = $derived(tabOf(router.route))
  const leaving = new Deed()

  /** The address is the route: a plain link to #main would leave the page. */
  function toMain(event: MouseEvent) {
    event.preventDefault()
    document.getElementById('main')?.focus()
  }
;
async () => {


 { svelteHTML.createElement("header", {});
   { svelteHTML.createElement("a", {     "class":`skip`,"href":`#/`,"onclick":toMain,});   }
   { svelteHTML.createElement("a", {   "class":`mark`,"href":`#/`,}); { svelteHTML.createElement("span", { "aria-hidden":`true`,});  }  }
  if(live.mesh){
     { svelteHTML.createElement("nav", { "aria-label":`Main`,});
         for(let tab of __sveltets_2_ensureArray(TABS)){tab.page; { svelteHTML.createElement("a", {   "href":`#${tab.path}`,"aria-current":here === tab.page ? 'page' : undefined,});tab.name; }}
     }
  }else{ { svelteHTML.createElement("span", { "class":`space`,}); }}
  if(live.mesh){
     { svelteHTML.createElement("button", {       "type":`button`,"class":`find`,"onclick":onfind,"aria-keyshortcuts":`Control+K /`,}); { svelteHTML.createElement("span", {});   }  { svelteHTML.createElement("kbd", {});  } }
  }
   { svelteHTML.createElement("button", {     "type":`button`,"onclick":() => theme.next(),"title":`Colours: auto, dark or light`,});
     { svelteHTML.createElement("span", { "class":`sr`,});  }  { svelteHTML.createElement("span", { "class":`theme`,});theme.name; }
   }
  if(account.user){
     { svelteHTML.createElement("button", {   "type":`button`,"popovertarget":`account`,});account.user.name; }
     { svelteHTML.createElement("div", {   "popover":`auto`,"id":`account`,});
       { svelteHTML.createElement("p", {}); { svelteHTML.createElement("b", {});account.user.name; }  { svelteHTML.createElement("span", { "class":`dim`,});account.user.role; } }
       { svelteHTML.createElement("p", { "class":`small dim`,});  live.servedBy;if(live.mesh?.status.version){  live.mesh.status.version;} }
       { svelteHTML.createElement("div", { "class":`actions`,});
         { svelteHTML.createElement("button", {       "type":`button`,"onclick":onhelp,"popovertarget":`account`,"popovertargetaction":`hide`,});  }
         { svelteHTML.createElement("button", {     "type":`button`,"onclick":() => leaving.run(() => account.signOut()),"disabled":leaving.busy,});  }
       }
       { const $$_eruliaF2C = __sveltets_2_ensureComponent(Failure); new $$_eruliaF2C({ target: __sveltets_2_any(), props: {  "text":leaving.failure,}});}
     }
  }
 }


};
return { props: {} as any as Props, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const Head__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type Head__SvelteComponent_ = ReturnType<typeof Head__SvelteComponent_>;
/*Ωignore_endΩ*/export default Head__SvelteComponent_;