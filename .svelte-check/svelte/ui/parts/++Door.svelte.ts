///<reference types="svelte" />
;
import type { DoorView, StatusView } from '../../node/http/views.ts'
import { account } from '../lib/account.svelte.ts'
import { call } from '../lib/client.ts'
import { clock } from '../lib/clock.svelte.ts'
import { Deed } from '../lib/deed.svelte.ts'
import { live } from '../lib/live.svelte.ts'
import { countdown } from '../lib/units.ts'
import Failure from './Failure.svelte'
import SixWords from './SixWords.svelte';
;

  type Props = { door: DoorView; own: boolean };function $$render() {

  
  
  
  
  
  
  
  
  

  const { door, own }: Props = $props()
  const closing = new Deed()
  const leftMs = $derived(door.untilMs - clock.wall)
  const KNOCK_WORDS = { waiting: 'waits for a yes at its own screen', joined: 'is a member now', refused: 'was refused' }

  function close() {
    return closing.run(async () => {
      await call<StatusView>('DELETE', '/door')
      await live.refreshStatus()
    })
  }
;
async () => {


if(leftMs > 0){
   { svelteHTML.createElement("div", { "class":`banner`,});
     { svelteHTML.createElement("p", {});
       { svelteHTML.createElement("b", { "class":`warn`,});   door.name;   }    { svelteHTML.createElement("span", { "class":`left`,});countdown(leftMs); }        
         
     }
    if(own && account.mayManage){
       { svelteHTML.createElement("button", {     "type":`button`,"onclick":close,"disabled":closing.busy,});closing.busy ? 'Closing…' : 'Close it'; }
    } else if (!own){
       { svelteHTML.createElement("span", { "class":`dim small`,});     door.name;  }
    }
     { const $$_eruliaF1C = __sveltets_2_ensureComponent(Failure); new $$_eruliaF1C({ target: __sveltets_2_any(), props: {  "text":closing.failure,}});}
    if(door.knocks.length){
       { svelteHTML.createElement("ul", {});
            for(let knock of __sveltets_2_ensureArray(door.knocks)){let i = 1;i;
           { svelteHTML.createElement("li", {});
             { svelteHTML.createElement("b", {});knock.name; }  { svelteHTML.createElement("span", { "class":`dim`,}); knock.platform;  }
             { svelteHTML.createElement("span", { });knock.state === 'refused';KNOCK_WORDS[knock.state]; }
             { const $$_sdroWxiS3C = __sveltets_2_ensureComponent(SixWords); new $$_sdroWxiS3C({ target: __sveltets_2_any(), props: {  "words":knock.words,}});}
           }
        }
       }
       { svelteHTML.createElement("p", { "class":`hint`,});                    }
    }
   }
}


};
return { props: {} as any as Props, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const Door__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type Door__SvelteComponent_ = ReturnType<typeof Door__SvelteComponent_>;
/*Ωignore_endΩ*/export default Door__SvelteComponent_;