///<reference types="svelte" />
;
import type { NodeView } from '../../node/http/views.ts'
import { account } from '../lib/account.svelte.ts'
import { clock } from '../lib/clock.svelte.ts'
import { fitsNode } from '../lib/filter.ts'
import { live } from '../lib/live.svelte.ts'
import { router } from '../lib/router.svelte.ts'
import { nodePath, withQuery } from '../lib/routes.ts'
import { headline } from '../lib/sentence.ts'
import { ago, coresOf, memory, moment, storage } from '../lib/units.ts'
import { nodeWord } from '../lib/words.ts'
import StateMark from '../parts/StateMark.svelte'
import Value from '../parts/Value.svelte';
;

  type Props = { nodes: readonly NodeView[]; query: URLSearchParams };function $$render() {

  
  
  
  
  
  
  
  
  
  
  
  

  const { nodes, query }: Props = $props()
  const text = $derived(query.get('q') ?? '')
  const found = $derived(nodes.filter((node) => fitsNode(node, text)))

  function search(event: Event & { currentTarget: HTMLInputElement }) {
    router.replace(withQuery('/nodes', { q: event.currentTarget.value }))
  }
  const shortNames = (names: string[]) => (names.length ? names.join(', ') : 'none')
;
async () => {


 { svelteHTML.createElement("div", { "class":`page`,});
   { svelteHTML.createElement("div", { "class":`page-head`,});
     { svelteHTML.createElement("div", {});
       { svelteHTML.createElement("h1", {});    }
       { svelteHTML.createElement("p", { "class":`lead`,});headline(nodes);  { svelteHTML.createElement("span", { "class":`dim`,});   live.servedBy; ago(clock.mono - live.heardAt);  } }
     }
     { svelteHTML.createElement("div", { "class":`actions`,});
       { svelteHTML.createElement("label", {   "class":`sr`,"for":`search`,});  }
       { svelteHTML.createElement("input", {          "id":`search`,"type":`search`,"placeholder":`Name, address, system, label`,"value":text,"oninput":search,});}
      if(account.mayManage){ { svelteHTML.createElement("a", {   "class":`button primary`,"href":`#/nodes/add`,});   }}
     }
   }

  if(found.length){
     { svelteHTML.createElement("table", {   "class":`stack block`,"aria-label":`PCs`,});
       { svelteHTML.createElement("thead", {});
         { svelteHTML.createElement("tr", {});
           { svelteHTML.createElement("th", { "scope":`col`,});  }
           { svelteHTML.createElement("th", { "scope":`col`,});  }
           { svelteHTML.createElement("th", { "scope":`col`,});  }
           { svelteHTML.createElement("th", { "scope":`col`,});  }
           { svelteHTML.createElement("th", {   "scope":`col`,"class":`num`,});  }
           { svelteHTML.createElement("th", { "scope":`col`,});  }
           { svelteHTML.createElement("th", {   "scope":`col`,"class":`num`,});  }
           { svelteHTML.createElement("th", { "scope":`col`,});  }
           { svelteHTML.createElement("th", {   "scope":`col`,"class":`num`,});  }
           { svelteHTML.createElement("th", {   "scope":`col`,"class":`num`,});  }
         }
       }
       { svelteHTML.createElement("tbody", {});
           for(let node of __sveltets_2_ensureArray(found)){node.peerId;
          const of = live.sourceOf(node);
           { svelteHTML.createElement("tr", {});
             { svelteHTML.createElement("th", { "scope":`row`,});
               { svelteHTML.createElement("a", {  "href":`#${nodePath(node.peerId)}`,...__sveltets_2_empty({"data-row":true}),});node.name; }
              if(node.self){ { svelteHTML.createElement("span", { "class":`tag`,});  }}
             }
             { svelteHTML.createElement("td", {   ...__sveltets_2_empty({"data-label":`State`}),"class":`state`,});
               { const $$_kraMetatS5C = __sveltets_2_ensureComponent(StateMark); new $$_kraMetatS5C({ target: __sveltets_2_any(), props: {  "state":nodeWord(node),}});}
              if(node.state === 'suspect' || node.state === 'dead'){ { svelteHTML.createElement("span", { "class":`small dim`,});node.reason; }}
              if(node.usedBy){ { svelteHTML.createElement("span", { "class":`small warn`,});node.usedBy; }}
             }
             { svelteHTML.createElement("td", { ...__sveltets_2_empty({"data-label":`System`}),}); { const $$_eulaV5C = __sveltets_2_ensureComponent(Value); new $$_eulaV5C({ target: __sveltets_2_any(), props: {     "reading":node.os,"format":String,of,}});} }
             { svelteHTML.createElement("td", {   ...__sveltets_2_empty({"data-label":`Processor`}),"class":`model`,});
               { const $$_eulaV5C = __sveltets_2_ensureComponent(Value); new $$_eulaV5C({ target: __sveltets_2_any(), props: {     "reading":node.cpuModel,"format":String,of,}});}
               { svelteHTML.createElement("span", { "class":`small dim`,}); { const $$_eulaV6C = __sveltets_2_ensureComponent(Value); new $$_eulaV6C({ target: __sveltets_2_any(), props: {     "reading":node.cores,"format":coresOf,of,}});} }
             }
             { svelteHTML.createElement("td", {   ...__sveltets_2_empty({"data-label":`Memory`}),"class":`num`,}); { const $$_eulaV5C = __sveltets_2_ensureComponent(Value); new $$_eulaV5C({ target: __sveltets_2_any(), props: {     "reading":node.memoryBytes,"format":memory,of,}});} }
             { svelteHTML.createElement("td", {   ...__sveltets_2_empty({"data-label":`Graphics`}),"class":`model`,}); { const $$_eulaV5C = __sveltets_2_ensureComponent(Value); new $$_eulaV5C({ target: __sveltets_2_any(), props: {     "reading":node.gpus,"format":shortNames,of,}});} }
             { svelteHTML.createElement("td", {   ...__sveltets_2_empty({"data-label":`Disk`}),"class":`num`,}); { const $$_eulaV5C = __sveltets_2_ensureComponent(Value); new $$_eulaV5C({ target: __sveltets_2_any(), props: {     "reading":node.diskBytes,"format":storage,of,}});} }
             { svelteHTML.createElement("td", {   ...__sveltets_2_empty({"data-label":`Addresses`}),"class":`mono addresses`,});
              if(node.addresses.length){ { svelteHTML.createElement("span", { "title":node.addresses.join('\n'),});node.addresses[0]; }}else{ { svelteHTML.createElement("span", { "class":`dim`,});  }}
              if(node.addresses.length > 1){ { svelteHTML.createElement("span", { "class":`dim`,}); node.addresses.length - 1;  }}
             }
             { svelteHTML.createElement("td", {   ...__sveltets_2_empty({"data-label":`Version`}),"class":`num`,});node.version || '–'; }
             { svelteHTML.createElement("td", {   ...__sveltets_2_empty({"data-label":`Last heard`}),"class":`num`,});
              if(node.self){ { svelteHTML.createElement("span", { "class":`dim`,});  }
              } else if (node.state === 'alive' && of.ageMs !== null){ago(of.ageMs);
              } else if (node.lastSeenMs !== null){moment(node.lastSeenMs, clock.wall);
              }else{ { svelteHTML.createElement("span", {   "class":`dim`,"title":`Not heard since ${live.servedBy} started.`,});  }}
             }
           }
        }
       }
     }
  }else{
     { svelteHTML.createElement("p", { "class":`empty block`,});   text;  { svelteHTML.createElement("button", {     "type":`button`,"class":`text`,"onclick":() => router.replace('/nodes'),});  nodes.length; } }
  }
 }


};
return { props: {} as any as Props, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const Nodes__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type Nodes__SvelteComponent_ = ReturnType<typeof Nodes__SvelteComponent_>;
/*Ωignore_endΩ*/export default Nodes__SvelteComponent_;