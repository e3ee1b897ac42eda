/**
 * What the page knows of the mesh, and how a delta changes it. Pure. Keeps when each node was heard, in the page's own
 * time, so that an age goes on growing while nothing arrives.
 */
import type { EventView, LiveDelta, LiveSnapshot, NodeView, SessionView, StatusView } from '../../node/http/views.ts'

/** Events kept in the page; older ones are in the peer. */
const EVENTS_KEPT = 300

export interface Mesh {
  seq: number
  status: StatusView
  /** This PC first, then those that answer, then those that do not; each group by name. */
  nodes: readonly NodeView[]
  /** Newest first. */
  sessions: readonly SessionView[]
  /** Newest first. */
  events: readonly EventView[]
  handover: LiveSnapshot['handover']
  /** Node id to the mesh's time (clock.mesh) when its view arrived. */
  heardAt: ReadonlyMap<string, number>
}

export function fromSnapshot(snapshot: LiveSnapshot, now: number): Mesh {
  return {
    seq: snapshot.seq,
    status: snapshot.status,
    nodes: mergeById([], snapshot.nodes, [], (n) => n.peerId, byPlace),
    sessions: mergeById([], snapshot.sessions, [], (s) => s.id, newestFirst),
    events: mergeEvents([], snapshot.events),
    handover: snapshot.handover,
    heardAt: new Map(snapshot.nodes.map((node) => [node.peerId, now]))
  }
}

/**
 * The mesh after the delta; null when one before it is missing and all must be asked again. One with the same number as
 * before brings no news of the mesh: a sign of life, or a new ticket.
 */
export function applyDelta(mesh: Mesh, delta: LiveDelta, now: number): Mesh | null {
  if (delta.seq < mesh.seq) return mesh
  if (delta.seq === mesh.seq) return delta.handover === undefined ? mesh : { ...mesh, handover: delta.handover }
  if (delta.seq !== mesh.seq + 1) return null
  return {
    seq: delta.seq,
    status: delta.status ?? mesh.status,
    nodes: mergeById(mesh.nodes, delta.nodes, delta.nodesGone, (n) => n.peerId, byPlace),
    sessions: mergeById(mesh.sessions, delta.sessions, delta.sessionsGone, (s) => s.id, newestFirst),
    events: mergeEvents(mesh.events, delta.events),
    handover: delta.handover === undefined ? mesh.handover : delta.handover,
    heardAt: heard(mesh.heardAt, delta, now)
  }
}

function mergeById<T>(
  old: readonly T[],
  changed: readonly T[] | undefined,
  gone: readonly string[] | undefined,
  id: (item: T) => string,
  order: (a: T, b: T) => number
): readonly T[] {
  if (!changed?.length && !gone?.length) return old
  const items = new Map(old.map((item) => [id(item), item]))
  let keepsOrder = !gone?.length
  for (const key of gone ?? []) items.delete(key)
  for (const item of changed ?? []) {
    const before = items.get(id(item))
    keepsOrder &&= before !== undefined && order(before, item) === 0
    items.set(id(item), item)
  }
  // A map keeps the places of what it had: of a thousand PCs few change theirs.
  return keepsOrder ? [...items.values()] : [...items.values()].sort(order)
}

function mergeEvents(old: readonly EventView[], added: readonly EventView[] | undefined): readonly EventView[] {
  if (!added?.length) return old
  const newest = old[0]?.seq ?? -1
  const fresh = new Map(added.filter((event) => event.seq > newest).map((event) => [event.seq, event]))
  return [...[...fresh.values()].sort((a, b) => b.seq - a.seq), ...old].slice(0, EVENTS_KEPT)
}

function heard(old: ReadonlyMap<string, number>, delta: LiveDelta, now: number): ReadonlyMap<string, number> {
  if (!delta.nodes?.length && !delta.nodesGone?.length) return old
  const next = new Map(old)
  for (const key of delta.nodesGone ?? []) next.delete(key)
  for (const node of delta.nodes ?? []) next.set(node.peerId, now)
  return next
}

/** The nodes of a list by peer id, and by name; each list is gone through once. */
export const byId = indexed((node) => node.peerId)
export const byName = indexed((node) => node.name)

function indexed(key: (node: NodeView) => string) {
  const known = new WeakMap<readonly NodeView[], ReadonlyMap<string, NodeView>>()
  return (nodes: readonly NodeView[]): ReadonlyMap<string, NodeView> => {
    let index = known.get(nodes)
    if (index === undefined) known.set(nodes, (index = new Map(nodes.map((node) => [key(node), node]))))
    return index
  }
}

const names = new Intl.Collator(undefined, { numeric: true })
const PLACE: Record<NodeView['state'], number> = { alive: 1, suspect: 1, dead: 2, left: 3 }
function byPlace(a: NodeView, b: NodeView): number {
  return place(a) - place(b) || names.compare(a.name, b.name) || (a.peerId < b.peerId ? -1 : 1)
}
function place(node: NodeView): number {
  return node.self ? 0 : PLACE[node.state]
}
function newestFirst(a: SessionView, b: SessionView): number {
  return b.createdAt - a.createdAt || (a.id < b.id ? -1 : 1)
}
