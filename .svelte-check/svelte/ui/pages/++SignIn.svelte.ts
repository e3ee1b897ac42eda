///<reference types="svelte" />
;
import { account } from '../lib/account.svelte.ts'
import { Deed } from '../lib/deed.svelte.ts'
import Failure from '../parts/Failure.svelte';
function $$render() {

  
  
  

  let name = $state('')
  let password = $state('')
  const deed = new Deed()

  function submit(event: SubmitEvent) {
    event.preventDefault()
    void deed.run(() => account.signIn(name, password)).then(() => (password = ''))
  }
;
async () => {


 { svelteHTML.createElement("div", { "class":`page narrow`,});
   { svelteHTML.createElement("h1", {});  }
   { svelteHTML.createElement("p", { "class":`lead`,});        }
  if(account.note){ { svelteHTML.createElement("p", {   "class":`note`,"role":`status`,});account.note; }}
  if(account.phase === 'looking'){
     { svelteHTML.createElement("p", { "class":`note`,});
                  { svelteHTML.createElement("code", {});  }             
     }
  }
   { svelteHTML.createElement("form", { "onsubmit":submit,});
     { svelteHTML.createElement("div", { "class":`field`,});
       { svelteHTML.createElement("label", { "for":`name`,});  }
       { svelteHTML.createElement("input", {              "id":`name`,"type":`text`,"autocomplete":`username`,"autocapitalize":`none`,"spellcheck":`false`,"maxlength":64,"required":true,"bind:value":name,});/*Ωignore_startΩ*/() => name = __sveltets_2_any(null);/*Ωignore_endΩ*/}
     }
     { svelteHTML.createElement("div", { "class":`field`,});
       { svelteHTML.createElement("label", { "for":`password`,});  }
       { svelteHTML.createElement("input", {          "id":`password`,"type":`password`,"autocomplete":`current-password`,"maxlength":256,"required":true,"bind:value":password,});/*Ωignore_startΩ*/() => password = __sveltets_2_any(null);/*Ωignore_endΩ*/}
     }
     { const $$_eruliaF2C = __sveltets_2_ensureComponent(Failure); new $$_eruliaF2C({ target: __sveltets_2_any(), props: {  "text":deed.failure,}});}
     { svelteHTML.createElement("div", { "class":`actions`,}); { svelteHTML.createElement("button", {   "class":`primary`,"disabled":deed.busy,});deed.busy ? 'Signing in…' : 'Sign in'; } }
   }
   { svelteHTML.createElement("p", { "class":`hint`,});    { svelteHTML.createElement("code", {});  }         }
 }


};
return { props: {} as Record<string, never>, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const SignIn__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type SignIn__SvelteComponent_ = ReturnType<typeof SignIn__SvelteComponent_>;
/*Ωignore_endΩ*/export default SignIn__SvelteComponent_;