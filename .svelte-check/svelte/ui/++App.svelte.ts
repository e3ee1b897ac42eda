///<reference types="svelte" />
;
import { account } from './lib/account.svelte.ts'
import { listenToKeys } from './lib/keys.ts'
import { live } from './lib/live.svelte.ts'
import { router } from './lib/router.svelte.ts'
import { TABS, tabOf } from './lib/routes.ts'
import { headline } from './lib/sentence.ts'
import Banners from './parts/Banners.svelte'
import Find from './parts/Find.svelte'
import Head from './parts/Head.svelte'
import Help from './parts/Help.svelte'
import AddPc from './pages/AddPc.svelte'
import Dashboard from './pages/Dashboard.svelte'
import FirstRun from './pages/FirstRun.svelte'
import Looking from './pages/Looking.svelte'
import Node from './pages/Node.svelte'
import Nodes from './pages/Nodes.svelte'
import Session from './pages/Session.svelte'
import Sessions from './pages/Sessions.svelte'
import SetPassword from './pages/SetPassword.svelte'
import SignIn from './pages/SignIn.svelte'
import Start from './pages/Start.svelte';
function $$render() {

  
  
  
  
  
  
  
  
  
  
  
  
  
  
  
  
  
  
  
  
  

  let finding = $state(false)
  let helping = $state(false)
  const route = $derived(router.route)
  const tab = $derived(TABS.find((t) => t.page === tabOf(route)))
  const signedIn = $derived(account.stage === 'signed-in')
  const title = $derived(signedIn ? (tab?.name ?? 'Not found') : 'Sign in')

  $effect(() =>
    listenToKeys({
      go(key) {
        const target = signedIn && TABS.find((t) => t.key === key)
        if (target) router.go(target.path)
        return Boolean(target)
      },
      find: () => (finding = signedIn && live.mesh !== null),
      help: () => (helping = true)
    })
  )

  /** The focus goes to the new page, so that readers begin there; not on the first one, which the browser announces. */
  let shown: string | null = null
  $effect(() => {
    const place = route.page + ('id' in route ? route.id : '')
    if (shown !== null && shown !== place) document.getElementById('main')?.focus({ preventScroll: true })
    if (shown !== null && shown !== place) scrollTo(0, 0)
    shown = place
  })

;
async () => {


 { svelteHTML.createElement("svelte:head", {}); { svelteHTML.createElement("title", {});title;  live.mesh?.status.mesh?.name ?? 'Omega'; } }

 { const $$_daeH0C = __sveltets_2_ensureComponent(Head); new $$_daeH0C({ target: __sveltets_2_any(), props: {    "onfind":() => (finding = true),"onhelp":() => (helping = true),}});}
if(signedIn){ { const $$_srennaB0C = __sveltets_2_ensureComponent(Banners); new $$_srennaB0C({ target: __sveltets_2_any(), props: {}});}}

 { svelteHTML.createElement("main", {    "id":`main`,"tabindex":-1,});signedIn && live.lostSince !== null;
  if(account.stage === 'checking'){
     { svelteHTML.createElement("p", { "class":`page dim`,});      }
  } else if (account.stage === 'unreachable'){
     { svelteHTML.createElement("div", { "class":`page`,});
       { svelteHTML.createElement("h1", {});     }
       { svelteHTML.createElement("p", { "class":`lead`,});     location.hostname;      { svelteHTML.createElement("code", {});  }           }
       { svelteHTML.createElement("p", { "class":`block`,}); { svelteHTML.createElement("button", {     "type":`button`,"class":`primary`,"onclick":() => account.check(),});  } }
     }
  } else if (account.stage === 'first-run'){ { const $$_nuRtsriF1C = __sveltets_2_ensureComponent(FirstRun); new $$_nuRtsriF1C({ target: __sveltets_2_any(), props: {}});}
  } else if (account.stage === 'set-password'){ { const $$_drowssaPteS1C = __sveltets_2_ensureComponent(SetPassword); new $$_drowssaPteS1C({ target: __sveltets_2_any(), props: {}});}
  } else if (account.stage === 'signed-out'){ { const $$_nIngiS1C = __sveltets_2_ensureComponent(SignIn); new $$_nIngiS1C({ target: __sveltets_2_any(), props: {}});}
  } else if (!live.mesh){
     { svelteHTML.createElement("p", {   "class":`page dim`,"role":`status`,});
      live.lostSince === null ? 'Asking for the state of the mesh…' : `No answer from ${location.host}. Trying again…`;
     }
  } else if (live.mesh.status.phase === 'looking'){ { const $$_gnikooL1C = __sveltets_2_ensureComponent(Looking); new $$_gnikooL1C({ target: __sveltets_2_any(), props: {  "status":live.mesh.status,}});}
  } else if (route.page === 'dashboard'){ { const $$_draobhsaD1C = __sveltets_2_ensureComponent(Dashboard); new $$_draobhsaD1C({ target: __sveltets_2_any(), props: {  "mesh":live.mesh,}});}
  } else if (route.page === 'nodes'){ { const $$_sedoN1C = __sveltets_2_ensureComponent(Nodes); new $$_sedoN1C({ target: __sveltets_2_any(), props: {    "nodes":live.mesh.nodes,"query":route.query,}});}
  } else if (route.page === 'add'){ { const $$_cPddA1C = __sveltets_2_ensureComponent(AddPc); new $$_cPddA1C({ target: __sveltets_2_any(), props: {  "status":live.mesh.status,}});}
  } else if (route.page === 'node'){route.id; { { const $$_edoN1C = __sveltets_2_ensureComponent(Node); new $$_edoN1C({ target: __sveltets_2_any(), props: {  "id":route.id,}});}}
  } else if (route.page === 'sessions'){ { const $$_snoisseS1C = __sveltets_2_ensureComponent(Sessions); new $$_snoisseS1C({ target: __sveltets_2_any(), props: {    "mesh":live.mesh,"query":route.query,}});}
  } else if (route.page === 'start'){ { const $$_tratS1C = __sveltets_2_ensureComponent(Start); new $$_tratS1C({ target: __sveltets_2_any(), props: {  "nodes":live.mesh.nodes,}});}
  } else if (route.page === 'session'){route.id; { { const $$_noisseS1C = __sveltets_2_ensureComponent(Session); new $$_noisseS1C({ target: __sveltets_2_any(), props: {  "id":route.id,}});}}
  }else{
     { svelteHTML.createElement("div", { "class":`page`,});
       { svelteHTML.createElement("h1", {});     }
       { svelteHTML.createElement("p", { "class":`lead`,});    { svelteHTML.createElement("code", {});route.path; }  { svelteHTML.createElement("a", {   "class":`link`,"href":`#/`,});    } }
     }
  }
 }

 { svelteHTML.createElement("div", {     "class":`sr`,"role":`status`,"aria-live":`polite`,});signedIn && live.mesh ? headline(live.mesh.nodes) : ''; }

if(finding){ { const $$_dniF0C = __sveltets_2_ensureComponent(Find); new $$_dniF0C({ target: __sveltets_2_any(), props: {    "onclose":() => (finding = false),"onhelp":() => (helping = true),}});}}
if(helping){ { const $$_pleH0C = __sveltets_2_ensureComponent(Help); new $$_pleH0C({ target: __sveltets_2_any(), props: {  "onclose":() => (helping = false),}});}}


};
return { props: {} as Record<string, never>, exports: {}, bindings: __sveltets_$$bindings(''), slots: {}, events: {} }}
const App__SvelteComponent_ = __sveltets_2_fn_component($$render());
/*Ωignore_startΩ*/type App__SvelteComponent_ = ReturnType<typeof App__SvelteComponent_>;
/*Ωignore_endΩ*/export default App__SvelteComponent_;