/**
 * How word travels: news rides on probes and on a tick of its own, each item a bounded number of times; lists are
 * compared when a link comes up and now and then, by fingerprint first, so that nothing stays missing.
 */
import type { PeerId } from '../ports.ts'
import { ALL, chunked, differencesOf, isIn, RANGES_MAX, sumsOf } from '../ranges.ts'
import type { Range, RangeSums } from '../ranges.ts'
import { recordId, sameBytes } from './record.ts'
import { placeOfPeer } from './rings.ts'
import { arm, send, shuffled } from './state.ts'
import type { MembershipState, News, Turn } from './state.ts'
import type { Row } from './row.ts'
import { MEMBER_LIMITS } from './wire.ts'
import type { Item } from './wire.ts'

const NOTHING: Item[] = []
/** A range in a list. */
const RANGE_BYTES = 8
/** Members in one part of a list: fit a frame, however long their records are. */
const PART_MAX = 8

/** Passes the row on, as it is now. Newer word replaces what was queued of the same member. */
export function spread(t: Turn, row: Row, from: PeerId | undefined): void {
  const item = itemOf(t, row)
  t.s.news.delete(row.peer)
  t.s.news.set(row.peer, { item, bytes: itemBytes(item), sends: 0, from })
  armNews(t)
}

export function armNews(t: Turn): void {
  if (t.s.newsArmed || t.s.news.size === 0 || t.s.links.size === 0) return
  t.s.newsArmed = true
  arm(t, 'news', Math.max(t.s.cfg.gossipSoonMs, t.s.newsAt + t.s.cfg.gossipTickMs - t.env.now))
}

/** What is new, for one neighbour. A neighbour that others accuse always hears of it, so that it can object. */
export function takeNews(t: Turn, to: PeerId, budget: number): Item[] {
  const { news, rows } = t.s
  const accused = rows.get(to)
  const own = accused !== undefined && accused.accusers.length > 0 ? verdictOf(t, accused) : undefined
  if (news.size === 0) return own === undefined ? NOTHING : [own]
  const items: Item[] = own === undefined ? [] : [own]
  let left = budget - (own === undefined ? 0 : itemBytes(own))
  for (const [peer, one] of leastSent(news)) {
    if (!goesTo(peer, one, to) || one.bytes > left) continue
    left -= one.bytes
    items.push(one.item)
    if (++one.sends >= sendLimit(t)) news.delete(peer)
  }
  return items
}

export function onNewsTick(t: Turn): void {
  const { s } = t
  s.newsArmed = false
  s.newsAt = t.env.now
  if (s.news.size === 0 || s.links.size === 0) return
  const all = [...s.links.keys()]
  const targets = all.length <= s.cfg.gossipFanout ? all : shuffled(t, all).slice(0, s.cfg.gossipFanout)
  if (targets === all) dropUnsendable(t, all)
  for (const to of targets) {
    const g = takeNews(t, to, s.cfg.frameBytes)
    if (g.length > 0) send(t, to, { t: 'news', g })
  }
  armNews(t)
}

/** Compares lists: sends the sums of ours. */
export function sendSync(t: Turn, to: PeerId): void {
  const link = t.s.links.get(to)
  if (link !== undefined) link.synced = true
  send(t, to, { t: 'sync', r: [[...ALL, sumsHere(t.s)]] })
}

export function sumsHere(s: MembershipState): Uint8Array {
  s.sums ??= sumsOf(ALL, (add) => {
    for (const row of s.rows.values()) if (!row.remembered) add(placeOfPeer(row.peer), versionId(row))
  })
  return s.sums
}

/** Where the sums differ: finer sums, or, of few, what is known of them. */
export function onSync(t: Turn, from: PeerId, theirs: readonly RangeSums[]): void {
  const link = t.s.links.get(from)
  if (link !== undefined) link.synced = true
  const [first] = theirs
  // Mostly nothing differs.
  if (theirs.length === 1 && first![0] === 0 && sameBytes(sumsHere(t.s), first![2])) return
  const { split, give, tell } = differencesOf(rangedRows(t), theirs, t.s.cfg.tellMax)
  for (const r of chunked(split, RANGES_MAX)) send(t, from, { t: 'sync', r })
  if (give.length > 0)
    sendList(
      t,
      from,
      give.map(({ row }) => ({ rows: [row] }))
    )
  // More than a few stand in one range only where somebody chose ids to that end: those over come by themselves.
  const parts = tell.map(({ range, items }) => ({ range, rows: items.slice(0, PART_MAX).map(({ row }) => row) }))
  const over = tell.flatMap(({ items }) => items.slice(PART_MAX).map(({ row }) => ({ rows: [row] })))
  if (tell.length > 0) sendList(t, from, [...parts, ...over])
}

