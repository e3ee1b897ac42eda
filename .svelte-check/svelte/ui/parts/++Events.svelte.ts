///<reference types="svelte" />
;
import type { EventView } from '../../node/http/views.ts'
import { clock } from '../lib/clock.svelte.ts'
import { live } from '../lib/live.svelte.ts'
import { nodePath, sessionPath } from '../lib/routes.ts'
import { moment } from '../lib/units.ts';
;

  type Props = { events: readonly EventView[] };function $$render() {

  
  
  
  
  

  const { events }: Props = $props()
  const STEP = 8
  let shown = $state(STEP)

  function pathOf(event: EventView): string | null {
    if (event.subject === null) return null
    if (event.kind === 'session') return sessionPath(event.subject)
    return live.node(event.subject) ? nodePath(event.subject) : null
  }
;
async () => {


 { svelteHTML.createElement("section", {   "class":`block`,"aria-labelledby":`events`,});
   { svelteHTML.createElement("h2", { "id":`events`,});  }
  if(events.length){
     { svelteHTML.createElement("ol", {});
         for(let event of __sveltets_2_ensureArray((events.slice(0, shown)))){event.seq;
        const path = pathOf(event);
         { svelteHTML.createElement("li", {});
           { svelteHTML.createElement("time", {   "class":`dim`,"datetime":new Date(event.at).toISOString(),});moment(event.at, clock.wall); }
           { svelteHTML.createElement("span", { });event.level === 'warn';
            if(event.level === 'warn'){ { svelteHTML.createElement("span", { "class":`sr`,});  }}if(path){ { svelteHTML.createElement("a", { "href":`#${path}`,});event.text; }}else{event.text;}
           }
         }
      }
     }
    if(events.length > shown){
       { svelteHTML.createElement("p", { "class":`more`,}); { svelteHTML.createElement("button", {     "type":`button`,"class":`text`,"onclick":() => (shown += 5 * STEP),});   } }
    }
  }else{ { svelteHTML.createElement("p", { "class":`empty`,});   live.servedBy;  }}
 }


};
return { props: {} as any as Props, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const Events__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type Events__SvelteComponent_ = ReturnType<typeof Events__SvelteComponent_>;
/*Ωignore_endΩ*/export default Events__SvelteComponent_;