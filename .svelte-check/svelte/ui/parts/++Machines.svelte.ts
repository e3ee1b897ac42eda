///<reference types="svelte" />
;
import type { NodeView, SessionView } from '../../node/http/views.ts'
import { awaySince, comesBack, leftThere, movedFrom } from '../lib/away.ts'
import { clock } from '../lib/clock.svelte.ts'
import { live } from '../lib/live.svelte.ts'
import { both, valueOf } from '../lib/reading.ts'
import { nodePath, withQuery } from '../lib/routes.ts'
import { activityOf } from '../lib/sentence.ts'
import { spanOf } from '../lib/spark.ts'
import { count, memoryOf, milliseconds, percent, rate, sentence, span, storage } from '../lib/units.ts'
import { nodeWord } from '../lib/words.ts'
import Meter from './Meter.svelte'
import Spark from './Spark.svelte'
import StateMark from './StateMark.svelte'
import Value from './Value.svelte';
;

  type Props = { nodes: readonly NodeView[]; sessions: readonly SessionView[] };function $$render() {

  
  
  
  
  
  
  
  
  
  
  
  
  
  

  const { nodes, sessions }: Props = $props()
  /** More rows than these make the rest of the dashboard a scroll away. */
  const ROWS = 12
  let all = $state(false)
  const present = $derived(nodes.filter((node) => node.state !== 'left'))
  const shown = $derived(all || present.length <= ROWS ? present : mostTelling(present))
  const running = $derived.by(() => {
    const counts = new Map<string, number>()
    for (const session of sessions) {
      if (session.runner && activityOf(session) === 'runs') counts.set(session.runner, (counts.get(session.runner) ?? 0) + 1)
    }
    return counts
  })

  const NEARLY = 0.9
  const isBusy = (node: NodeView) => (valueOf(node.cpu) ?? 0) >= NEARLY
  const isFull = (part: number | null, whole: number | null) => part !== null && whole !== null && whole > 0 && part / whole >= NEARLY
  const fullMemory = (node: NodeView) => isFull(valueOf(node.memoryUsedBytes), valueOf(node.memoryBytes))
  const ratio = (node: NodeView) => {
    const [used, whole] = [valueOf(node.memoryUsedBytes), valueOf(node.memoryBytes)]
    return used === null || !whole ? null : used / whole
  }
  function fullDisk(node: NodeView): boolean {
    const [free, whole] = [valueOf(node.diskFreeBytes), valueOf(node.diskBytes)]
    return free !== null && whole !== null && isFull(whole - free, whole)
  }
  /** Where not all fit: this PC, those that differ from normal, then the busiest; in the usual order. */
  function mostTelling(nodes: readonly NodeView[]): NodeView[] {
    const weight = (node: NodeView) =>
      (node.self ? 8 : 0) + (node.state === 'alive' ? 0 : 4) + (node.offer?.paused || fullDisk(node) || fullMemory(node) ? 2 : 0) + (valueOf(node.cpu) ?? 0)
    const chosen = new Set(nodes.toSorted((a, b) => weight(b) - weight(a)).slice(0, ROWS))
    return nodes.filter((node) => chosen.has(node))
  }
  function subline(node: NodeView): string {
    if (node.state === 'suspect') return node.reason
    if (node.usedBy) return node.usedBy
    const parts = [valueOf(node.cpuModel), valueOf(node.os)].filter(Boolean)
    return parts.length ? parts.join(', ') : node.reason
  }
;
async () => {


 { svelteHTML.createElement("section", {   "class":`block`,"aria-labelledby":`machines`,});
   { svelteHTML.createElement("h2", { "id":`machines`,});  }
   { svelteHTML.createElement("table", { "class":`stack`,});
     { svelteHTML.createElement("thead", {});
       { svelteHTML.createElement("tr", {});
         { svelteHTML.createElement("th", { "scope":`col`,});  }
         { svelteHTML.createElement("th", { "scope":`col`,});   }
         { svelteHTML.createElement("th", { "scope":`col`,});  }
         { svelteHTML.createElement("th", {   "scope":`col`,"class":`num`,});  }
         { svelteHTML.createElement("th", {   "scope":`col`,"class":`num`,});   }
         { svelteHTML.createElement("th", {   "scope":`col`,"class":`num`,});  }
         { svelteHTML.createElement("th", {   "scope":`col`,"class":`num`,});  }
         { svelteHTML.createElement("th", {   "scope":`col`,"class":`num`,});  }
       }
     }
     { svelteHTML.createElement("tbody", {});
         for(let node of __sveltets_2_ensureArray(shown)){node.peerId;
        const of = live.sourceOf(node);
         { svelteHTML.createElement("tr", {  });node.state === 'suspect';node.state === 'dead';
           { svelteHTML.createElement("th", { "scope":`row`,});
             { svelteHTML.createElement("span", { "class":`name`,});
                { const $$_kraMetatS6C = __sveltets_2_ensureComponent(StateMark); new $$_kraMetatS6C({ target: __sveltets_2_any(), props: {  "state":nodeWord(node),"quiet":true,}});}
               { svelteHTML.createElement("a", {  "href":`#${nodePath(node.peerId)}`,...__sveltets_2_empty({"data-row":true}),});node.name; }
              if(node.self){ { svelteHTML.createElement("span", { "class":`tag`,});  }}
              if(node.offer?.paused){ { svelteHTML.createElement("span", { "class":`tag warn`,});  }}
             }
             { svelteHTML.createElement("span", {  "class":`sub`,});node.state === 'suspect' || (node.state === 'alive' && node.usedBy !== '');
              node.state === 'dead' ? `Away ${awaySince(node, clock.wall)}` : subline(node);
             }
           }
          if(node.state === 'dead'){
             { svelteHTML.createElement("td", {   "class":`wide`,"colspan":7,});
               { svelteHTML.createElement("span", { "class":`sub`,});
                sentence(node.reason);
                comesBack(node);
                if(movedFrom(node, sessions).length){count(movedFrom(node, sessions).length, 'session');   }
               }
              if(leftThere(node, sessions).length){
                 { svelteHTML.createElement("a", {   "class":`link`,"href":`#${withQuery('/sessions', { node: node.name })}`,});count(leftThere(node, sessions).length, 'session');   }
              }
               { svelteHTML.createElement("a", {   "class":`link`,"href":`#${nodePath(node.peerId)}`,});     }
             }
          }else{
             { svelteHTML.createElement("td", { ...__sveltets_2_empty({"data-label":`Processor, last minute`}),});
               { svelteHTML.createElement("div", { "class":`cpu`,});
                 { const $$_krapS6C = __sveltets_2_ensureComponent(Spark); new $$_krapS6C({ target: __sveltets_2_any(), props: {      "line":node.history.cpu,"warn":isBusy(node),"label":`Processor of ${node.name}: ${spanOf(node.history.cpu, percent)}`,}});}
                 { svelteHTML.createElement("span", {  "class":`nowrap`,}); { svelteHTML.createElement("b", { });isBusy(node); { const $$_eulaV8C = __sveltets_2_ensureComponent(Value); new $$_eulaV8C({ target: __sveltets_2_any(), props: {     "reading":node.cpu,"format":percent,of,}});} }
                   { svelteHTML.createElement("span", { "class":`dim`,});  { const $$_eulaV8C = __sveltets_2_ensureComponent(Value); new $$_eulaV8C({ target: __sveltets_2_any(), props: {     "reading":node.cores,"format":String,of,}});} } }
               }
             }
             { svelteHTML.createElement("td", {   ...__sveltets_2_empty({"data-label":`Memory`}),"class":`memory`,});
               { svelteHTML.createElement("span", { });fullMemory(node); { const $$_eulaV6C = __sveltets_2_ensureComponent(Value); new $$_eulaV6C({ target: __sveltets_2_any(), props: {     "reading":both(node.memoryUsedBytes, node.memoryBytes),"format":memoryOf,of,}});} }
               { const $$_reteM5C = __sveltets_2_ensureComponent(Meter); new $$_reteM5C({ target: __sveltets_2_any(), props: {    "ratio":ratio(node),"warn":fullMemory(node),}});}
             }
             { svelteHTML.createElement("td", {   "class":`num`,...__sveltets_2_empty({"data-label":`Free disk`}),});
               { svelteHTML.createElement("span", { });fullDisk(node); { const $$_eulaV6C = __sveltets_2_ensureComponent(Value); new $$_eulaV6C({ target: __sveltets_2_any(), props: {     "reading":node.diskFreeBytes,"format":storage,of,}});} }
             }
             { svelteHTML.createElement("td", {   "class":`num`,...__sveltets_2_empty({"data-label":`Network in, out`}),});
               { const $$_eulaV5C = __sveltets_2_ensureComponent(Value); new $$_eulaV5C({ target: __sveltets_2_any(), props: {     "reading":node.netRxBytesPerS,"format":rate,of,}});}  { const $$_eulaV5C = __sveltets_2_ensureComponent(Value); new $$_eulaV5C({ target: __sveltets_2_any(), props: {     "reading":node.netTxBytesPerS,"format":rate,of,}});}
             }
             { svelteHTML.createElement("td", {   "class":`num third`,...__sveltets_2_empty({"data-label":`Sessions`}),});running.get(node.peerId) ?? 0; }
             { svelteHTML.createElement("td", {   "class":`num third`,...__sveltets_2_empty({"data-label":`Round trip`}),});
              if(node.self){ { svelteHTML.createElement("span", {   "class":`dim`,"title":`This PC serves the page: there is no way between.`,});  }
              }else{ { const $$_eulaV5C = __sveltets_2_ensureComponent(Value); new $$_eulaV5C({ target: __sveltets_2_any(), props: {      "reading":node.rttMs,"format":milliseconds,"of":{ name: `probe from ${live.servedBy}`, ageMs: of.ageMs },}});}}
             }
             { svelteHTML.createElement("td", {   "class":`num third`,...__sveltets_2_empty({"data-label":`Up`}),}); { const $$_eulaV5C = __sveltets_2_ensureComponent(Value); new $$_eulaV5C({ target: __sveltets_2_any(), props: {     "reading":node.bootedAtMs,"format":(at) => span(clock.wall - at),of,}});} }
          }
         }
      }
     }
   }
  if(present.length > ROWS){
     { svelteHTML.createElement("p", { "class":`more`,});
      if(all){ present.length; }else{shown.length;  present.length;        }
       { svelteHTML.createElement("button", {     "type":`button`,"class":`text`,"onclick":() => (all = !all),});all ? 'Show fewer' : 'Show all'; }
     }
  }
 }


};
return { props: {} as any as Props, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const Machines__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type Machines__SvelteComponent_ = ReturnType<typeof Machines__SvelteComponent_>;
/*Ωignore_endΩ*/export default Machines__SvelteComponent_;