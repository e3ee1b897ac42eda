///<reference types="svelte" />
;
import { Deed } from '../lib/deed.svelte.ts'
import Failure from './Failure.svelte';
;

  type Props = { givenName?: string; verb: string; send: (name: string, password: string) => Promise<void> };function $$render() {

  
  

  const { givenName, verb, send }: Props = $props()

  const PASSWORD_MIN = 10
  const deed = new Deed()
  let typedName = $state('')
  let password = $state('')
  let again = $state('')
  let tried = $state(false)
  const name = $derived(givenName ?? typedName.trim().toLowerCase())
  const nameProblem = $derived(
    /^[a-z0-9][a-z0-9._-]{0,31}$/.test(name) ? '' : 'A name has 1 to 32 of a-z 0-9 . _ - and begins with a letter or digit.'
  )
  const passwordProblem = $derived(
    password.length < PASSWORD_MIN ? `A password has at least ${PASSWORD_MIN} characters; this one has ${password.length}.` : ''
  )
  const againProblem = $derived(again === password ? '' : 'The two are not the same.')

  function submit(event: SubmitEvent) {
    event.preventDefault()
    tried = true
    if (!nameProblem && !passwordProblem && !againProblem) void deed.run(() => send(name, password))
  }
;
async () => {


 { svelteHTML.createElement("form", {  "onsubmit":submit,"novalidate":true,});
  if(givenName === undefined){
     { svelteHTML.createElement("div", { "class":`field`,});
       { svelteHTML.createElement("label", { "for":`name`,});  }
       { svelteHTML.createElement("input", {                  "id":`name`,"type":`text`,"autocomplete":`username`,"autocapitalize":`none`,"spellcheck":`false`,"maxlength":32,"bind:value":typedName,"aria-invalid":tried && nameProblem !== '',"aria-describedby":`name-hint`,});/*Ωignore_startΩ*/() => typedName = __sveltets_2_any(null);/*Ωignore_endΩ*/}
       { svelteHTML.createElement("p", {    "id":`name-hint`,"class":`hint`,});tried && nameProblem;tried && nameProblem ? nameProblem : 'What you sign in with, for example your first name.'; }
     }
  }else{
     { svelteHTML.createElement("input", {            "class":`sr`,"type":`text`,"tabindex":-1,"autocomplete":`username`,"value":givenName,"readonly":true,"aria-hidden":`true`,});}
  }
   { svelteHTML.createElement("div", { "class":`field`,});
     { svelteHTML.createElement("label", { "for":`new-password`,});  }
     { svelteHTML.createElement("input", {              "id":`new-password`,"type":`password`,"autocomplete":`new-password`,"maxlength":256,"bind:value":password,"aria-invalid":tried && passwordProblem !== '',"aria-describedby":`password-hint`,});/*Ωignore_startΩ*/() => password = __sveltets_2_any(null);/*Ωignore_endΩ*/}
     { svelteHTML.createElement("p", {    "id":`password-hint`,"class":`hint`,});tried && passwordProblem;tried && passwordProblem ? passwordProblem : `${PASSWORD_MIN} characters or more. A few words are easier to keep than signs.`; }
   }
   { svelteHTML.createElement("div", { "class":`field`,});
     { svelteHTML.createElement("label", { "for":`again`,});  }
     { svelteHTML.createElement("input", {              "id":`again`,"type":`password`,"autocomplete":`new-password`,"maxlength":256,"bind:value":again,"aria-invalid":tried && againProblem !== '',"aria-describedby":`again-hint`,});/*Ωignore_startΩ*/() => again = __sveltets_2_any(null);/*Ωignore_endΩ*/}
     { svelteHTML.createElement("p", {   "id":`again-hint`,"class":`hint failure`,});tried ? againProblem : ''; }
   }
   { const $$_eruliaF1C = __sveltets_2_ensureComponent(Failure); new $$_eruliaF1C({ target: __sveltets_2_any(), props: {  "text":deed.failure,}});}
   { svelteHTML.createElement("div", { "class":`actions`,}); { svelteHTML.createElement("button", {   "class":`primary`,"disabled":deed.busy,});deed.busy ? 'One moment…' : verb; } }
 }


};
return { props: {} as any as Props, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const NewPassword__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type NewPassword__SvelteComponent_ = ReturnType<typeof NewPassword__SvelteComponent_>;
/*Ωignore_endΩ*/export default NewPassword__SvelteComponent_;