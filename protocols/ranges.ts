/**
 * Finding where two sets differ without sending them: each item has a pseudo-random place among 2^32; sums over sixteen
 * parts of a range are compared, and the parts that differ again in sixteen, until so few items are left that they are
 * told. With n items that takes at most log16 n + 1 round trips, and bytes by what differs.
 */
import { z } from 'zod'

const SPLIT = 16
/** Deeper no range is split: sixteen places are left. */
const DEPTH_MAX = 7
/** Two sums of four bytes for each part. */
const SUMS_BYTES = 8 * SPLIT
/** Ranges in one message. */
export const RANGES_MAX = 64

/** All places whose first 4 × depth bits are the prefix. */
export type Range = [depth: number, prefix: number]
export type RangeSums = [depth: number, prefix: number, sums: Uint8Array]
export const ALL: Range = [0, 0]

export const RangeWire = z.tuple([z.int().min(0).max(DEPTH_MAX), z.int().min(0).max(0xffffffff)])
export const RangeSumsWire = z.tuple([
  z
    .int()
    .min(0)
    .max(DEPTH_MAX - 1),
  z.int().min(0).max(0xffffffff),
  z.custom<Uint8Array>((v) => v instanceof Uint8Array && v.length === SUMS_BYTES, 'is no list of sums')
])

export interface Ranged {
  /** 32 bits that follow from what the item is about. */
  readonly place: number
  /** 48 bits that follow from its version. */
  readonly id: number
}

export interface Differences<T> {
  /** Few are here: to be told, and answered with what is newer there. */
  tell: { range: Range; items: T[] }[]
  /** The other side has nothing in their ranges. */
  give: T[]
  /** Many are here: to be compared in finer parts. */
  split: RangeSums[]
}

export function isIn([depth, prefix]: Range, place: number): boolean {
  return prefixOf(place, depth) === prefix
}

/** The sums of the sixteen parts of a range. `visit` calls back for each item; those outside do not count. */
export function sumsOf(range: Range, visit: (add: (place: number, id: number) => void) => void): Uint8Array {
  const sums = new Uint32Array(2 * SPLIT)
  visit((place, id) => {
    if (!isIn(range, place)) return
    const part = 2 * partOf(place, range[0])
    const low = id >>> 0
    const high = Math.floor(id / 2 ** 32)
    sums[part]! += Math.imul(low ^ Math.imul(high, 0x85ebca6b), 0xc2b2ae35)
    sums[part + 1]! += Math.imul(high ^ Math.imul(low, 0x27d4eb2f), 0x165667b1)
  })
  const bytes = new Uint8Array(SUMS_BYTES)
  const view = new DataView(bytes.buffer)
  for (const [i, sum] of sums.entries()) view.setUint32(4 * i, sum)
  return bytes
}

/** What to do about the sums that another sent. `tellMax`: so few items are told rather than compared. */
export function differencesOf<T extends Ranged>(
  items: readonly T[],
  theirs: readonly RangeSums[],
  tellMax: number
): Differences<T> {
  const found: Differences<T> = { tell: [], give: [], split: [] }
  const within = grouped(items, theirs)
  for (const [depth, prefix, sums] of theirs) {
    const here = within.get(keyOf(depth, prefix)) ?? []
    const ours = sumsOf([depth, prefix], (add) => {
      for (const { place, id } of here) add(place, id)
    })
    const parts = Array.from({ length: SPLIT }, (): T[] => [])
    for (const item of here) parts[partOf(item.place, depth)]!.push(item)
    for (const [i, part] of parts.entries())
      compare(found, [depth + 1, prefix * SPLIT + i], part, i, ours, sums, tellMax)
  }
  return found
}

/** In so many a message as it takes. */
export function chunked<T>(list: readonly T[], max: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / max) }, (_, i) => list.slice(i * max, (i + 1) * max))
}

/** A pseudo-random place that follows from the text alone. */
export function placeOf(text: string): number {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

function compare<T extends Ranged>(
  found: Differences<T>,
  range: Range,
  items: T[],
  i: number,
  ours: Uint8Array,
  theirs: Uint8Array,
  tellMax: number
): void {
  let differs = false
  let isEmptyThere = true
  for (let at = 8 * i; at < 8 * i + 8; at++) {
    differs ||= ours[at] !== theirs[at]
    isEmptyThere &&= theirs[at] === 0
  }
  if (!differs) return
  if (isEmptyThere) found.give.push(...items)
  else if (items.length <= tellMax || range[0] >= DEPTH_MAX) found.tell.push({ range, items })
  else found.split.push([...range, sumsOfItems(range, items)])
}

function sumsOfItems(range: Range, items: readonly Ranged[]): Uint8Array {
  return sumsOf(range, (add) => {
    for (const { place, id } of items) add(place, id)
  })
}

function grouped<T extends Ranged>(items: readonly T[], ranges: readonly RangeSums[]): Map<number, T[]> {
  const groups = new Map<number, T[]>(ranges.map(([depth, prefix]) => [keyOf(depth, prefix), []]))
  const depths = [...new Set(ranges.map(([depth]) => depth))]
  for (const item of items)
    for (const depth of depths) groups.get(keyOf(depth, prefixOf(item.place, depth)))?.push(item)
  return groups
}

function keyOf(depth: number, prefix: number): number {
  return depth * 2 ** 32 + prefix
}
function prefixOf(place: number, depth: number): number {
  return depth === 0 ? 0 : place >>> (32 - 4 * depth)
}
function partOf(place: number, depth: number): number {
  return (place >>> (28 - 4 * depth)) & (SPLIT - 1)
}
