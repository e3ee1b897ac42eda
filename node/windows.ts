/** Programs with windows, as the mesh hears of them: what this PC tells of itself, and what all that are here have told. */
import type { Peer } from '../protocols/peer/index.ts'
import { applications } from './applications.ts'
import type { AppsView } from './http/views.ts'
import type { OwnStatic } from './sensors/index.ts'
import { displayParts } from './sessiond/displays.ts'

/** Whether they can run here, and which are installed. */
export function ownWindows(): Pick<OwnStatic, 'displays' | 'apps' | 'lacks'> {
  const parts = displayParts()
  if ('missing' in parts) return { lacks: { displays: parts.missing } }
  return { displays: true, apps: [...applications().values()].map(({ id, name }) => [id, name]), lacks: {} }
}

/** Of the PCs that are here. */
export function appsOf(peer: Peer): AppsView {
  const apps = new Map<string, AppsView['apps'][number]>()
  const without: AppsView['without'] = []
  for (const { peer: id, name, state } of peer.members()) {
    const ad = peer.ad(id)?.static
    if (ad === undefined || !(id === peer.self || state === 'alive')) continue
    for (const [app, title] of ad.apps ?? []) {
      const known = apps.get(app)
      if (known === undefined) apps.set(app, { id: app, name: title, nodes: [id] })
      else known.nodes.push(id)
    }
    if (ad.displays !== true) without.push({ peerId: id, name, why: ad.missing.displays ?? 'it does not say why' })
  }
  return { apps: [...apps.values()].sort((a, b) => a.name.localeCompare(b.name)), without }
}
