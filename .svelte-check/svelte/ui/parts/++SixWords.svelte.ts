///<reference types="svelte" />
;;
  type Props = { words: string; large?: boolean };function $$render() {


  const { words, large = false }: Props = $props()
;
async () => {


 { svelteHTML.createElement("span", {  "class":`words`,});large;
   { svelteHTML.createElement("span", { "class":`sr`,});  }
      for(let word of __sveltets_2_ensureArray(words.split(/[\s-]+/))){let i = 1;i; { svelteHTML.createElement("span", {});word; }' ';}
 }


};
return { props: {} as any as Props, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const SixWords__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type SixWords__SvelteComponent_ = ReturnType<typeof SixWords__SvelteComponent_>;
/*Ωignore_endΩ*/export default SixWords__SvelteComponent_;