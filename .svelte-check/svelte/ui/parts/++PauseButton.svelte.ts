///<reference types="svelte" />
;
import type { NodeView, SessionView } from '../../node/http/views.ts'
import { call } from '../lib/client.ts'
import { Deed } from '../lib/deed.svelte.ts'
import { live } from '../lib/live.svelte.ts'
import { activityOf } from '../lib/sentence.ts'
import { count } from '../lib/units.ts'
import Confirm from './Confirm.svelte'
import Failure from './Failure.svelte';
;

  type Props = { node: NodeView; sessions: readonly SessionView[] };function $$render() {

  
  
  
  
  
  
  
  

  const { node, sessions }: Props = $props()
  const here = $derived(sessions.filter((session) => session.runner === node.peerId && activityOf(session) === 'runs').length)
  const resuming = new Deed()
  let asking = $state(false)

  async function turn(verb: 'pause' | 'resume') {
    live.putNode(await call<NodeView>('POST', `/nodes/${encodeURIComponent(node.peerId)}/${verb}`))
    await live.refreshStatus()
  }
;
async () => {


if(node.offer?.paused){
   { svelteHTML.createElement("button", {       "type":`button`,"class":`primary`,"onclick":() => resuming.run(() => turn('resume')),"disabled":resuming.busy,});
    resuming.busy ? 'Resuming…' : 'Resume this PC';
   }
}else{
   { svelteHTML.createElement("button", {     "type":`button`,"class":`warn`,"onclick":() => (asking = true),});   }
}
 { const $$_eruliaF0C = __sveltets_2_ensureComponent(Failure); new $$_eruliaF0C({ target: __sveltets_2_any(), props: {  "text":resuming.failure,}});}

if(asking){
   { const $$_mrifnoC0C = __sveltets_2_ensureComponent(Confirm); new $$_mrifnoC0C({ target: __sveltets_2_any(), props: {         children:() => { return __sveltets_2_any(0); },"title":`Pause ${node.name}?`,"verb":`Pause it`,"refusal":`Leave it on`,"act":() => turn('pause'),"onclose":() => (asking = false),}});
     { svelteHTML.createElement("p", {});
      if(here){count(here, 'session'); here === 1 ? 'runs' : 'run';   here === 1 ? 'is' : 'are';         }else{   }
                   
     }
   Confirm}
}
};
return { props: {} as any as Props, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const PauseButton__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type PauseButton__SvelteComponent_ = ReturnType<typeof PauseButton__SvelteComponent_>;
/*Ωignore_endΩ*/export default PauseButton__SvelteComponent_;