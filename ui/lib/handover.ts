/**
 * The page goes on when its peer dies: where to go, what to carry in the fragment, how to read it on arrival. Pure. The
 * ticket is worth one login for a minute, so the fragment is erased before anything else happens on arrival.
 */
import type { LiveSnapshot, NodeView } from '../../node/http/views.ts'

export type Member = NonNullable<LiveSnapshot['handover']>['urls'][number]
export type Drafts = Record<string, string>

/** Longer drafts stay behind: address bars and proxies cut long URLs. */
export const DRAFTS_MAX_CHARS = 24_000
const TICKET_LIFE_MS = 60_000

export type Arrival =
  | { kind: 'handover'; ticket: string; route: string; drafts: Drafts }
  | { kind: 'first-run'; token: string }
  | { kind: 'set-password'; name: string; token: string }

/** Where the page goes with everything it carries. */
export function departure(member: Member, ticket: string | null, route: string, drafts: Drafts): string {
  const to = new URL('/', member.url)
  const fragment = new URLSearchParams()
  fragment.set('handover', ticket ?? '')
  fragment.set('route', route)
  const written = JSON.stringify(drafts)
  if (written !== '{}' && written.length <= DRAFTS_MAX_CHARS) fragment.set('draft', written)
  to.hash = fragment.toString()
  return to.href
}

export function readArrival(hash: string): Arrival | null {
  const firstRun = /^#first-run=([\w-]*)/.exec(hash)
  if (firstRun) return { kind: 'first-run', token: firstRun[1] as string }
  const password = /^#set-password=([^:]*):([\w-]*)/.exec(hash)
  if (password) return { kind: 'set-password', name: password[1] as string, token: password[2] as string }
  if (!hash.startsWith('#handover=')) return null
  const fragment = new URLSearchParams(hash.slice(1))
  const route = fragment.get('route') ?? ''
  return {
    kind: 'handover',
    ticket: fragment.get('handover') ?? '',
    route: route.startsWith('/') ? route : '/',
    drafts: readDrafts(fragment.get('draft'))
  }
}

/** Anyone can write a fragment: only short strings by name come in. */
function readDrafts(written: string | null): Drafts {
  if (!written || written.length > DRAFTS_MAX_CHARS) return {}
  try {
    const parsed: unknown = JSON.parse(written)
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return {}
    return Object.fromEntries(Object.entries(parsed).filter(([, text]) => typeof text === 'string')) as Drafts
  } catch {
    return {}
  }
}

/** Other members in the order to try: those that answered last time first. */
export function members(
  handover: LiveSnapshot['handover'],
  nodes: readonly Pick<NodeView, 'peerId' | 'state'>[],
  servedBy: string
): Member[] {
  const rank = (peerId: string) =>
    ({ alive: 0, suspect: 1, dead: 2, left: 3 })[nodes.find((n) => n.peerId === peerId)?.state ?? 'dead']
  return (handover?.urls ?? [])
    .filter((member) => member.peerId !== servedBy && rank(member.peerId) < 3)
    .toSorted((a, b) => rank(a.peerId) - rank(b.peerId))
}

export function ticketAlive(receivedAt: number, now: number): boolean {
  return now - receivedAt < TICKET_LIFE_MS
}
