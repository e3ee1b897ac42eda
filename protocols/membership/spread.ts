/**
 * How word travels: news rides on probes and on a tick of its own, each item a bounded number of times; lists are
 * compared when a link comes up and now and then, by fingerprint first, so that nothing stays missing.
 */
import type { PeerId } from '../ports.ts'
import { arm, send, shuffled } from './state.ts'
import type { News, Row, Turn } from './state.ts'
import type { Item } from './wire.ts'

const NOTHING: Item[] = []
/** Sorts after every peer id. */
const LAST = '~'

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

/** Compares lists: sends the fingerprint of ours. */
export function sendSync(t: Turn, to: PeerId): void {
  const link = t.s.links.get(to)
  if (link !== undefined) link.synced = true
  send(t, to, { t: 'sync', h: fingerprint(t) })
}

export function onSync(t: Turn, from: PeerId, theirs: readonly [number, number]): void {
  const link = t.s.links.get(from)
  if (link !== undefined) link.synced = true
  const ours = fingerprint(t)
  if (ours[0] === theirs[0] && ours[1] === theirs[1]) return
  sendList(t, from, '', LAST, sortedRows(t), true)
}

/** After their list of (after, to] was merged: sends what is newer here. */
export function answerList(
  t: Turn,
  to: PeerId,
  after: string,
  upTo: string,
  mentioned: ReadonlyMap<PeerId, number>
): void {
  const newer = sortedRows(t).filter((row) => {
    if (row.peer <= after || row.peer > upTo) return false
    const theirs = mentioned.get(row.peer)
    return theirs === undefined || theirs < standing(row)
  })
  if (newer.length > 0) sendList(t, to, after, upTo, newer, false)
}

/** Each 30 s, more seldom in large meshes. */
export function syncPeriodMs(t: Turn): number {
  return t.s.cfg.syncPeriodMs * (1 + Math.max(0, Math.ceil(Math.log2(Math.max(1, t.s.live))) - 5))
}

/** (incarnation, rank) as one number: what is higher wins when lists are merged. */
export function standing(row: Pick<Row, 'inc' | 'state'>): number {
  return row.inc * 4 + (row.state === 'left' ? 3 : row.state === 'dead' ? 2 : row.state === 'suspect' ? 1 : 0)
}

function sendList(t: Turn, to: PeerId, after: string, upTo: string, rows: readonly Row[], w: boolean): void {
  let a = after
  let g: Item[] = []
  let bytes = 0
  let last = after
  for (const row of rows) {
    const item = wholeItemOf(t, row)
    const cost = itemBytes(item)
    if (bytes + cost > t.s.cfg.frameBytes && g.length > 0) {
      // The range of a part ends before this row, so that each part can be answered by itself.
      send(t, to, { t: 'list', a, z: last, w, g })
      a = last
      g = []
      bytes = 0
    }
    g.push(item)
    bytes += cost
    last = row.peer
  }
  send(t, to, { t: 'list', a, z: upTo, w, g })
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
  return { k: 'v', p: row.peer, i: row.inc, s, b: [...row.accusers], w: row.why, o: ageS(t, row) }
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
  if (item.k === 'v') return 80 + 37 * item.b.length
  return 24 + item.r.length + (item.v === undefined ? 0 : 44 + 37 * item.v.b.length)
}

function sortedRows(t: Turn): Row[] {
  return [...t.s.rows.values()].filter((row) => !row.remembered).sort((a, b) => (a.peer < b.peer ? -1 : 1))
}

/** Order does not matter; suspicions are left out, they pass. */
function fingerprint(t: Turn): [number, number] {
  let x = 0
  let y = 0
  for (const row of t.s.rows.values()) {
    if (row.remembered) continue
    const low = row.id >>> 0
    const high = Math.floor(row.id / 2 ** 32) ^ (row.state === 'dead' ? 0x5bd1e995 : 0)
    x = (x + Math.imul(low ^ Math.imul(high, 0x85ebca6b), 0xc2b2ae35)) >>> 0
    y = (y + Math.imul(high ^ Math.imul(low, 0x27d4eb2f), 0x165667b1)) >>> 0
  }
  return [x, y]
}
