///<reference types="svelte" />
;
import type { Reading } from '../../node/http/views.ts'
import { show, type Source } from '../lib/reading.ts';
function $$render<T>() {

  
  

  type Props = {
    reading: Reading<T>
    format: (value: T) => string
    of: Source
    /** Says the reason in full where there is room for it. */
    full?: boolean
  }
  const { reading, format, of, full = false }: Props = $props()
  const shown = $derived(show(reading, format, of))
;
async () => {


if(!shown.missing){ { svelteHTML.createElement("span", { "title":shown.title,});shown.text; }
} else if (full){ { svelteHTML.createElement("span", { "class":`dim`,});  'missing' in reading ? reading.missing : ''; }
}else{ { svelteHTML.createElement("span", {   "class":`dim`,"title":shown.title,}); { svelteHTML.createElement("span", { "aria-hidden":`true`,});shown.text; } { svelteHTML.createElement("span", { "class":`sr`,});shown.title; } }}
};
return { props: {} as any as Props, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
class __sveltets_Render<T> {
    props(): ReturnType<typeof $$render<T>>['props'] { return null as any; }
    events(): ReturnType<typeof $$render<T>>['events'] { return null as any; }
    slots(): ReturnType<typeof $$render<T>>['slots'] { return null as any; }
    bindings() { return __sveltets_$$bindings(''); }
    exports() { return {}; }
}

interface $$IsomorphicComponent {
    new <T>(options: import('svelte').ComponentConstructorOptions<ReturnType<__sveltets_Render<T>['props']>>): import('svelte').SvelteComponent<ReturnType<__sveltets_Render<T>['props']>, ReturnType<__sveltets_Render<T>['events']>, ReturnType<__sveltets_Render<T>['slots']>> & { $$bindings?: ReturnType<__sveltets_Render<T>['bindings']> } & ReturnType<__sveltets_Render<T>['exports']>;
    <T>(internal: unknown, props: ReturnType<__sveltets_Render<T>['props']> & {}): ReturnType<__sveltets_Render<T>['exports']>;
    z_$$bindings?: ReturnType<__sveltets_Render<any>['bindings']>;
}
const Value__SvelteComponent_: $$IsomorphicComponent = null as any;
/*Ωignore_startΩ*/type Value__SvelteComponent_<T> = InstanceType<typeof Value__SvelteComponent_<T>>;
/*Ωignore_endΩ*/export default Value__SvelteComponent_;