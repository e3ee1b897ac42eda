///<reference types="svelte" />
;
import type { NodeView } from '../../node/http/views.ts'
import { live } from '../lib/live.svelte.ts'
import { disk, largestFit, memoryTotal, network, processor, sharedHistory } from '../lib/totals.ts'
import { digits, memory, memoryOf, percent, rate, storage, storageOf } from '../lib/units.ts'
import TotalFigure from './TotalFigure.svelte';
;

  type Props = { nodes: readonly NodeView[] };function $$render() {

  
  
  
  
  

  const { nodes }: Props = $props()
  const age = live.ageOf
  const fit = $derived(largestFit(nodes))
  const inTwo = (text: string): [string, string] => {
    const [first = '', ...rest] = text.split(' ')
    return [first, rest.join(' ')]
  }
  const glued = (bytesPerS: number) => rate(bytesPerS).replace(' ', '\u00a0')
  const share = (worst: { ratio: number | null }) => percent(worst.ratio ?? 0)
;
async () => {


 { svelteHTML.createElement("section", {   "class":`totals`,"aria-label":`The mesh as one computer`,});
   { const $$_erugiFlatoT1C = __sveltets_2_ensureComponent(TotalFigure); new $$_erugiFlatoT1C({ target: __sveltets_2_any(), props: {               "name":`Processor`,"total":processor(nodes, age),"figure":([busy, cores]) => [digits(busy), `of ${digits(cores)} cores busy`],"line":sharedHistory(nodes, 'cpu'),"lineFormat":percent,"worstWord":`busiest`,"worstFormat":share,}});}
   { const $$_erugiFlatoT1C = __sveltets_2_ensureComponent(TotalFigure); new $$_erugiFlatoT1C({ target: __sveltets_2_any(), props: {                 "name":`Memory`,"total":memoryTotal(nodes, age),"figure":(sum) => inTwo(memoryOf(sum)),"line":sharedHistory(nodes, 'memory'),"lineFormat":percent,"worstWord":`fullest`,"worstFormat":share,"extra":fit && { text: `one session fits ${memory(fit.bytes)}`, title: `Work never spans two PCs: the largest free offer of one is at ${fit.name}.` },}});}
   { const $$_erugiFlatoT1C = __sveltets_2_ensureComponent(TotalFigure); new $$_erugiFlatoT1C({ target: __sveltets_2_any(), props: {               "name":`Disk`,"total":disk(nodes, age),"figure":(sum) => inTwo(storageOf(sum)),"line":live.trace.line('disk'),"lineFormat":percent,"worstWord":`fullest`,"worstFormat":(worst) => `${share(worst)}, ${storage(worst.amount)} used`,}});}
   { const $$_erugiFlatoT1C = __sveltets_2_ensureComponent(TotalFigure); new $$_erugiFlatoT1C({ target: __sveltets_2_any(), props: {                 "name":`Network`,"total":network(nodes, age),"figure":([down, up]) => [rate(down + up), `↓\u00a0${glued(down)} ↑\u00a0${glued(up)}`],"line":live.trace.line('network'),"lineFormat":rate,"top":null,"worstWord":`most at`,"worstFormat":(worst) => rate(worst.amount),}});}
 }


};
return { props: {} as any as Props, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const Totals__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type Totals__SvelteComponent_ = ReturnType<typeof Totals__SvelteComponent_>;
/*Ωignore_endΩ*/export default Totals__SvelteComponent_;