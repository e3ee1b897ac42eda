///<reference types="svelte" />
;
import { account } from '../lib/account.svelte.ts'
import { clock } from '../lib/clock.svelte.ts'
import { fitsSession, fitsState, SESSION_FILTERS, type SessionFilter } from '../lib/filter.ts'
import { live } from '../lib/live.svelte.ts'
import type { Mesh } from '../lib/merge.ts'
import { router } from '../lib/router.svelte.ts'
import { nodePath, sessionPath, withQuery } from '../lib/routes.ts'
import { activity, activityOf } from '../lib/sentence.ts'
import { ago, moment, span } from '../lib/units.ts'
import { sessionWord } from '../lib/words.ts'
import StateMark from '../parts/StateMark.svelte';
;

  type Props = { mesh: Mesh; query: URLSearchParams };function $$render() {

  
  
  
  
  
  
  
  
  
  
  

  const { mesh, query }: Props = $props()
  const STEP = 100
  let limit = $state(STEP)

  const chosen = $derived<SessionFilter>(SESSION_FILTERS.find((f) => f.name === query.get('state'))?.name ?? '')
  const text = $derived(query.get('q') ?? '')
  const node = $derived(query.get('node') ?? '')
  const others = $derived(mesh.sessions.filter((s) => fitsSession(s, { state: '', text, node }, live.nameOf)))
  const found = $derived(others.filter((s) => fitsState(s, chosen)))
  const choose = (change: Record<string, string>) => router.replace(withQuery('/sessions', { state: chosen, q: text, node, ...change }))
;
async () => {


 { svelteHTML.createElement("div", { "class":`page`,});
   { svelteHTML.createElement("div", { "class":`page-head`,});
     { svelteHTML.createElement("div", {});
       { svelteHTML.createElement("h1", {});  }
       { svelteHTML.createElement("p", { "class":`lead`,});
        activity(mesh.sessions, live.nameOf);  { svelteHTML.createElement("span", { "class":`dim`,});   live.servedBy; ago(clock.mono - live.heardAt);  }
       }
     }
    if(account.mayRun){ { svelteHTML.createElement("a", {   "class":`button primary`,"href":`#/sessions/start`,});  }}
   }

  if(mesh.sessions.length){
     { svelteHTML.createElement("div", { "class":`filters`,});
       { svelteHTML.createElement("div", {     "role":`group`,"aria-label":`State`,"class":`states`,});
           for(let filter of __sveltets_2_ensureArray(SESSION_FILTERS)){filter.name;
          const n = others.filter((s) => fitsState(s, filter.name)).length;
          if(n || filter.name === chosen || filter.name === ''){
             { svelteHTML.createElement("button", {     "type":`button`,"aria-pressed":filter.name === chosen,"onclick":() => choose({ state: filter.name }),});filter.label;  { svelteHTML.createElement("span", { "class":`dim`,});n; } }
          }
        }
       }
       { svelteHTML.createElement("div", { "class":`actions`,});
         { svelteHTML.createElement("label", {   "class":`sr`,"for":`session-text`,});  }
         { svelteHTML.createElement("input", {          "id":`session-text`,"type":`search`,"placeholder":`Command, user, reason, id`,"value":text,"oninput":(e) => choose({ q: e.currentTarget.value }),});}
         { svelteHTML.createElement("label", {   "class":`sr`,"for":`session-node`,});  }
         { svelteHTML.createElement("select", {     "id":`session-node`,"value":node,"onchange":(e) => choose({ node: e.currentTarget.value }),});
           { svelteHTML.createElement("option", {"value":"",});   }
             for(let n of __sveltets_2_ensureArray(mesh.nodes)){n.peerId; { svelteHTML.createElement("option", { "value":n.name,});n.name; }}
         }
       }
     }
  }

  if(found.length){
     { svelteHTML.createElement("table", {   "class":`stack`,"aria-label":`Sessions`,});
       { svelteHTML.createElement("thead", {});
         { svelteHTML.createElement("tr", {});
           { svelteHTML.createElement("th", { "scope":`col`,});  }
           { svelteHTML.createElement("th", { "scope":`col`,});  }
           { svelteHTML.createElement("th", { "scope":`col`,});  }
           { svelteHTML.createElement("th", { "scope":`col`,});  }
           { svelteHTML.createElement("th", { "scope":`col`,});  }
           { svelteHTML.createElement("th", {   "scope":`col`,"class":`num`,});  }
           { svelteHTML.createElement("th", {   "scope":`col`,"class":`num`,});  }
         }
       }
       { svelteHTML.createElement("tbody", {});
           for(let session of __sveltets_2_ensureArray((found.slice(0, limit)))){session.id;
          const why = activityOf(session) === 'runs' ? (session.placement?.sentence ?? session.reason) : session.reason;
           { svelteHTML.createElement("tr", {});
             { svelteHTML.createElement("th", { "scope":`row`,}); { svelteHTML.createElement("a", {   "href":`#${sessionPath(session.id)}`,...__sveltets_2_empty({"data-row":true}),"title":session.command,});session.command; } }
             { svelteHTML.createElement("td", {   ...__sveltets_2_empty({"data-label":`State`}),"class":`nowrap`,}); { const $$_kraMetatS5C = __sveltets_2_ensureComponent(StateMark); new $$_kraMetatS5C({ target: __sveltets_2_any(), props: {  "state":sessionWord(session),}});} }
             { svelteHTML.createElement("td", { ...__sveltets_2_empty({"data-label":`On`}),});
              if(session.runner){ { svelteHTML.createElement("a", { "href":`#${nodePath(session.runner)}`,});live.nameOf(session.runner); }}else{ { svelteHTML.createElement("span", { "class":`dim`,});   }}
             }
             { svelteHTML.createElement("td", {     ...__sveltets_2_empty({"data-label":`Why`}),"class":`why wide dim`,"title":why,});why || '–'; }
             { svelteHTML.createElement("td", {   ...__sveltets_2_empty({"data-label":`User`}),"class":`third`,});session.user; }
             { svelteHTML.createElement("td", {   ...__sveltets_2_empty({"data-label":`Began`}),"class":`num third`,});moment(session.startedAt ?? session.createdAt, clock.wall); }
             { svelteHTML.createElement("td", {   ...__sveltets_2_empty({"data-label":`For`}),"class":`num third`,});
              session.startedAt === null ? '–' : span((session.endedAt ?? clock.wall) - session.startedAt);
             }
           }
        }
       }
     }
    if(found.length > limit){
       { svelteHTML.createElement("p", { "class":`more`,});
        limit;  found.length;    { svelteHTML.createElement("button", {     "type":`button`,"class":`text`,"onclick":() => (limit += STEP),});  }
       }
    }
  } else if (mesh.sessions.length){
     { svelteHTML.createElement("p", { "class":`empty`,});    { svelteHTML.createElement("button", {     "type":`button`,"class":`text`,"onclick":() => router.replace('/sessions'),});  mesh.sessions.length; } }
  }else{
     { svelteHTML.createElement("p", { "class":`empty block`,});
         
      if(account.mayRun){ { svelteHTML.createElement("a", {   "class":`link`,"href":`#/sessions/start`,});  }          { svelteHTML.createElement("code", {});     }  
                 }
     }
  }
 }


};
return { props: {} as any as Props, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const Sessions__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type Sessions__SvelteComponent_ = ReturnType<typeof Sessions__SvelteComponent_>;
/*Ωignore_endΩ*/export default Sessions__SvelteComponent_;