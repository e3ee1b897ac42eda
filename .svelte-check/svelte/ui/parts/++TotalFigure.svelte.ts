///<reference types="svelte" />
;
import { isKnown, sourceLine } from '../lib/reading.ts'
import { nodePath } from '../lib/routes.ts'
import { spanOf } from '../lib/spark.ts'
import type { Total } from '../lib/totals.ts'
import { count } from '../lib/units.ts'
import Spark from './Spark.svelte';
;

  type Props = {
    name: string
    total: Total
    /** The figure, and what stands small beside it. */
    figure: (sum: [number, number]) => [string, string]
    line: (number | null)[]
    lineFormat: (value: number) => string
    /** null: scaled to its own peak. */
    top?: number | null
    worstWord: string
    worstFormat: (worst: NonNullable<Total['worst']>) => string
    /** At this share of its own limit a PC is named in the warning colour. */
    warnAt?: number
    extra?: { text: string; title: string } | null
  };function $$render() {

  
  
  
  
  
  

  const { name, total, figure, line, lineFormat, top = 1, worstWord, worstFormat, warnAt = 0.9, extra = null }: Props = $props()
  const shown = $derived(isKnown(total.sum) ? figure(total.sum.value) : null)
  const title = $derived(sourceLine({ name: `sum of ${count(total.counted, 'PC')}, the oldest reading`, ageMs: total.oldestMs }))
  const full = $derived(total.worst?.ratio !== null && (total.worst?.ratio ?? 0) >= warnAt)
;
async () => {


 { svelteHTML.createElement("div", { "class":`total`,});
   { svelteHTML.createElement("h2", {});name; }
  if(shown){
     { svelteHTML.createElement("p", {  "class":`figure`,title,}); { svelteHTML.createElement("b", {});shown[0]; } shown[1]; }
  }else{
     { svelteHTML.createElement("p", { "class":`figure`,});  { svelteHTML.createElement("span", { "class":`small`,});  'missing' in total.sum ? total.sum.missing : ''; } }
  }
   { const $$_krapS1C = __sveltets_2_ensureComponent(Spark); new $$_krapS1C({ target: __sveltets_2_any(), props: {    line,top,"tall":true,"label":`${name} of the mesh: ${spanOf(line, lineFormat)}`,}});}
   { svelteHTML.createElement("p", { "class":`small note`,});
    if(total.worst && total.counted > 1){
       { svelteHTML.createElement("span", { });full;worstWord;  { svelteHTML.createElement("a", { "href":`#${nodePath(total.worst.peerId)}`,});total.worst.name; } worstFormat(total.worst); }
    }
    if(extra){ { svelteHTML.createElement("span", { "title":extra.title,});extra.text; }}
    if(total.without.length && total.counted){
       { svelteHTML.createElement("span", {   "class":`dim`,"title":total.without.map((w) => `${w.name}: ${w.reason}`).join('\n'),});
         total.without.length === 1 ? total.without[0]?.name : count(total.without.length, 'PC');
       }
    }
   }
 }


};
return { props: {} as any as Props, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const TotalFigure__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type TotalFigure__SvelteComponent_ = ReturnType<typeof TotalFigure__SvelteComponent_>;
/*Ωignore_endΩ*/export default TotalFigure__SvelteComponent_;