///<reference types="svelte" />
;
import type { StateWord } from '../lib/words.ts';
;

  type Props = { state: StateWord; quiet?: boolean };function $$render() {

  

  const { state, quiet = false }: Props = $props()
;
async () => {


 { svelteHTML.createElement("span", { "class":`state ${state.tone}`,});
   { svelteHTML.createElement("svg", {     "viewBox":`0 0 8 8`,"aria-hidden":`true`,"class":`dot`,});
    if(state.mark === 'full'){ { svelteHTML.createElement("circle", {      "cx":`4`,"cy":`4`,"r":`3.6`,});}
    } else if (state.mark === 'half'){ { svelteHTML.createElement("circle", {        "class":`ring`,"cx":`4`,"cy":`4`,"r":`3`,});} { svelteHTML.createElement("path", {  "d":`M4 1a3 3 0 0 1 0 6Z`,});}
    } else if (state.mark === 'ring'){ { svelteHTML.createElement("circle", {        "class":`ring`,"cx":`4`,"cy":`4`,"r":`3`,});} { svelteHTML.createElement("circle", {      "cx":`4`,"cy":`4`,"r":`1.2`,});}
    }else{ { svelteHTML.createElement("circle", {        "class":`ring`,"cx":`4`,"cy":`4`,"r":`3`,});}}
   } { svelteHTML.createElement("span", { });quiet;state.word; }
 }


};
return { props: {} as any as Props, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const StateMark__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type StateMark__SvelteComponent_ = ReturnType<typeof StateMark__SvelteComponent_>;
/*Ωignore_endΩ*/export default StateMark__SvelteComponent_;