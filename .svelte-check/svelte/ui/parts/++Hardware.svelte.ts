///<reference types="svelte" />
;
import type { NodeDetail } from '../../node/http/views.ts'
import { ago } from '../lib/units.ts';
;

  type Props = { detail: NodeDetail };function $$render() {

  
  

  const { detail }: Props = $props()
  const sections = $derived(Object.entries(detail.hardware).filter(([, items]) => items.length > 0))

  function heading(key: string): string {
    const words = key.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase()
    return words.charAt(0).toUpperCase() + words.slice(1)
  }
  function shown(value: string | number | boolean | null): string {
    if (value === null || value === '') return 'not told'
    return typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value)
  }
;
async () => {


 { svelteHTML.createElement("section", {   "class":`block`,"aria-labelledby":`hardware`,});
   { svelteHTML.createElement("h2", { "id":`hardware`,});
         if(detail.hardwareAgeMs !== null){ { svelteHTML.createElement("span", { "class":`when`,});  ago(detail.hardwareAgeMs); }}
   }
  if(detail.hardwareMissing !== null){ { svelteHTML.createElement("p", { "class":`empty`,});  detail.hardwareMissing; }}
   { svelteHTML.createElement("div", { "class":`sections`,});
       for(let [name, items] of __sveltets_2_ensureArray(sections)){name;
       { svelteHTML.createElement("details", { "open":sections.length <= 3,});
         { svelteHTML.createElement("summary", {});heading(name);if(items.length > 1){' '; { svelteHTML.createElement("span", { "class":`dim`,});items.length; }} }
            for(let item of __sveltets_2_ensureArray(items)){let i = 1;i;
           { svelteHTML.createElement("dl", {});
               for(let [field, value] of __sveltets_2_ensureArray(Object.entries(item))){field;
               { svelteHTML.createElement("dt", {});heading(field); }
               { svelteHTML.createElement("dd", { });value === null || value === '';shown(value); }
            }
           }
        }
       }
    }
   }
 }


};
return { props: {} as any as Props, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const Hardware__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type Hardware__SvelteComponent_ = ReturnType<typeof Hardware__SvelteComponent_>;
/*Ωignore_endΩ*/export default Hardware__SvelteComponent_;