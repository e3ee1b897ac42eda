///<reference types="svelte" />
;
import type { SessionView } from '../../node/http/views.ts'
import { LINES_KEPT } from '../lib/log-text.ts'
import { Output } from '../lib/output.svelte.ts'
import { activityOf } from '../lib/sentence.ts'
import { count } from '../lib/units.ts'
import Copy from './Copy.svelte';
;

  type Props = { session: SessionView; onended: (session: SessionView) => void };function $$render() {

  
  
  
  
  
  

  const { session, onended }: Props = $props()
  const output = new Output()
  const written = $derived(output.lines + output.dropped)
  let box = $state<HTMLElement>()
  let following = $state(true)

  $effect(() => {
    output.follow(session.id, onended)
    return () => output.stop()
  })
  $effect(() => {
    if (output.blocks.length && following && box) box.scrollTop = box.scrollHeight
  })
  const NEAR_PX = 24
  function onscroll() {
    if (box) following = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_PX
  }
  function toEnd() {
    following = true
    if (box) box.scrollTop = box.scrollHeight
  }
;
async () => {


 { svelteHTML.createElement("section", {   "class":`block`,"aria-labelledby":`output`,});
   { svelteHTML.createElement("div", { "class":`head`,});
     { svelteHTML.createElement("h2", { "id":`output`,});  }
     { svelteHTML.createElement("div", { "class":`actions`,});
      if(!following){ { svelteHTML.createElement("button", {   "type":`button`,"onclick":toEnd,});   }}
       { svelteHTML.createElement("label", { "class":`follow`,}); { svelteHTML.createElement("input", {    "type":`checkbox`,"bind:checked":following,});/*Ωignore_startΩ*/() => following = __sveltets_2_any(null);/*Ωignore_endΩ*/}  }
       { const $$_ypoC3C = __sveltets_2_ensureComponent(Copy); new $$_ypoC3C({ target: __sveltets_2_any(), props: {      "text":() => output.copyText(),"name":`output`,"selects":box,}});}
     }
   }
  if(output.dropped){ { svelteHTML.createElement("p", { "class":`hint`,});   LINES_KEPT;    count(output.dropped, 'earlier line');        { svelteHTML.createElement("code", {});  session.id.slice(0, 12); } }}
  
  
   { const $$_div1 = svelteHTML.createElement("div", {         "class":`box`,"role":`region`,"aria-label":`Output of ${session.command}`,"tabindex":0,onscroll,});box = $$_div1;
       for(let block of __sveltets_2_ensureArray(output.blocks)){block.id;
       { svelteHTML.createElement("div", { "class":block.stream === 2 ? 'err' : 'out',});
        if(block.stream === 2){ { svelteHTML.createElement("span", {   "class":`mark`,"title":`standard error`,});  }} { svelteHTML.createElement("pre", {});block.lines.join('\n'); }
       }
    }
       { svelteHTML.createElement("p", { "class":`dim`,});output.ended ? 'It wrote nothing.' : activityOf(session) === 'waits' ? 'Nothing yet: it has not started.' : 'Nothing yet.'; }
    
   }
   { svelteHTML.createElement("p", {   "class":`hint`,"role":`status`,});
    if(output.trouble){ { svelteHTML.createElement("span", { "class":`warn`,});output.trouble; }
    } else if (output.ended){    count(written, 'line'); }else{count(written, 'line');         }
   }
 }


};
return { props: {} as any as Props, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const OutputView__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type OutputView__SvelteComponent_ = ReturnType<typeof OutputView__SvelteComponent_>;
/*Ωignore_endΩ*/export default OutputView__SvelteComponent_;