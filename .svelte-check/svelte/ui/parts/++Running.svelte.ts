///<reference types="svelte" />
;
import type { SessionView } from '../../node/http/views.ts'
import { account } from '../lib/account.svelte.ts'
import { clock } from '../lib/clock.svelte.ts'
import { live } from '../lib/live.svelte.ts'
import { nodePath, sessionPath } from '../lib/routes.ts'
import { activityOf } from '../lib/sentence.ts'
import { span } from '../lib/units.ts'
import { sessionWord } from '../lib/words.ts'
import StateMark from './StateMark.svelte';
;

  type Props = { sessions: readonly SessionView[] };function $$render() {

  
  
  
  
  
  
  
  
  

  const { sessions }: Props = $props()
  const SHOWN = 8
  const RANK = { stuck: 0, waits: 1, runs: 2, ended: 3 }
  const open = $derived(
    sessions.filter((session) => activityOf(session) !== 'ended').toSorted((a, b) => RANK[activityOf(a)] - RANK[activityOf(b)])
  )
  const why = (session: SessionView) => (activityOf(session) === 'runs' ? (session.placement?.sentence ?? session.reason) : session.reason)
;
async () => {


 { svelteHTML.createElement("section", {   "class":`block`,"aria-labelledby":`running`,});
   { svelteHTML.createElement("h2", { "id":`running`,});  }
  if(open.length){
     { svelteHTML.createElement("ul", {});
         for(let session of __sveltets_2_ensureArray((open.slice(0, SHOWN)))){session.id;
         { svelteHTML.createElement("li", {});
            { const $$_kraMetatS3C = __sveltets_2_ensureComponent(StateMark); new $$_kraMetatS3C({ target: __sveltets_2_any(), props: {  "state":sessionWord(session),"quiet":true,}});}
           { svelteHTML.createElement("a", {     "href":`#${sessionPath(session.id)}`,...__sveltets_2_empty({"data-row":true}),"class":`command`,"title":session.command,});session.command; }
           { svelteHTML.createElement("span", { "class":`where`,});
            if(session.runner){ { svelteHTML.createElement("a", { "href":`#${nodePath(session.runner)}`,});live.nameOf(session.runner); }}else{ { svelteHTML.createElement("span", { "class":`warn`,});   }}
           }
           { svelteHTML.createElement("span", {    "class":`why`,"title":why(session),});activityOf(session) !== 'runs';why(session); }
           { svelteHTML.createElement("span", { "class":`num dim`,});span(clock.wall - (session.startedAt ?? session.createdAt)); }
         }
      }
     }
    if(open.length > SHOWN){ { svelteHTML.createElement("p", { "class":`more`,}); { svelteHTML.createElement("a", {   "class":`link`,"href":`#/sessions?state=open`,}); open.length;   } }}
  }else{
     { svelteHTML.createElement("p", { "class":`empty`,});
          
      if(account.mayRun){ { svelteHTML.createElement("a", {   "class":`link`,"href":`#/sessions/start`,});  }    { svelteHTML.createElement("code", {});     }   }
     }
  }
 }


};
return { props: {} as any as Props, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const Running__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type Running__SvelteComponent_ = ReturnType<typeof Running__SvelteComponent_>;
/*Ωignore_endΩ*/export default Running__SvelteComponent_;