///<reference types="svelte" />
;
import type { NodeView, SessionView } from '../../node/http/views.ts'
import { account } from '../lib/account.svelte.ts'
import { call } from '../lib/client.ts'
import { Deed } from '../lib/deed.svelte.ts'
import { drafts } from '../lib/drafts.ts'
import { live } from '../lib/live.svelte.ts'
import { router } from '../lib/router.svelte.ts'
import { sessionPath } from '../lib/routes.ts'
import { check, readForm } from '../lib/start.ts'
import { coresOf, memory } from '../lib/units.ts'
import { nodeWord, RESTART_WORDS } from '../lib/words.ts'
import Failure from '../parts/Failure.svelte';
;

  type Props = { nodes: readonly NodeView[] };function $$render() {

  
  
  
  
  
  
  
  
  
  
  
  

  const { nodes }: Props = $props()
  const DRAFT = 'start'
  let form = $state(readForm(drafts.get(DRAFT)))
  let tried = $state(false)
  const deed = new Deed()
  const checked = $derived(check(form, nodes))
  const problems = $derived(tried ? checked.problems : {})

  $effect(() => drafts.set(DRAFT, form.command === '' && form.key === '' ? '' : JSON.stringify(form)))

  function submit(event: SubmitEvent) {
    event.preventDefault()
    tried = true
    const { order } = checked
    if (!order) return
    form.key ||= newKey()
    void deed.run(async () => {
      const { session } = await call<{ session: SessionView }>('POST', '/sessions', order, { 'idempotency-key': form.key })
      live.putSession(session)
      form = readForm('')
      drafts.set(DRAFT, '')
      router.go(sessionPath(session.id))
    })
  }
  /** Another order needs another key. */
  function changed() {
    form.key = ''
  }
  function newKey(): string {
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
  }
  function gives(node: NodeView): string {
    if (node.state !== 'alive' || node.offer?.paused) return nodeWord(node).word
    return node.offer ? `gives ${coresOf(node.offer.cpuMilli / 1000)}, ${memory(node.offer.memoryBytes)}` : 'not told yet what it gives'
  }
;
async () => {


 { svelteHTML.createElement("div", { "class":`page narrow`,});
   { svelteHTML.createElement("p", { "class":`small back`,}); { svelteHTML.createElement("a", {   "class":`link`,"href":`#/sessions`,});  } }
   { svelteHTML.createElement("h1", {});   }
   { svelteHTML.createElement("p", { "class":`lead`,});                { svelteHTML.createElement("span", { "class":`dim`,});       { svelteHTML.createElement("code", {});  }   } }

  if(!account.mayRun){
     { svelteHTML.createElement("p", { "class":`block`,});     account.user?.name; account.user?.role;            }
  }else{
     { svelteHTML.createElement("form", {      "class":`block`,"onsubmit":submit,"oninput":changed,"novalidate":true,});
       { svelteHTML.createElement("div", { "class":`field`,});
         { svelteHTML.createElement("label", { "for":`command`,});  }
         { svelteHTML.createElement("textarea", {                   "id":`command`,"class":`mono`,"rows":2,"spellcheck":`false`,"autocapitalize":`none`,"autocomplete":`off`,"placeholder":`ffmpeg -i in.mkv out.mp4`,"bind:value":form.command,"aria-invalid":problems.command !== undefined,"aria-describedby":`command-hint`,});/*Ωignore_startΩ*/() => form.command = __sveltets_2_any(null);/*Ωignore_endΩ*/ }
         { svelteHTML.createElement("p", {    "id":`command-hint`,"class":`hint`,});problems.command;problems.command ?? checked.reading; }
         { svelteHTML.createElement("label", { "class":`check`,}); { svelteHTML.createElement("input", {    "type":`checkbox`,"bind:checked":form.shell,});/*Ωignore_startΩ*/() => form.shell = __sveltets_2_any(null);/*Ωignore_endΩ*/}              }
       }
       { svelteHTML.createElement("div", { "class":`row`,});
         { svelteHTML.createElement("div", { "class":`field`,});
           { svelteHTML.createElement("label", { "for":`on`,});  }
           { svelteHTML.createElement("select", {       "id":`on`,"bind:value":form.node,"aria-invalid":problems.node !== undefined,"aria-describedby":`on-hint`,});/*Ωignore_startΩ*/() => form.node = __sveltets_2_any(null);/*Ωignore_endΩ*/
             { svelteHTML.createElement("option", {"value":"",});    }
               for(let node of __sveltets_2_ensureArray(nodes.filter((n) => n.state !== 'left'))){node.peerId; { svelteHTML.createElement("option", { "value":node.name,});node.name; gives(node);  }}
            if(problems.node){ { svelteHTML.createElement("option", { "value":form.node,});form.node; }}
           }
           { svelteHTML.createElement("p", {   "id":`on-hint`,"class":`hint failure`,});problems.node ?? ''; }
         }
         { svelteHTML.createElement("div", { "class":`field`,});
           { svelteHTML.createElement("label", { "for":`cores`,});  }
           { svelteHTML.createElement("input", {              "id":`cores`,"type":`text`,"inputmode":`decimal`,"autocomplete":`off`,"bind:value":form.cores,"aria-invalid":problems.cores !== undefined,"aria-describedby":`cores-hint`,});/*Ωignore_startΩ*/() => form.cores = __sveltets_2_any(null);/*Ωignore_endΩ*/}
           { svelteHTML.createElement("p", {   "id":`cores-hint`,"class":`hint failure`,});problems.cores ?? ''; }
         }
         { svelteHTML.createElement("div", { "class":`field`,});
           { svelteHTML.createElement("label", { "for":`ram`,});  }
           { svelteHTML.createElement("input", {            "id":`ram`,"type":`text`,"autocomplete":`off`,"bind:value":form.memory,"aria-invalid":problems.memory !== undefined,"aria-describedby":`ram-hint`,});/*Ωignore_startΩ*/() => form.memory = __sveltets_2_any(null);/*Ωignore_endΩ*/}
           { svelteHTML.createElement("p", {   "id":`ram-hint`,"class":`hint failure`,});problems.memory ?? ''; }
         }
       }
       { svelteHTML.createElement("fieldset", {});
         { svelteHTML.createElement("legend", { "class":`label`,});   }
           for(let [value, words] of __sveltets_2_ensureArray(Object.entries(RESTART_WORDS))){value;
           { svelteHTML.createElement("label", { "class":`check`,}); { svelteHTML.createElement("input", {      "type":`radio`,"name":`restart`,value,});form.restart = __sveltets_2_any(null);} words; }
        }
       }
       { svelteHTML.createElement("div", {   "role":`status`,"class":`notes`,});   for(let note of __sveltets_2_ensureArray(checked.notes)){note; { svelteHTML.createElement("p", { "class":`warn`,});note; }} }
       { const $$_eruliaF2C = __sveltets_2_ensureComponent(Failure); new $$_eruliaF2C({ target: __sveltets_2_any(), props: {  "text":deed.failure,}});}
       { svelteHTML.createElement("div", { "class":`actions`,}); { svelteHTML.createElement("button", {   "class":`primary`,"disabled":deed.busy,});deed.busy ? 'Asking for room…' : 'Start'; } }
     }
  }
 }


};
return { props: {} as any as Props, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const Start__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type Start__SvelteComponent_ = ReturnType<typeof Start__SvelteComponent_>;
/*Ωignore_endΩ*/export default Start__SvelteComponent_;