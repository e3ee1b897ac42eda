///<reference types="svelte" />
;
import { spark } from '../lib/spark.ts';
;

  type Props = {
    line: readonly (number | null)[]
    /** What it shows, for those who do not see it. */
    label: string
    /** Value at the top edge; null: the largest of the line. */
    top?: number | null
    tall?: boolean
    warn?: boolean
  };function $$render() {

  

  const { line, label, top = 1, tall = false, warn = false }: Props = $props()
  const height = $derived(tall ? 40 : 22)
  const drawn = $derived(spark(line, 120, height, top))
;
async () => {


 { svelteHTML.createElement("svg", {         "viewBox":`0 0 120 ${height}`,"preserveAspectRatio":`none`,"role":`img`,"aria-label":label,});tall;warn;
   { svelteHTML.createElement("path", {    "class":`base`,"d":`M0 ${height - 0.5}H120`,});}
   { svelteHTML.createElement("path", {    "class":`area`,"d":drawn.area,});}
   { svelteHTML.createElement("path", {    "class":`stroke`,"d":drawn.stroke,});}
 }


};
return { props: {} as any as Props, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const Spark__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type Spark__SvelteComponent_ = ReturnType<typeof Spark__SvelteComponent_>;
/*Ωignore_endΩ*/export default Spark__SvelteComponent_;