///<reference types="svelte" />
;
import type { SessionView } from '../../node/http/views.ts'
import { account } from '../lib/account.svelte.ts'
import { call, messageOf } from '../lib/client.ts'
import { clock } from '../lib/clock.svelte.ts'
import { live } from '../lib/live.svelte.ts'
import { nodePath } from '../lib/routes.ts'
import { activityOf } from '../lib/sentence.ts'
import { coresOf, digits, memory, moment, momentWithSeconds, sentence, span, storage } from '../lib/units.ts'
import { RESTART_WORDS, sessionWord, stateName } from '../lib/words.ts'
import Confirm from '../parts/Confirm.svelte'
import Copy from '../parts/Copy.svelte'
import Failure from '../parts/Failure.svelte'
import OutputView from '../parts/OutputView.svelte'
import StateMark from '../parts/StateMark.svelte';
;

  type Props = { id: string };function $$render() {

  
  
  
  
  
  
  
  
  
  
  
  
  
  

  const { id }: Props = $props()
  let asked = $state.raw<SessionView | null>(null)
  let failure = $state('')
  let stopping = $state(false)

  const seen = $derived(live.mesh?.sessions.find((s) => s.id === id) ?? null)
  const session = $derived(seen ?? asked)
  const ended = $derived(session !== null && activityOf(session) === 'ended')
  const where = $derived(session?.runner ? live.nameOf(session.runner) : '')
  const mayStop = $derived(session !== null && !ended && session.state !== 'stopping' && account.mayDrive(session))

  /** Only what the live list does not hold is asked for: older sessions, and ids cut short. */
  $effect(() => {
    if (seen === null && asked === null) void ask()
  })
  async function ask() {
    failure = ''
    try {
      asked = await call<SessionView>('GET', `/sessions/${encodeURIComponent(id)}`)
    } catch (error) {
      failure = messageOf(error)
    }
  }
  function take(fresh: SessionView) {
    asked = fresh
    live.putSession(fresh)
  }
  async function stop() {
    take(await call<SessionView>('DELETE', `/sessions/${encodeURIComponent(id)}`))
  }
;
async () => {


 { svelteHTML.createElement("div", { "class":`page`,});
   { svelteHTML.createElement("p", { "class":`small back`,}); { svelteHTML.createElement("a", {   "class":`link`,"href":`#/sessions`,});  } }
  if(session){
     { svelteHTML.createElement("div", { "class":`page-head`,});
       { svelteHTML.createElement("div", {});
         { svelteHTML.createElement("h1", { "class":`mono`,});session.command; }
         { svelteHTML.createElement("p", { "class":`lead`,});
           { const $$_kraMetatS4C = __sveltets_2_ensureComponent(StateMark); new $$_kraMetatS4C({ target: __sveltets_2_any(), props: {  "state":sessionWord(session),}});}if(where){ended ? ', was on ' : ' on '; { svelteHTML.createElement("a", {   "class":`link`,"href":`#${nodePath(session.runner ?? '')}`,});where; }}if(session.reason){ { svelteHTML.createElement("span", { "class":`dim`,}); sentence(session.reason); }}
         }
       }
       { svelteHTML.createElement("div", { "class":`actions`,});
        if(mayStop){ { svelteHTML.createElement("button", {     "type":`button`,"class":`warn`,"onclick":() => (stopping = true),});  }
        } else if (!ended && session.state !== 'stopping'){ { svelteHTML.createElement("span", { "class":`dim small`,});session.user;       }}
       }
     }

     { const $$_weiVtuptuO1C = __sveltets_2_ensureComponent(OutputView); new $$_weiVtuptuO1C({ target: __sveltets_2_any(), props: {   session,"onended":take,}});}

     { svelteHTML.createElement("div", { "class":`columns`,});
       { svelteHTML.createElement("section", {   "class":`block`,"aria-labelledby":`placement`,});
         { svelteHTML.createElement("h2", { "id":`placement`,});   }
        if(session.placement){
           { svelteHTML.createElement("p", { "class":`sentence`,});session.placement.sentence; }
           { svelteHTML.createElement("table", {});
             { svelteHTML.createElement("thead", {}); { svelteHTML.createElement("tr", {}); { svelteHTML.createElement("th", { "scope":`col`,});  } { svelteHTML.createElement("th", { "scope":`col`,});  } { svelteHTML.createElement("th", {   "scope":`col`,"class":`num`,});  } } }
             { svelteHTML.createElement("tbody", {});
                  for(let candidate of __sveltets_2_ensureArray(session.placement.candidates)){let i = 1;i;
                 { svelteHTML.createElement("tr", {});
                   { svelteHTML.createElement("th", { "scope":`row`,}); { svelteHTML.createElement("a", { "href":`#${nodePath(candidate.peer)}`,});candidate.name || live.nameOf(candidate.peer); } }
                   { svelteHTML.createElement("td", { });candidate.peer !== session.runner;candidate.reason; }
                   { svelteHTML.createElement("td", { "class":`num`,});if(candidate.score === null){ { svelteHTML.createElement("span", {   "class":`dim`,"title":`It was ruled out before it was scored.`,});  }}else{digits(candidate.score);} }
                 }
              } { svelteHTML.createElement("tr", {}); { svelteHTML.createElement("td", {   "colspan":3,"class":`dim`,});     } }
             }
           }
        }else{ { svelteHTML.createElement("p", { "class":`dim`,});   }}
       }

       { svelteHTML.createElement("section", {   "class":`block`,"aria-labelledby":`facts`,});
         { svelteHTML.createElement("h2", { "id":`facts`,});   }
         { svelteHTML.createElement("dl", {});
           { svelteHTML.createElement("dt", {});  } { svelteHTML.createElement("dd", {}); { svelteHTML.createElement("span", { "class":`mono`,});session.id; }  { const $$_ypoC5C = __sveltets_2_ensureComponent(Copy); new $$_ypoC5C({ target: __sveltets_2_any(), props: {    "text":() => session.id,"name":`session id`,}});} }
           { svelteHTML.createElement("dt", {});  } { svelteHTML.createElement("dd", {});session.user;  { svelteHTML.createElement("span", { "class":`dim`,}); live.nameOf(session.submitter); } }
           { svelteHTML.createElement("dt", {});  } { svelteHTML.createElement("dd", {});coresOf(session.cpuMilli / 1000); memory(session.memoryBytes); }
           { svelteHTML.createElement("dt", {});  } { svelteHTML.createElement("dd", {});RESTART_WORDS[session.restart] ?? session.restart; }
           { svelteHTML.createElement("dt", {});  }
           { svelteHTML.createElement("dd", {});
             moment(session.createdAt, clock.wall);if(session.startedAt !== null){  moment(session.startedAt, clock.wall);}if(session.endedAt !== null){  moment(session.endedAt, clock.wall);}if(session.startedAt !== null){' '; { svelteHTML.createElement("span", { "class":`dim`,}); span((session.endedAt ?? clock.wall) - session.startedAt);  }}
           }
          if(session.exit){ { svelteHTML.createElement("dt", {});  } { svelteHTML.createElement("dd", { });session.exit.code !== 0;session.exit.signal ? `signal ${session.exit.signal}` : `exit code ${session.exit.code}`; }}
          if(session.output){ { svelteHTML.createElement("dt", {});  } { svelteHTML.createElement("dd", {});session.output.files;  storage(session.output.bytes); }}
           { svelteHTML.createElement("dt", {});   } { svelteHTML.createElement("dd", {});session.keepers.map(live.nameOf).join(', ') || 'no PC yet'; }
           { svelteHTML.createElement("dt", {});  } { svelteHTML.createElement("dd", {});live.nameOf(session.owner); session.epoch; }
         }
       }
     }

     { svelteHTML.createElement("section", {   "class":`block`,"aria-labelledby":`history`,});
       { svelteHTML.createElement("h2", { "id":`history`,});    }
       { svelteHTML.createElement("ol", {});
            for(let step of __sveltets_2_ensureArray(session.history.toReversed())){let i = 1;i;
           { svelteHTML.createElement("li", {});
             { svelteHTML.createElement("time", {   "class":`dim`,"datetime":new Date(step.at).toISOString(),});momentWithSeconds(step.at, clock.wall); }
             { svelteHTML.createElement("b", {});stateName(step.state); } { svelteHTML.createElement("span", {});step.cause; } { svelteHTML.createElement("span", { "class":`dim`,}); live.nameOf(step.by); }
           }
        } { svelteHTML.createElement("li", { "class":`dim`,});    }
       }
     }

    if(stopping){
       { const $$_mrifnoC1C = __sveltets_2_ensureComponent(Confirm); new $$_mrifnoC1C({ target: __sveltets_2_any(), props: {         children:() => { return __sveltets_2_any(0); },"title":`Stop it?`,"verb":`Stop it`,"refusal":`Let it run`,"act":stop,"onclose":() => (stopping = false),}});
         { svelteHTML.createElement("p", { "class":`command mono`,});session.command; }
         { svelteHTML.createElement("p", {});
          if(activityOf(session) === 'runs'){   where || 'its PC';                  }else{        }
                session.restart === 'no' ? '' : ', although it was to restart';     
         }
       Confirm}
    }
  } else if (failure){
     { svelteHTML.createElement("h1", {});     }
     { const $$_eruliaF1C = __sveltets_2_ensureComponent(Failure); new $$_eruliaF1C({ target: __sveltets_2_any(), props: {    "text":failure,"onretry":ask,}});}
  }else{ { svelteHTML.createElement("p", {   "class":`dim`,"role":`status`,});   id;  }}
 }


};
return { props: {} as any as Props, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const Session__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type Session__SvelteComponent_ = ReturnType<typeof Session__SvelteComponent_>;
/*Ωignore_endΩ*/export default Session__SvelteComponent_;