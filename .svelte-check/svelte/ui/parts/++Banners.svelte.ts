///<reference types="svelte" />
;
import { account } from '../lib/account.svelte.ts'
import { call } from '../lib/client.ts'
import { clock } from '../lib/clock.svelte.ts'
import { Deed } from '../lib/deed.svelte.ts'
import { live } from '../lib/live.svelte.ts'
import { span } from '../lib/units.ts'
import Door from './Door.svelte'
import Failure from './Failure.svelte';
function $$render() {

  
  
  
  
  
  
  
  

  const status = $derived(live.mesh?.status)
  const resume = new Deed()

  function resumeHere() {
    return resume.run(async () => {
      await call('POST', '/resume', {})
      await live.refreshStatus()
    })
  }
;
async () => {


 { svelteHTML.createElement("section", {   "class":`banners`,"aria-label":`Notices`,});
   { svelteHTML.createElement("div", {   "role":`status`,"aria-live":`polite`,});
    if(live.moving){
       { svelteHTML.createElement("p", { "class":`banner warn`,}); { svelteHTML.createElement("b", {});live.servedBy;   }    live.moving;  }
    } else if (live.wayOut){
       { svelteHTML.createElement("p", { "class":`banner warn`,}); { svelteHTML.createElement("b", {});live.servedBy;      }            }
       { svelteHTML.createElement("a", {   "class":`button primary go`,"href":live.wayOut.href,});   live.wayOut.member.name; }
    } else if (live.lostSince !== null){
       { svelteHTML.createElement("p", { "class":`banner warn`,});
         { svelteHTML.createElement("b", {});  live.servedBy; }         
        span(clock.mono - live.heardAt);   
       }
    }
   }
  if(status){
    if(status.phase === 'starting'){ { svelteHTML.createElement("p", { "class":`banner`,});status.name;             }
    } else if (status.phase === 'draining'){ { svelteHTML.createElement("p", { "class":`banner warn`,});status.name;                  }}
    if(status.paused){
       { svelteHTML.createElement("div", { "class":`banner`,});
         { svelteHTML.createElement("p", {}); { svelteHTML.createElement("b", {});status.name;   }        }
        if(account.mayManage){ { svelteHTML.createElement("button", {     "type":`button`,"onclick":resumeHere,"disabled":resume.busy,});  }}
       }
       { const $$_eruliaF1C = __sveltets_2_ensureComponent(Failure); new $$_eruliaF1C({ target: __sveltets_2_any(), props: {  "text":resume.failure,}});}
    }
        for(let notice of __sveltets_2_ensureArray(status.notices)){let i = 1;i;
       { svelteHTML.createElement("p", { "class":`banner`,}); { svelteHTML.createElement("span", {}); { svelteHTML.createElement("b", { "class":`warn`,});notice.text; } notice.fix; } }
    }
        for(let door of __sveltets_2_ensureArray(status.doors)){let i = 1;i; { const $$_rooD1C = __sveltets_2_ensureComponent(Door); new $$_rooD1C({ target: __sveltets_2_any(), props: {   door,"own":door.peerId === status.peerId,}});}}
  }
 }


};
return { props: {} as Record<string, never>, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const Banners__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type Banners__SvelteComponent_ = ReturnType<typeof Banners__SvelteComponent_>;
/*Ωignore_endΩ*/export default Banners__SvelteComponent_;