import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PlacementView } from '../../../protocols/placement/index.ts'
import type { ViewRow } from '../../../protocols/placement/index.ts'

const row = (peer: string, n: number): ViewRow => ({
  peer,
  name: `${peer}-${n}`,
  alive: n % 2 === 0,
  paused: n % 3 === 0,
  draining: n % 5 === 0,
  offerCpuMilli: 1000 + n,
  offerMemoryBytes: 2 ** 33 + n,
  grantedCpuMilli: n % 7,
  grantedMemoryBytes: n % 11,
  busy: n % 13 === 0 ? Number.NaN : (n % 13) / 13,
  at: n,
  labels: { n: String(n) }
})
function read(view: PlacementView, peer: string): unknown {
  const i = view.index.get(peer)
  if (i === undefined) return undefined
  return [
    view.peers[i],
    view.names[i],
    view.labels[i],
    view.flags[i],
    view.offerCpu[i],
    view.offerMemory[i],
    view.freeCpu[i],
    view.freeMemory[i],
    view.busy[i],
    view.at[i]
  ]
}

test('the columns hold what a plain map would, through growth, updates and removals', () => {
  const change = fc.record({
    peer: fc.nat(60).map((n) => `p${n}`),
    n: fc.nat(10_000),
    remove: fc.integer({ min: 0, max: 3 }).map((n) => n === 0)
  })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 200 }), (changes) => {
      const view = new PlacementView()
      const model = new Map<string, ViewRow>()
      for (const { peer, n, remove } of changes) {
        if (remove) view.remove(peer)
        else view.put(row(peer, n))
        if (remove) model.delete(peer)
        else model.set(peer, row(peer, n))
      }
      expect(view.size).toBe(model.size)
      for (const [peer, r] of model) {
        const flags = (r.alive ? 1 : 0) | (r.paused ? 2 : 0) | (r.draining ? 4 : 0)
        const free = [r.offerCpuMilli - r.grantedCpuMilli, r.offerMemoryBytes - r.grantedMemoryBytes]
        expect(read(view, peer)).toEqual([
          peer,
          r.name,
          r.labels,
          flags,
          r.offerCpuMilli,
          r.offerMemoryBytes,
          ...free,
          r.busy,
          r.at
        ])
      }
      expect([...view.index.keys()].sort()).toEqual([...model.keys()].sort())
    })
  )
})

test('a thousand PCs fit, and the room of each is kept apart', () => {
  const view = new PlacementView()
  for (let i = 0; i < 1000; i++) view.put(row(`p${i}`, i))
  view.charge('p999', 500, 7)
  view.charge('nobody', 1, 1)
  const i = view.index.get('p999')!
  expect(view.freeCpu[i]).toBe(1999 - (999 % 7) - 500)
  expect(view.freeMemory[i]).toBe(2 ** 33 + 999 - (999 % 11) - 7)
  expect(view.freeCpu[view.index.get('p998')!]).toBe(1998 - (998 % 7))
  view.put(row('p999', 999))
  expect(view.freeCpu[i], 'the next reading counts again').toBe(1999 - (999 % 7))
})
