/** The numbers of entries and the outbox in columns do what a map of objects would, whatever comes and goes. */
import { expect, test } from 'vitest'
import type { Entry } from '../../../protocols/gossip/entry.ts'
import { Known } from '../../../protocols/gossip/known.ts'
import { NONE, Numbers } from '../../../protocols/gossip/numbers.ts'
import { Outbox } from '../../../protocols/gossip/outbox.ts'
import { TOPICS } from '../../../protocols/gossip/topics.ts'
import { createRandom } from '../../../sim/random.ts'

const entry = (id: number): Entry => ({ id }) as Entry
const random = createRandom(7, 'outbox')
const below = (n: number): number => Math.floor(random.float() * n)

test('an entry has one number while anybody holds it, and is found by its id among many that begin alike', () => {
  const numbers = new Numbers()
  const held = new Map<number, { number: number; holders: number }>()
  for (let i = 0; i < 5000; i++) {
    // few low bits, so that many stand at the same place of the table
    const id = below(40) + 2 ** 20 * below(40)
    const known = held.get(id)
    expect(numbers.of(id)).toBe(known?.number ?? NONE)
    if (known === undefined || random.float() < 0.3) {
      const number = numbers.take(entry(id))
      if (known === undefined) held.set(id, { number, holders: 1 })
      else known.holders++
      expect(number).toBe(held.get(id)!.number)
      expect(numbers.entry(number)?.id).toBe(id)
    } else {
      numbers.release(known.number)
      if (--known.holders === 0) held.delete(id)
    }
  }
  expect(new Set([...held.values()].map(({ number }) => number)).size).toBe(held.size)
  expect(numbers.room).toBeLessThanOrEqual(4096)
})

test('what two peers hold is told apart though they share the numbers', () => {
  const numbers = new Numbers()
  const [atlas, den] = [new Known(numbers), new Known(numbers)]
  atlas.hold(entry(5))
  expect([atlas.has(5), den.has(5)]).toEqual([true, false])
  den.hold(entry(5))
  atlas.drop(5)
  expect([atlas.has(5), atlas.entry(5), den.entry(5)?.id]).toEqual([true, undefined, 5])
  atlas.forget(5)
  expect([atlas.has(5), den.has(5)]).toEqual([false, true])
  den.forget(5)
  expect(numbers.of(5)).toBe(NONE)
})

test('the outbox keeps the order, who has what and how often it was sent', () => {
  const known = new Known(new Numbers())
  const outbox = new Outbox(known)
  const model = new Map<number, { sends: number; told: Set<number> }>()
  let fresh = 0
  let differ = 0
  for (let i = 0; i < 3000; i++) {
    const ids = [...model.keys()]
    const id = ids[below(ids.length)]
    const dice = random.float()
    if (dice < 0.25 || id === undefined) {
      known.hold(entry(++fresh))
      outbox.add(entry(fresh), 1)
      model.set(fresh, { sends: 1, told: new Set() })
    } else if (dice < 0.49) {
      outbox.remove(outbox.find(id))
      known.forget(id)
      model.delete(id)
    } else if (dice < 0.98) {
      const slot = below(100)
      if (dice < 0.7) outbox.tell(outbox.find(id), slot)
      else outbox.sent(outbox.find(id), slot)
      const one = model.get(id)!
      if (dice >= 0.7) one.sends++
      one.told.add(slot)
    } else {
      const slot = below(100)
      outbox.dropSlot(slot)
      for (const { told } of model.values()) told.delete(slot)
    }
    if (i % 100 > 0) continue
    const places = outbox.places()
    expect(outbox.size).toBe(model.size)
    expect(places.map((at) => outbox.entry(at).id)).toEqual([...model.keys()])
    expect(places.map((at) => outbox.sends(at))).toEqual([...model.values()].map(({ sends }) => sends))
    expect(places.map((at) => outbox.had(at))).toEqual([...model.values()].map(({ told }) => told.size))
    for (const at of places) {
      const { told } = model.get(outbox.entry(at).id)!
      for (let slot = 0; slot < 100; slot++) differ += Number(outbox.isTold(at, slot) !== told.has(slot))
    }
  }
  expect(differ).toBe(0)
  expect(fresh).toBeGreaterThan(500)
  outbox.clear()
  expect([outbox.size, outbox.places()]).toEqual([0, []])
})

test('as many as all topics hold are under way at once, and each is found where it stands', () => {
  const known = new Known(new Numbers())
  const outbox = new Outbox(known)
  const most = Object.values(TOPICS).reduce((sum, { max }) => sum + max, 0)
  for (let id = 0; id < 6 * most; id++) {
    known.hold(entry(id))
    const at = outbox.add(entry(id), 0)
    expect(outbox.find(id)).toBe(at)
    const old = id - most + 1
    if (old < 0) continue
    outbox.remove(outbox.find(old))
    known.forget(old)
  }
  for (let id = 5 * most + 1; id < 6 * most; id++) expect(outbox.entry(outbox.find(id)).id).toBe(id)
})
