///<reference types="svelte" />
;;
  type Props = { text: string; onretry?: () => void };function $$render() {


  const { text, onretry }: Props = $props()
;
async () => {


 { svelteHTML.createElement("div", {   "role":`alert`,"class":`failure`,});
  if(text){ { svelteHTML.createElement("p", {});text;if(onretry){  { svelteHTML.createElement("button", {     "type":`button`,"class":`text`,"onclick":onretry,});  }} }}
 }
};
return { props: {} as any as Props, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const Failure__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type Failure__SvelteComponent_ = ReturnType<typeof Failure__SvelteComponent_>;
/*Ωignore_endΩ*/export default Failure__SvelteComponent_;