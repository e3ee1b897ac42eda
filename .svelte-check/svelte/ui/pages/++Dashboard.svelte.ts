///<reference types="svelte" />
;
import { clock } from '../lib/clock.svelte.ts'
import { live } from '../lib/live.svelte.ts'
import type { Mesh } from '../lib/merge.ts'
import { activity, headline } from '../lib/sentence.ts'
import { ago } from '../lib/units.ts'
import Events from '../parts/Events.svelte'
import Machines from '../parts/Machines.svelte'
import Running from '../parts/Running.svelte'
import Totals from '../parts/Totals.svelte';
;

  type Props = { mesh: Mesh };function $$render() {

  
  
  
  
  
  
  
  
  

  const { mesh }: Props = $props()
  const alone = $derived(mesh.nodes.filter((node) => node.state !== 'left').length === 1)
;
async () => {


 { svelteHTML.createElement("div", { "class":`page`,});
   { svelteHTML.createElement("h1", {});headline(mesh.nodes); }
   { svelteHTML.createElement("p", { "class":`lead`,});
    activity(mesh.sessions, live.nameOf);
     { svelteHTML.createElement("span", { "class":`dim`,});
         mesh.status.name;mesh.status.mesh ? ` in ${mesh.status.mesh.name}` : ''; ago(clock.mono - live.heardAt);
     }
    if(alone){ { svelteHTML.createElement("a", {   "class":`link`,"href":`#/nodes/add`,});    }}
   }
   { const $$_slatoT1C = __sveltets_2_ensureComponent(Totals); new $$_slatoT1C({ target: __sveltets_2_any(), props: {  "nodes":mesh.nodes,}});}
   { const $$_senihcaM1C = __sveltets_2_ensureComponent(Machines); new $$_senihcaM1C({ target: __sveltets_2_any(), props: {    "nodes":mesh.nodes,"sessions":mesh.sessions,}});}
   { svelteHTML.createElement("div", { "class":`two`,});
     { const $$_gninnuR2C = __sveltets_2_ensureComponent(Running); new $$_gninnuR2C({ target: __sveltets_2_any(), props: {  "sessions":mesh.sessions,}});}
     { const $$_stnevE2C = __sveltets_2_ensureComponent(Events); new $$_stnevE2C({ target: __sveltets_2_any(), props: {  "events":mesh.events,}});}
   }
 }


};
return { props: {} as any as Props, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const Dashboard__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type Dashboard__SvelteComponent_ = ReturnType<typeof Dashboard__SvelteComponent_>;
/*Ωignore_endΩ*/export default Dashboard__SvelteComponent_;