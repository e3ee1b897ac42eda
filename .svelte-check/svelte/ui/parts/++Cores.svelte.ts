///<reference types="svelte" />
;
import { sourceLine, type Source } from '../lib/reading.ts'
import { count, percent } from '../lib/units.ts';
;

  type Props = { cores: readonly number[]; of: Source };function $$render() {

  
  

  const { cores, of }: Props = $props()
  const GAP = 1
  const BAR = 5
  const width = $derived(Math.max(1, cores.length) * (BAR + GAP) - GAP)
  const busy = $derived(cores.filter((c) => c >= 0.9).length)
  const summary = $derived(
    `${count(cores.length, 'core')}, busiest ${percent(Math.max(0, ...cores))}, ${busy ? `${busy} at 90% or more` : 'none at 90% or more'}`
  )
;
async () => {


 { svelteHTML.createElement("figure", { "title":`${cores.map((c, i) => `${i}: ${percent(c)}`).join(', ')} (${sourceLine(of)})`,});
   { svelteHTML.createElement("svg", {        "viewBox":`0 0 ${width} 20`,"preserveAspectRatio":`none`,"role":`img`,"aria-label":summary,});__sveltets_2_ensureType(String, Number, `${cores.length * 0.875} `);
        for(let core of __sveltets_2_ensureArray(cores)){let i = 1;i;
      const height = Math.max(0.6, Math.min(1, core) * 20);
       { svelteHTML.createElement("rect", {        "class":`whole`,"x":i * (BAR + GAP),"width":BAR,"height":`20`,});}
       { svelteHTML.createElement("rect", {           "class":`part`,"x":i * (BAR + GAP),"y":20 - height,"width":BAR,height,});core >= 0.9;}
    }
   }
   { svelteHTML.createElement("figcaption", { "class":`small dim`,});summary; }
 }


};
return { props: {} as any as Props, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const Cores__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type Cores__SvelteComponent_ = ReturnType<typeof Cores__SvelteComponent_>;
/*Ωignore_endΩ*/export default Cores__SvelteComponent_;