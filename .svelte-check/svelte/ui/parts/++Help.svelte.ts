///<reference types="svelte" />
;
import { TABS } from '../lib/routes.ts';
;

  type Props = { onclose: () => void };function $$render() {

  

  const { onclose }: Props = $props()

  const keys: [string[], string][] = [
    [['Ctrl K', '/'], 'Find a PC or a session, or do something'],
    ...TABS.map((tab): [string[], string] => [[`g ${tab.key}`], tab.name]),
    [['j', 'k'], 'Next and previous row; Enter opens it'],
    [['Esc'], 'Close what is open'],
    [['?'], 'This list']
  ]
  function open(dialog: HTMLDialogElement) {
    dialog.showModal()
  }
;
async () => {


 { svelteHTML.createElement("dialog", {    [Symbol("@attach")]:open,onclose,"aria-labelledby":`keys`,});
   { svelteHTML.createElement("h2", { "id":`keys`,});  }
   { svelteHTML.createElement("dl", {});
       for(let [strokes, what] of __sveltets_2_ensureArray(keys)){what;
       { svelteHTML.createElement("dt", {});    for(let stroke of __sveltets_2_ensureArray(strokes)){let i = 1;stroke;if(i){ { svelteHTML.createElement("span", { "class":`dim`,});   }} { svelteHTML.createElement("kbd", {});stroke; }} }
       { svelteHTML.createElement("dd", {});what; }
    }
   }
   { svelteHTML.createElement("p", { "class":`hint`,});          }
   { svelteHTML.createElement("div", { "class":`actions`,}); { svelteHTML.createElement("button", {   "type":`button`,"onclick":onclose,});  } }
 }


};
return { props: {} as any as Props, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const Help__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type Help__SvelteComponent_ = ReturnType<typeof Help__SvelteComponent_>;
/*Ωignore_endΩ*/export default Help__SvelteComponent_;