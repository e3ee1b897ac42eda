///<reference types="svelte" />
;
import type { StatusView } from '../../node/http/views.ts'
import { account } from '../lib/account.svelte.ts'
import { call } from '../lib/client.ts'
import { clock } from '../lib/clock.svelte.ts'
import { Deed } from '../lib/deed.svelte.ts'
import { live } from '../lib/live.svelte.ts'
import { count, countdown, moment } from '../lib/units.ts'
import Copy from '../parts/Copy.svelte'
import Failure from '../parts/Failure.svelte';
;

  type Props = { status: StatusView };;
  type Invite = { invite: string; expiresAt: number; uses: number };function $$render() {

  
  
  
  
  
  
  
  
  

  const { status }: Props = $props()


  const HOUR_MS = 3_600_000
  const DOOR_MS = 600_000
  const LIVES = [
    { ms: HOUR_MS, name: 'one hour' },
    { ms: 24 * HOUR_MS, name: 'one day' },
    { ms: 7 * 24 * HOUR_MS, name: 'one week' }
  ]
  let uses = $state(1)
  let ttlMs = $state(24 * HOUR_MS)
  let invite = $state.raw<Invite | null>(null)
  let shown = $state<HTMLElement>()
  const making = new Deed()
  const opening = new Deed()
  const ownDoor = $derived(status.doors.find((door) => door.peerId === status.peerId && door.untilMs > clock.wall))
  const command = $derived(invite ? `omega up --join ${invite.invite}` : '')

  function make(event: SubmitEvent) {
    event.preventDefault()
    void making.run(async () => (invite = await call<Invite>('POST', '/invites', { uses, ttlMs })))
  }
  function openDoor() {
    return opening.run(async () => {
      await call<StatusView>('POST', '/door', { forMs: DOOR_MS })
      await live.refreshStatus()
    })
  }
;
async () => {


 { svelteHTML.createElement("div", { "class":`page narrow`,});
   { svelteHTML.createElement("p", { "class":`small back`,}); { svelteHTML.createElement("a", {   "class":`link`,"href":`#/nodes`,});  } }
   { svelteHTML.createElement("h1", {});   }
   { svelteHTML.createElement("p", { "class":`lead`,});
          status.mesh?.name ?? 'this mesh';                
   }

  if(!account.mayManage){
     { svelteHTML.createElement("p", { "class":`block`,});            account.user?.name; account.user?.role;  }
  }else{
     { svelteHTML.createElement("section", {   "class":`block`,"aria-labelledby":`door`,});
       { svelteHTML.createElement("h2", { "id":`door`,});     }
       { svelteHTML.createElement("p", {});
                    { svelteHTML.createElement("code", {});  }               
              
       }
       { svelteHTML.createElement("p", { "class":`actions gap`,});
        if(ownDoor){
           { svelteHTML.createElement("span", { "role":`timer`,});       { svelteHTML.createElement("b", {});countdown(ownDoor.untilMs - clock.wall); }           }
        }else{
           { svelteHTML.createElement("button", {       "type":`button`,"class":`primary`,"onclick":openDoor,"disabled":opening.busy,});opening.busy ? 'Opening…' : 'Open the door for 10 minutes'; }
           { svelteHTML.createElement("span", { "class":`dim`,});       }
        }
       }
       { const $$_eruliaF2C = __sveltets_2_ensureComponent(Failure); new $$_eruliaF2C({ target: __sveltets_2_any(), props: {  "text":opening.failure,}});}
     }

     { svelteHTML.createElement("section", {   "class":`block`,"aria-labelledby":`invite`,});
       { svelteHTML.createElement("h2", { "id":`invite`,});        }
       { svelteHTML.createElement("p", {});                }
       { svelteHTML.createElement("form", {   "class":`actions gap`,"onsubmit":make,});
         { svelteHTML.createElement("label", {});  { svelteHTML.createElement("select", { "bind:value":uses,});/*Ωignore_startΩ*/() => uses = __sveltets_2_any(null);/*Ωignore_endΩ*/   for(let n of __sveltets_2_ensureArray(([1, 2, 5, 10, 25]))){n; { svelteHTML.createElement("option", { "value":n,});count(n, 'PC'); }} } }
         { svelteHTML.createElement("label", {});   { svelteHTML.createElement("select", { "bind:value":ttlMs,});/*Ωignore_startΩ*/() => ttlMs = __sveltets_2_any(null);/*Ωignore_endΩ*/   for(let life of __sveltets_2_ensureArray(LIVES)){life.ms; { svelteHTML.createElement("option", { "value":life.ms,});life.name; }} } }
         { svelteHTML.createElement("button", {   "disabled":making.busy,});!invite;making.busy ? 'Making…' : invite ? 'Make another' : 'Make an invite'; }
       }
       { const $$_eruliaF2C = __sveltets_2_ensureComponent(Failure); new $$_eruliaF2C({ target: __sveltets_2_any(), props: {  "text":making.failure,}});}
      if(invite){
         { svelteHTML.createElement("div", {   "class":`made`,"role":`status`,});
           { svelteHTML.createElement("p", {}); { svelteHTML.createElement("b", {});   }  count(invite.uses, 'PC');  moment(invite.expiresAt, clock.wall);     }
           { const $$_pre3 = svelteHTML.createElement("pre", { });shown = $$_pre3; { svelteHTML.createElement("code", {});command; } }
           { svelteHTML.createElement("p", { "class":`actions`,}); { const $$_ypoC4C = __sveltets_2_ensureComponent(Copy); new $$_ypoC4C({ target: __sveltets_2_any(), props: {      "text":() => command,"name":`command`,"selects":shown,}});} }
           { svelteHTML.createElement("p", { "class":`hint`,});       { svelteHTML.createElement("code", {});  }    }
         }
      }
     }
  }
 }


};
return { props: {} as any as Props, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const AddPc__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type AddPc__SvelteComponent_ = ReturnType<typeof AddPc__SvelteComponent_>;
/*Ωignore_endΩ*/export default AddPc__SvelteComponent_;