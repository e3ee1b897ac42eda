///<reference types="svelte" />
;
import type { NodeView } from '../../node/http/views.ts'
import { account } from '../lib/account.svelte.ts'
import { awaySince, comesBack } from '../lib/away.ts'
import { clock } from '../lib/clock.svelte.ts'
import { live } from '../lib/live.svelte.ts'
import { NodeDetailSource } from '../lib/node-detail.svelte.ts'
import { both, isKnown, sourceLine } from '../lib/reading.ts'
import { sessionPath } from '../lib/routes.ts'
import { activityOf } from '../lib/sentence.ts'
import { spanOf } from '../lib/spark.ts'
import { ago, capital, coresOf, digits, memory, milliseconds, moment, percent, rate, sentence, span, storage, storageOf } from '../lib/units.ts'
import { nodeWord, sessionWord } from '../lib/words.ts'
import Copy from '../parts/Copy.svelte'
import Cores from '../parts/Cores.svelte'
import Failure from '../parts/Failure.svelte'
import Hardware from '../parts/Hardware.svelte'
import Meter from '../parts/Meter.svelte'
import PauseButton from '../parts/PauseButton.svelte'
import Spark from '../parts/Spark.svelte'
import StateMark from '../parts/StateMark.svelte'
import Value from '../parts/Value.svelte';
;

  type Props = { id: string };function $$render() {

  
  
  
  
  
  
  
  
  
  
  
  
  
  
  
  
  
  
  
  
  

  const { id }: Props = $props()
  // The page makes a new component for another id.
  // svelte-ignore state_referenced_locally
  const source = new NodeDetailSource(id)
  $effect(() => {
    source.start()
    return () => source.stop()
  })

  const node = $derived<NodeView | undefined>(live.node(id))
  const detail = $derived(source.detail)
  const of = $derived(node ? live.sourceOf(node) : { name: id, ageMs: null })
  const asked = $derived({ name: of.name, ageMs: detail?.ageMs == null ? null : detail.ageMs + Math.max(0, clock.mono - source.askedAt) })
  const here = $derived((live.mesh?.sessions ?? []).filter((s) => s.runner === node?.peerId && activityOf(s) !== 'ended'))
  const names = (list: string[]) => (list.length ? list.join(', ') : 'none')
  const per = (value: number | null) => (value === null ? 'not available' : rate(value))
;
async () => {


 { svelteHTML.createElement("div", { "class":`page`,});
   { svelteHTML.createElement("p", { "class":`small back`,}); { svelteHTML.createElement("a", {   "class":`link`,"href":`#/nodes`,});  } }
  if(!node){
     { svelteHTML.createElement("h1", {});   }
     { svelteHTML.createElement("p", { "class":`lead`,});source.failure || `${live.servedBy} knows no PC ${id}.`; }
  }else{
     { svelteHTML.createElement("div", { "class":`page-head`,});
       { svelteHTML.createElement("div", {});
         { svelteHTML.createElement("h1", {});node.name; }
         { svelteHTML.createElement("p", { "class":`lead`,});
           { const $$_kraMetatS4C = __sveltets_2_ensureComponent(StateMark); new $$_kraMetatS4C({ target: __sveltets_2_any(), props: {  "state":nodeWord(node),}});}if(node.reason){ { svelteHTML.createElement("span", { "class":`dim`,}); sentence(node.reason); }}
          if(node.usedBy){ { svelteHTML.createElement("span", { "class":`warn`,});sentence(capital(node.usedBy)); }}
         }
       }
      if(node.self && account.mayManage){ { svelteHTML.createElement("div", { "class":`actions`,}); { const $$_nottuBesuaP3C = __sveltets_2_ensureComponent(PauseButton); new $$_nottuBesuaP3C({ target: __sveltets_2_any(), props: {   node,"sessions":live.mesh?.sessions ?? [],}});} }}
     }
    if(node.state === 'dead'){
       { svelteHTML.createElement("p", { "class":`away`,});
         awaySince(node, clock.wall); comesBack(node);                      
       }
    }

     { svelteHTML.createElement("div", {  "class":`minute`,});node.state !== 'alive';
       { svelteHTML.createElement("section", { "aria-labelledby":`cpu`,});
         { svelteHTML.createElement("h2", { "id":`cpu`,});  }
         { svelteHTML.createElement("p", { "class":`figure`,}); { svelteHTML.createElement("b", {}); { const $$_eulaV5C = __sveltets_2_ensureComponent(Value); new $$_eulaV5C({ target: __sveltets_2_any(), props: {     "reading":node.cpu,"format":percent,of,}});} }   { const $$_eulaV4C = __sveltets_2_ensureComponent(Value); new $$_eulaV4C({ target: __sveltets_2_any(), props: {     "reading":node.cores,"format":coresOf,of,}});} }
         { const $$_krapS3C = __sveltets_2_ensureComponent(Spark); new $$_krapS3C({ target: __sveltets_2_any(), props: {    "tall":true,"line":node.history.cpu,"label":`Processor, ${spanOf(node.history.cpu, percent)}`,}});}
       }
       { svelteHTML.createElement("section", { "aria-labelledby":`memory`,});
         { svelteHTML.createElement("h2", { "id":`memory`,});  }
         { svelteHTML.createElement("p", { "class":`figure`,});
           { svelteHTML.createElement("b", {}); { const $$_eulaV5C = __sveltets_2_ensureComponent(Value); new $$_eulaV5C({ target: __sveltets_2_any(), props: {     "reading":node.memoryUsedBytes,"format":memory,of,}});} }   { const $$_eulaV4C = __sveltets_2_ensureComponent(Value); new $$_eulaV4C({ target: __sveltets_2_any(), props: {     "reading":node.memoryBytes,"format":memory,of,}});}
         }
         { const $$_krapS3C = __sveltets_2_ensureComponent(Spark); new $$_krapS3C({ target: __sveltets_2_any(), props: {    "tall":true,"line":node.history.memory,"label":`Memory, ${spanOf(node.history.memory, percent)}`,}});}
       }
     }

     { svelteHTML.createElement("div", { "class":`columns`,});
       { svelteHTML.createElement("section", {   "class":`block`,"aria-labelledby":`readings`,});
         { svelteHTML.createElement("h2", { "id":`readings`,});  sourceLine(of); }
         { svelteHTML.createElement("dl", {});
           { svelteHTML.createElement("dt", {});   } { svelteHTML.createElement("dd", {});  { const $$_eulaV5C = __sveltets_2_ensureComponent(Value); new $$_eulaV5C({ target: __sveltets_2_any(), props: {     "reading":node.load1,"format":digits,of,"full":true,}});} }
           { svelteHTML.createElement("dt", {});  } { svelteHTML.createElement("dd", {});  { const $$_eulaV5C = __sveltets_2_ensureComponent(Value); new $$_eulaV5C({ target: __sveltets_2_any(), props: {     "reading":node.cpuModel,"format":String,of,"full":true,}});} }
           { svelteHTML.createElement("dt", {});  } { svelteHTML.createElement("dd", {});  { const $$_eulaV5C = __sveltets_2_ensureComponent(Value); new $$_eulaV5C({ target: __sveltets_2_any(), props: {     "reading":node.gpus,"format":names,of,"full":true,}});} }
           { svelteHTML.createElement("dt", {});  } { svelteHTML.createElement("dd", {});  { const $$_eulaV5C = __sveltets_2_ensureComponent(Value); new $$_eulaV5C({ target: __sveltets_2_any(), props: {     "reading":both(node.diskFreeBytes, node.diskBytes),"format":([free, whole]) => `${storageOf([free, whole])} free`,of,"full":true,}});} }
           { svelteHTML.createElement("dt", {});  } { svelteHTML.createElement("dd", {});  { const $$_eulaV5C = __sveltets_2_ensureComponent(Value); new $$_eulaV5C({ target: __sveltets_2_any(), props: {     "reading":node.netRxBytesPerS,"format":rate,of,"full":true,}});} }
           { svelteHTML.createElement("dt", {});  } { svelteHTML.createElement("dd", {});  { const $$_eulaV5C = __sveltets_2_ensureComponent(Value); new $$_eulaV5C({ target: __sveltets_2_any(), props: {     "reading":node.netTxBytesPerS,"format":rate,of,"full":true,}});} }
           { svelteHTML.createElement("dt", {});  } { svelteHTML.createElement("dd", {});  { const $$_eulaV5C = __sveltets_2_ensureComponent(Value); new $$_eulaV5C({ target: __sveltets_2_any(), props: {     "reading":node.temperatureC,"format":(c) => `${digits(c)} °C`,of,"full":true,}});} }
           { svelteHTML.createElement("dt", {});  } { svelteHTML.createElement("dd", {});  { const $$_eulaV5C = __sveltets_2_ensureComponent(Value); new $$_eulaV5C({ target: __sveltets_2_any(), props: {     "reading":node.battery,"format":String,of,"full":true,}});} }
           { svelteHTML.createElement("dt", {});  } { svelteHTML.createElement("dd", {});  { const $$_eulaV5C = __sveltets_2_ensureComponent(Value); new $$_eulaV5C({ target: __sveltets_2_any(), props: {     "reading":node.bootedAtMs,"format":(at) => `${span(clock.wall - at)}, since ${moment(at, clock.wall)}`,of,"full":true,}});} }
           { svelteHTML.createElement("dt", {});  }
           { svelteHTML.createElement("dd", {});if(node.self){ { svelteHTML.createElement("span", { "class":`dim`,});     }}else{  { const $$_eulaV5C = __sveltets_2_ensureComponent(Value); new $$_eulaV5C({ target: __sveltets_2_any(), props: {      "reading":node.rttMs,"format":milliseconds,"of":{ name: `probe from ${live.servedBy}`, ageMs: of.ageMs },"full":true,}});}} }
         }
       }
       { svelteHTML.createElement("section", {   "class":`block`,"aria-labelledby":`identity`,});
         { svelteHTML.createElement("h2", { "id":`identity`,});       }
         { svelteHTML.createElement("dl", {});
           { svelteHTML.createElement("dt", {});  } { svelteHTML.createElement("dd", {});  { const $$_eulaV5C = __sveltets_2_ensureComponent(Value); new $$_eulaV5C({ target: __sveltets_2_any(), props: {     "reading":node.os,"format":String,of,"full":true,}});} }
           { svelteHTML.createElement("dt", {});  } { svelteHTML.createElement("dd", {});node.version || 'not told yet'; }
           { svelteHTML.createElement("dt", {});  }
           { svelteHTML.createElement("dd", {});
            if(node.offer){
              coresOf(node.offer.cpuMilli / 1000);  memory(node.offer.memoryBytes);node.offer.paused ? ', paused' : '';
               { svelteHTML.createElement("span", { "class":`dim`,}); coresOf(node.offer.grantedCpuMilli / 1000);  memory(node.offer.grantedMemoryBytes);     }
            }else{ { svelteHTML.createElement("span", { "class":`dim`,});   }}
           }
           { svelteHTML.createElement("dt", {});  } { svelteHTML.createElement("dd", { "class":`mono`,});    for(let address of __sveltets_2_ensureArray(node.addresses)){let i = 1;i; { svelteHTML.createElement("div", {});address; }} { svelteHTML.createElement("span", { "class":`dim`,});  } }
           { svelteHTML.createElement("dt", {});  } { svelteHTML.createElement("dd", {});   for(let [key, value] of __sveltets_2_ensureArray(Object.entries(node.labels))){key; { svelteHTML.createElement("code", {});key; value; }' ';} { svelteHTML.createElement("span", { "class":`dim`,});  } }
           { svelteHTML.createElement("dt", {});  } { svelteHTML.createElement("dd", { "class":`id`,}); { svelteHTML.createElement("span", { "class":`mono`,});node.peerId; }  { const $$_ypoC5C = __sveltets_2_ensureComponent(Copy); new $$_ypoC5C({ target: __sveltets_2_any(), props: {    "text":() => node.peerId,"name":`peer id`,}});} }
           { svelteHTML.createElement("dt", {});  }
           { svelteHTML.createElement("dd", {});   for(let session of __sveltets_2_ensureArray(here)){session.id; { svelteHTML.createElement("div", {}); { svelteHTML.createElement("a", {    "class":`link`,"href":`#${sessionPath(session.id)}`,...__sveltets_2_empty({"data-row":true}),});session.command; }  { svelteHTML.createElement("span", { "class":`dim`,});sessionWord(session).word; } }} { svelteHTML.createElement("span", { "class":`dim`,});  } }
         }
       }
     }

     { svelteHTML.createElement("section", {   "class":`block`,"aria-labelledby":`cores`,});
       { svelteHTML.createElement("h2", { "id":`cores`,});  }
      if(isKnown(node.perCore)){ { const $$_seroC2C = __sveltets_2_ensureComponent(Cores); new $$_seroC2C({ target: __sveltets_2_any(), props: {   "cores":node.perCore.value,of,}});}}else{ { svelteHTML.createElement("p", { "class":`dim`,});  node.perCore.missing; }}
     }

    if(detail){
       { svelteHTML.createElement("p", { "class":`asked small dim`,});
        if(node.state === 'alive'){   node.name;  ago(clock.mono - source.askedAt); }else{  node.name;         }
       }
       { svelteHTML.createElement("section", {   "class":`block`,"aria-labelledby":`disks`,});
         { svelteHTML.createElement("h2", { "id":`disks`,});  }
        if(isKnown(detail.disks)){
           { svelteHTML.createElement("table", {   "class":`stack`,"aria-labelledby":`disks`,});
             { svelteHTML.createElement("thead", {}); { svelteHTML.createElement("tr", {}); { svelteHTML.createElement("th", { "scope":`col`,});  } { svelteHTML.createElement("th", { "scope":`col`,});  } { svelteHTML.createElement("th", {   "scope":`col`,"class":`num`,});  } { svelteHTML.createElement("th", {   "scope":`col`,"class":`num`,});  } { svelteHTML.createElement("th", {   "scope":`col`,"class":`num`,});  } { svelteHTML.createElement("th", {   "scope":`col`,"class":`num`,});  } } }
             { svelteHTML.createElement("tbody", {});
                  for(let disk of __sveltets_2_ensureArray(detail.disks.value)){let i = 1;i;
                const full = disk.bytes > 0 && disk.freeBytes / disk.bytes < 0.1;
                 { svelteHTML.createElement("tr", { "title":sourceLine(asked),});
                   { svelteHTML.createElement("th", {   "scope":`row`,"class":`mono`,});disk.mount; }
                   { svelteHTML.createElement("td", {   ...__sveltets_2_empty({"data-label":`Device`}),"class":`mono`,});disk.device; }
                   { svelteHTML.createElement("td", {   ...__sveltets_2_empty({"data-label":`Size`}),"class":`num`,});storage(disk.bytes); }
                   { svelteHTML.createElement("td", {    ...__sveltets_2_empty({"data-label":`Free`}),"class":`num third`,});full;storage(disk.freeBytes); { const $$_reteM6C = __sveltets_2_ensureComponent(Meter); new $$_reteM6C({ target: __sveltets_2_any(), props: {    "ratio":disk.bytes > 0 ? 1 - disk.freeBytes / disk.bytes : null,"warn":full,}});} }
                   { svelteHTML.createElement("td", {   ...__sveltets_2_empty({"data-label":`Reads`}),"class":`num third`,});per(disk.readBytesPerS); }
                   { svelteHTML.createElement("td", {   ...__sveltets_2_empty({"data-label":`Writes`}),"class":`num third`,});per(disk.writeBytesPerS); }
                 }
              }
             }
           }
        }else{ { svelteHTML.createElement("p", { "class":`dim`,});  detail.disks.missing; }}
       }
       { svelteHTML.createElement("section", {   "class":`block`,"aria-labelledby":`interfaces`,});
         { svelteHTML.createElement("h2", { "id":`interfaces`,});  }
        if(isKnown(detail.interfaces)){
           { svelteHTML.createElement("table", {   "class":`stack`,"aria-labelledby":`interfaces`,});
             { svelteHTML.createElement("thead", {}); { svelteHTML.createElement("tr", {}); { svelteHTML.createElement("th", { "scope":`col`,});  } { svelteHTML.createElement("th", { "scope":`col`,});  } { svelteHTML.createElement("th", {   "scope":`col`,"class":`num`,});  } { svelteHTML.createElement("th", {   "scope":`col`,"class":`num`,});  } { svelteHTML.createElement("th", {   "scope":`col`,"class":`num`,});  } { svelteHTML.createElement("th", {   "scope":`col`,"class":`num`,});   } { svelteHTML.createElement("th", {   "scope":`col`,"class":`num`,});   } } }
             { svelteHTML.createElement("tbody", {});
                  for(let nic of __sveltets_2_ensureArray(detail.interfaces.value)){let i = 1;i;
                 { svelteHTML.createElement("tr", { "title":sourceLine(asked),});
                   { svelteHTML.createElement("th", {   "scope":`row`,"class":`mono`,});nic.name; }
                   { svelteHTML.createElement("td", {   ...__sveltets_2_empty({"data-label":`Addresses`}),"class":`mono wide`,});nic.addresses.join(' ') || 'none'; }
                   { svelteHTML.createElement("td", {   ...__sveltets_2_empty({"data-label":`Speed`}),"class":`num third`,});nic.speedMbps === null ? 'not told' : `${digits(nic.speedMbps)} Mbit/s`; }
                   { svelteHTML.createElement("td", {   ...__sveltets_2_empty({"data-label":`In`}),"class":`num third`,});per(nic.rxBytesPerS); }
                   { svelteHTML.createElement("td", {   ...__sveltets_2_empty({"data-label":`Out`}),"class":`num third`,});per(nic.txBytesPerS); }
                   { svelteHTML.createElement("td", {   ...__sveltets_2_empty({"data-label":`In since boot`}),"class":`num`,});storage(nic.rxBytes); }
                   { svelteHTML.createElement("td", {   ...__sveltets_2_empty({"data-label":`Out since boot`}),"class":`num`,});storage(nic.txBytes); }
                 }
              }
             }
           }
        }else{ { svelteHTML.createElement("p", { "class":`dim`,});  detail.interfaces.missing; }}
       }
       { const $$_erawdraH1C = __sveltets_2_ensureComponent(Hardware); new $$_erawdraH1C({ target: __sveltets_2_any(), props: { detail,}});}
    } else if (!source.failure){
       { svelteHTML.createElement("p", {   "class":`block dim`,"role":`status`,}); node.name;       }
    }
    if(source.failure){ { svelteHTML.createElement("div", { "class":`block`,}); { const $$_eruliaF2C = __sveltets_2_ensureComponent(Failure); new $$_eruliaF2C({ target: __sveltets_2_any(), props: {    "text":source.failure,"onretry":() => source.again(),}});} }}
  }
 }


};
return { props: {} as any as Props, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const Node__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type Node__SvelteComponent_ = ReturnType<typeof Node__SvelteComponent_>;
/*Ωignore_endΩ*/export default Node__SvelteComponent_;