/** After their list of those ranges was merged: sends what is newer here. */
export function answerList(
  t: Turn,
  to: PeerId,
  ranges: readonly Range[],
  mentioned: ReadonlyMap<PeerId, number>
): void {
  if (ranges.length === 0) return
  const newer = rangedRows(t).filter(({ place, row }) => {
    if (!ranges.some((range) => isIn(range, place))) return false
    const theirs = mentioned.get(row.peer)
    return theirs === undefined || theirs < standing(row)
  })
  if (newer.length > 0)
    sendList(
      t,
      to,
      newer.map(({ row }) => ({ rows: [row] }))
    )
}

/** Each 30 s, more seldom in large meshes. */
export function syncPeriodMs(t: Turn): number {
  return t.s.cfg.syncPeriodMs * (1 + Math.max(0, Math.ceil(Math.log2(Math.max(1, t.s.live))) - 5))
}

/** (incarnation, rank) as one number: what is higher wins when lists are merged. */
export function standing(row: Pick<Row, 'inc' | 'state'>): number {
  return row.inc * 4 + (row.state === 'left' ? 3 : row.state === 'dead' ? 2 : row.state === 'suspect' ? 1 : 0)
}

/** Each part stays whole; with its range it is to be answered with what is newer there. */
function sendList(t: Turn, to: PeerId, parts: readonly { range?: Range; rows: readonly Row[] }[]): void {
  let q: Range[] = []
  let g: Item[] = []
  let bytes = 0
  for (const { range, rows } of parts) {
    const items = rows.map((row) => wholeItemOf(t, row))
    const cost = items.reduce((sum, item) => sum + itemBytes(item), RANGE_BYTES)
    if (bytes + cost > t.s.cfg.frameBytes && bytes > 0) {
      send(t, to, { t: 'list', q, g })
      q = []
      g = []
      bytes = 0
    }
    if (range !== undefined) q.push(range)
    g.push(...items)
    bytes += cost
  }
  send(t, to, { t: 'list', q, g })
}

/** Nobody is left to tell: it came from the only neighbours there are. */
function dropUnsendable(t: Turn, neighbours: readonly PeerId[]): void {
  for (const [peer, one] of t.s.news) if (!neighbours.some((to) => goesTo(peer, one, to))) t.s.news.delete(peer)
}

/** Never back to whom it came from, and nobody is told what it said of itself. */
function goesTo(subject: PeerId, one: News, to: PeerId): boolean {
  return one.from !== to && subject !== to
}

function leastSent(news: ReadonlyMap<PeerId, News>): Array<[PeerId, News]> {
  const all = [...news]
  return all.length === 1 ? all : all.sort((a, b) => a[1].sends - b[1].sends)
}

function sendLimit(t: Turn): number {
  return t.s.cfg.gossipRepeat * Math.ceil(Math.log10(t.s.live + 1))
}

function itemOf(t: Turn, row: Row): Item {
  return row.accusers.length > 0 ? verdictOf(t, row) : wholeItemOf(t, row)
}

function verdictOf(t: Turn, row: Row): Item {
  const s = row.state === 'dead' ? 'dead' : 'suspect'
  const m = Math.min(MEMBER_LIMITS.missedMs, Math.max(0, Math.round(t.env.now - row.missedAt)))
  return { k: 'v', p: row.peer, i: row.inc, s, b: [...row.accusers], w: row.why, o: ageS(t, row), m }
}

function wholeItemOf(t: Turn, row: Row): Item {
  if (row.state === 'alive') return { k: 'a', r: row.bytes }
  if (row.state === 'left') return { k: 'a', r: row.bytes, o: ageS(t, row) }
  return { k: 'a', r: row.bytes, v: { s: row.state, b: [...row.accusers], w: row.why }, o: ageS(t, row) }
}

function ageS(t: Turn, row: Row): number {
  return Math.min(100_000_000, Math.max(0, Math.floor((t.env.now - row.since) / 1000)))
}

/** Upper bound of the encoded item: 37 bytes a peer id, the rest for keys and numbers. */
function itemBytes(item: Item): number {
  if (item.k === 'v') return 88 + 37 * item.b.length
  return 24 + item.r.length + (item.v === undefined ? 0 : 44 + 37 * item.v.b.length)
}

function rangedRows(t: Turn): { place: number; id: number; row: Row }[] {
  const rows = [...t.s.rows.values()].filter((row) => !row.remembered)
  return rows.map((row) => ({ place: placeOfPeer(row.peer), id: versionId(row), row }))
}

/** Suspicions make no difference, they pass. */
function versionId(row: Row): number {
  const id = recordId(row.bytes)
  return row.state === 'dead' ? id + 2 ** 48 : id
}
