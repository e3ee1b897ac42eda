/** Snapshot and deltas: what the page knows after each message. */
import { expect, test } from 'vitest'
import type { LiveDelta, LiveSnapshot, NodeView, SessionView } from '../../node/http/views.ts'
import { applyDelta, byId, byName, fromSnapshot, type Mesh } from '../../ui/lib/merge.ts'
import { fakeMesh } from './fake-mesh.ts'

function snapshot(): LiveSnapshot {
  const { status, nodes, sessions, events } = fakeMesh('office')
  return { t: 'snapshot', seq: 10, status, nodes, sessions, events, handover: { ticket: 'first', urls: [] } }
}
const start = () => fromSnapshot(snapshot(), 1_000)
const delta = (seq: number, change: Partial<LiveDelta> = {}): LiveDelta => ({ t: 'delta', seq, ...change })
const after = (mesh: Mesh, change: LiveDelta, now = 2_000): Mesh => {
  const next = applyDelta(mesh, change, now)
  if (next === null) throw new Error('a delta was missed')
  return next
}

test('this PC is first, those away are last, sessions and events are newest first', () => {
  const mesh = start()
  expect(mesh.nodes.map((n) => n.name)).toEqual(['workbench', 'atlas', 'den', 'studio', 'lark'])
  expect(mesh.sessions.map((s) => s.createdAt)).toEqual(mesh.sessions.map((s) => s.createdAt).toSorted((a, b) => b - a))
  expect(mesh.events[0]?.seq).toBe(7)
})

test('a delta changes what it names and nothing else', () => {
  const mesh = start()
  const atlas = { ...(mesh.nodes[1] as NodeView), usedBy: 'anna works here' }
  const next = after(mesh, delta(11, { nodes: [atlas] }))
  expect(next.nodes[1]).toBe(atlas)
  expect(next.sessions).toBe(mesh.sessions)
  expect(next.status).toBe(mesh.status)
  expect(mesh.nodes[1]?.usedBy).not.toBe('anna works here')
})

test('a PC that changes its state changes its place, one that changes a reading keeps it', () => {
  const mesh = start()
  const [, atlas, den] = mesh.nodes as [NodeView, NodeView, NodeView]
  const read = after(
    mesh,
    delta(11, {
      nodes: [
        { ...den, cpu: { value: 0.5 } },
        { ...atlas, cpu: { value: 0.1 } }
      ]
    })
  )
  expect(read.nodes.map((n) => n.name)).toEqual(mesh.nodes.map((n) => n.name))
  const gone = after(read, delta(12, { nodes: [{ ...atlas, state: 'dead' }] }))
  expect(gone.nodes.map((n) => n.name)).toEqual(['workbench', 'den', 'studio', 'atlas', 'lark'])
  expect([byId(gone.nodes).get(atlas.peerId)?.state, byName(gone.nodes).get('atlas')?.state]).toEqual(['dead', 'dead'])
  expect(byId(read.nodes).get(atlas.peerId)?.state).toBe('alive')
})

test('what is gone is gone, what is new takes its place', () => {
  const mesh = start()
  const [first] = mesh.sessions as [SessionView]
  const fresh = { ...first, id: 'f'.repeat(32), createdAt: Date.now() + 5 }
  const next = after(
    mesh,
    delta(11, { sessions: [fresh], sessionsGone: [first.id], nodesGone: [mesh.nodes[4]?.peerId ?? ''] })
  )
  expect(next.sessions[0]).toBe(fresh)
  expect(next.sessions).not.toContain(first)
  expect(next.nodes.map((n) => n.name)).not.toContain('lark')
  expect([...next.heardAt.keys()]).toHaveLength(4)
})

test('a node remembers when it was heard, so that its age goes on', () => {
  const mesh = start()
  const [self, atlas] = mesh.nodes as [NodeView, NodeView]
  const next = after(mesh, delta(11, { nodes: [atlas] }), 5_000)
  expect(next.heardAt.get(atlas.peerId)).toBe(5_000)
  expect(next.heardAt.get(self.peerId)).toBe(1_000)
})

test('a missed delta is noticed and an old one does nothing', () => {
  const mesh = start()
  expect(applyDelta(mesh, delta(12), 2_000)).toBeNull()
  expect(applyDelta(mesh, delta(9, { nodesGone: [mesh.nodes[0]?.peerId ?? ''] }), 2_000)).toBe(mesh)
})

test('a sign of life with the same number changes nothing, and brings a new ticket when it has one', () => {
  const mesh = start()
  expect(applyDelta(mesh, delta(10), 2_000)).toBe(mesh)
  const next = after(mesh, delta(10, { handover: { ticket: 'second', urls: [] } }))
  expect(next.handover?.ticket).toBe('second')
  expect(next.seq).toBe(10)
})

test('events come once, however often they are sent, and only so many are kept', () => {
  const mesh = start()
  const [event] = mesh.events as [Mesh['events'][number]]
  const many = Array.from({ length: 400 }, (_, i) => ({ ...event, seq: 8 + i }))
  const next = after(mesh, delta(11, { events: [event, ...many, ...many] }))
  expect(next.events).toHaveLength(300)
  expect(next.events[0]?.seq).toBe(407)
  expect(new Set(next.events.map((e) => e.seq)).size).toBe(300)
})

test('one id twice in a snapshot is one row', () => {
  const twice = snapshot()
  const mesh = fromSnapshot(
    { ...twice, nodes: [...twice.nodes, ...twice.nodes], sessions: [...twice.sessions, ...twice.sessions] },
    0
  )
  expect(mesh.nodes).toHaveLength(5)
  expect(mesh.sessions).toHaveLength(twice.sessions.length)
})
