///<reference types="svelte" />
;;
  type Props = { text: () => string; name: string; selects?: HTMLElement | undefined };function $$render() {


  const { text, name, selects }: Props = $props()
  let said = $state('')

  async function copy() {
    try {
      await navigator.clipboard.writeText(text())
      said = 'Copied'
    } catch {
      if (selects) getSelection()?.selectAllChildren(selects)
      said = selects ? 'Selected: press Ctrl C' : 'This browser does not let the page copy'
    }
    setTimeout(() => (said = ''), 4_000)
  }
;
async () => {


 { svelteHTML.createElement("span", { "class":`copy`,}); { svelteHTML.createElement("span", {   "role":`status`,"class":`small dim`,});said; } { svelteHTML.createElement("button", {     "type":`button`,"onclick":copy,"aria-label":`Copy ${name}`,});  } }


};
return { props: {} as any as Props, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const Copy__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type Copy__SvelteComponent_ = ReturnType<typeof Copy__SvelteComponent_>;
/*Ωignore_endΩ*/export default Copy__SvelteComponent_;