///<reference types="svelte" />
;
import type { OfferView, StatusView } from '../../node/http/views.ts'
import { account } from '../lib/account.svelte.ts'
import { Deed } from '../lib/deed.svelte.ts'
import { drafts } from '../lib/drafts.ts'
import Failure from '../parts/Failure.svelte'
import SixWords from '../parts/SixWords.svelte';
;

  type Props = { status: StatusView; newcomer?: boolean; onchanged?: () => unknown };function $$render() {

  
  
  
  
  
  

  const { status, newcomer = false, onchanged }: Props = $props()
  const deed = new Deed()
  let doing = $state('')
  let invite = $state('')

  async function change(what: string, path: string, body?: unknown) {
    doing = what
    if (await deed.run(() => account.asNewcomer<StatusView>('POST', path, body))) {
      drafts.clear()
      await onchanged?.()
    }
    doing = ''
  }
  function join(offer: OfferView) {
    return change(offer.id, `/offers/${encodeURIComponent(offer.id)}/accept`)
  }
  function joinByInvite(event: SubmitEvent) {
    event.preventDefault()
    void change('invite', '/join', { invite: invite.trim() })
  }
;
async () => {


 { svelteHTML.createElement("div", { "class":`page narrow`,});
   { svelteHTML.createElement("h1", {});status.name;     }
   { svelteHTML.createElement("p", { "class":`lead`,});
    newcomer ? 'Nothing is shared yet.' : '';                   
   }

   { svelteHTML.createElement("section", {     "class":`block`,"aria-labelledby":`found-meshes`,"aria-live":`polite`,});
     { svelteHTML.createElement("h2", { "id":`found-meshes`,});     }
    if(status.offers.length){
       { svelteHTML.createElement("ul", {});
            for(let offer of __sveltets_2_ensureArray(status.offers)){let i = 1;i;
           { svelteHTML.createElement("li", {});
             { svelteHTML.createElement("div", {});
               { svelteHTML.createElement("p", {}); { svelteHTML.createElement("b", { "class":`name`,});offer.meshName; }  { svelteHTML.createElement("span", { "class":`dim`,}); offer.memberName; } }
                { const $$_sdroWxiS5C = __sveltets_2_ensureComponent(SixWords); new $$_sdroWxiS5C({ target: __sveltets_2_any(), props: {  "words":offer.words,"large":true,}});}
             }
             { svelteHTML.createElement("button", {       "type":`button`,"class":`primary`,"onclick":() => join(offer),"disabled":deed.busy,});
              doing === offer.id ? 'Joining…' : 'Join'; { svelteHTML.createElement("span", { "class":`sr`,}); offer.meshName; }
             }
           }
        }
       }
       { svelteHTML.createElement("p", { "class":`hint`,});             }
    }else{
       { svelteHTML.createElement("p", { "class":`empty`,});
                             { svelteHTML.createElement("code", {});    }
       }
    }
   }

   { svelteHTML.createElement("section", {   "class":`block`,"aria-labelledby":`by-invite`,});
     { svelteHTML.createElement("h2", { "id":`by-invite`,});   }
     { svelteHTML.createElement("form", { "onsubmit":joinByInvite,});
       { svelteHTML.createElement("label", {   "for":`invite`,"class":`sr`,});  }
       { svelteHTML.createElement("input", {              "id":`invite`,"type":`text`,"autocomplete":`off`,"spellcheck":`false`,"maxlength":8192,"placeholder":`omega-invite:…`,"required":true,"bind:value":invite,});/*Ωignore_startΩ*/() => invite = __sveltets_2_any(null);/*Ωignore_endΩ*/}
       { svelteHTML.createElement("button", { "disabled":deed.busy,});doing === 'invite' ? 'Joining…' : 'Join by invite'; }
     }
   }

   { svelteHTML.createElement("section", {   "class":`block`,"aria-labelledby":`own`,});
     { svelteHTML.createElement("h2", { "id":`own`,});  }
     { svelteHTML.createElement("p", { "class":`own`,});
       { svelteHTML.createElement("button", {     "type":`button`,"onclick":() => change('found', '/found'),"disabled":deed.busy,});
        doing === 'found' ? 'Making it…' : 'Make a new mesh on this PC';
       }
       { svelteHTML.createElement("span", { "class":`dim`,});      }
     }
   }
   { const $$_eruliaF1C = __sveltets_2_ensureComponent(Failure); new $$_eruliaF1C({ target: __sveltets_2_any(), props: {  "text":deed.failure,}});}
 }


};
return { props: {} as any as Props, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const Looking__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type Looking__SvelteComponent_ = ReturnType<typeof Looking__SvelteComponent_>;
/*Ωignore_endΩ*/export default Looking__SvelteComponent_;