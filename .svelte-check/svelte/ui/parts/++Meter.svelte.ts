///<reference types="svelte" />
;;
  type Props = { ratio: number | null; warn?: boolean };function $$render() {


  const { ratio, warn = false }: Props = $props()
;
async () => {


 { svelteHTML.createElement("svg", {      "viewBox":`0 0 100 2`,"preserveAspectRatio":`none`,"aria-hidden":`true`,});warn;
   { svelteHTML.createElement("rect", {      "class":`whole`,"width":`100`,"height":`2`,});}
  if(ratio !== null){ { svelteHTML.createElement("rect", {      "class":`part`,"width":Math.min(100, Math.max(0, ratio * 100)),"height":`2`,});}}
 }


};
return { props: {} as any as Props, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const Meter__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type Meter__SvelteComponent_ = ReturnType<typeof Meter__SvelteComponent_>;
/*Ωignore_endΩ*/export default Meter__SvelteComponent_;