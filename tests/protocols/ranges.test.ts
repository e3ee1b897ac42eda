/** Two sets are made equal by comparing ranges: how many round trips and bytes that takes. */
import { expect, test } from 'vitest'
import { ALL, differencesOf, isIn, placeOf, sumsOf } from '../../protocols/ranges.ts'
import type { Range, Ranged, RangeSums } from '../../protocols/ranges.ts'

interface Item extends Ranged {
  readonly key: string
}
const TELL_MAX = 4
const SUMS_BYTES = 132
const ITEM_BYTES = 50

const item = (key: string): Item => ({ key, place: placeOf(key), id: placeOf(`id ${key}`) })

class Side {
  readonly items = new Map<string, Item>()

  constructor(keys: Iterable<string>) {
    for (const key of keys) this.items.set(key, item(key))
  }

  sums(): RangeSums {
    return [
      ...ALL,
      sumsOf(ALL, (add) => {
        for (const { place, id } of this.items.values()) add(place, id)
      })
    ]
  }
}

interface Talk {
  turns: number
  bytes: number
}

/** Both sides talk until nobody has anything to say. */
function reconcile(a: Side, b: Side): Talk {
  const talk: Talk = { turns: 0, bytes: 0 }
  let sums: RangeSums[] = [a.sums()]
  let told: { ranges: Range[]; items: Item[] } = { ranges: [], items: [] }
  for (let to = b; sums.length + told.ranges.length + told.items.length > 0; to = to === a ? b : a) {
    talk.turns++
    talk.bytes += sums.length * SUMS_BYTES + told.items.length * ITEM_BYTES
    for (const one of told.items) to.items.set(one.key, one)
    const mentioned = new Set(told.items.map((one) => one.key))
    const all = [...to.items.values()]
    const newer = all.filter((one) => !mentioned.has(one.key) && told.ranges.some((range) => isIn(range, one.place)))
    const found = differencesOf(all, sums, TELL_MAX)
    sums = found.split
    told = {
      ranges: found.tell.map(({ range }) => range),
      items: [...newer, ...found.give, ...found.tell.flatMap(({ items }) => items)]
    }
  }
  return talk
}

const keys = (count: number, prefix = 'k'): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}`)

test('equal sets are found equal in one turn', () => {
  expect(reconcile(new Side(keys(5000)), new Side(keys(5000)))).toEqual({ turns: 1, bytes: SUMS_BYTES })
})

test.each([
  [10, 1],
  [1000, 1],
  [1000, 100],
  [20_000, 1],
  [20_000, 2000]
])(
  'of %i items %i that differ are found in log16 n + 1 round trips, by bytes that follow the difference',
  (count, differing) => {
    const a = new Side([...keys(count), ...keys(Math.ceil(differing / 2), 'only a')])
    const b = new Side([...keys(count), ...keys(Math.floor(differing / 2), 'only b')])
    const { turns, bytes } = reconcile(a, b)
    expect([...a.items.keys()].sort()).toEqual([...b.items.keys()].sort())
    const depth = Math.ceil(Math.log2(count) / 4)
    expect(Math.ceil(turns / 2)).toBeLessThanOrEqual(depth + 1)
    expect(bytes).toBeLessThan(SUMS_BYTES + differing * (depth * SUMS_BYTES + 2 * TELL_MAX * ITEM_BYTES))
  }
)

test('a side that has nothing is given all without being asked for parts', () => {
  const all = new Side(keys(3000))
  const none = new Side([])
  expect(reconcile(none, all).turns).toBe(2)
  expect(none.items.size).toBe(3000)
})

test('an item of another version makes a difference in its range alone', () => {
  const a = new Side(keys(300))
  const changed = { ...item('k7'), id: 1 }
  const items = [...a.items.values()].map((one) => (one.key === 'k7' ? changed : one))
  const { tell, split, give } = differencesOf(items, [a.sums()], TELL_MAX)
  expect([...tell.map(({ range }) => range), ...split.map(([depth, prefix]): Range => [depth, prefix])]).toEqual([
    [1, placeOf('k7') >>> 28]
  ])
  expect(give).toEqual([])
})
