/**
 * The submitter's half of placement (PROTOCOLS.md 2.3): a hard filter on its view, then a score. The view only narrows;
 * the worker has the last word. Every peer that is not chosen gets a reason in words.
 */
import type { PeerId } from '../ports.ts'
import type { Why } from '../session/index.ts'
import { ALIVE, DRAINING, PAUSED } from './view.ts'
import type { PlacementView } from './view.ts'

export interface Ask {
  cpuMilli: number
  memoryBytes: number
  labels: Readonly<Record<string, string>>
  /** Peer id or name. */
  on?: string
  notOn?: string
  /** Has the input files already. */
  near?: PeerId
  exclude?: ReadonlyMap<PeerId, string>
}

/** Weights of the score; they sum to 1 before the age penalty. */
export const WEIGHTS = {
  /** Share of the scarcer resource that stays free after this session: people's PCs, so spread, do not pack. */
  headroom: 0.45,
  /** Measured idleness of the processor. */
  idle: 0.3,
  /** Input files are there already. */
  near: 0.2,
  /** Breaks ties so that equal peers share equal work. */
  random: 0.05,
  /** Full penalty for a reading older than `staleMs`. */
  age: -0.3
} as const

/** Readings older than this count as fully stale; older than ten times this the peer is not asked. */
export const STALE_MS = 6_000
/** Peers named in a record with their reasons; the others are counted. */
export const REASONS_MAX = 24
/** Characters of one reason: RecordWire takes no longer one. */
const REASON_CHARS = 300

export interface Choice {
  /** Best first; every one passed the filter. */
  ranked: { peer: PeerId; score: number }[]
}

export function choose(view: PlacementView, ask: Ask, now: number, random: () => number): Choice {
  const ranked: { peer: PeerId; score: number }[] = []
  for (let i = 0; i < view.size; i++) {
    if (obstacle(view, i, ask, now) !== undefined) continue
    ranked.push({ peer: view.peers[i]!, score: score(view, i, ask, now, random) })
  }
  ranked.sort((a, b) => b.score - a.score || (a.peer < b.peer ? -1 : 1))
  return { ranked }
}

/** Why the peer in row `i` cannot take the work, in words; undefined when it can. */
function obstacle(view: PlacementView, i: number, ask: Ask, now: number): string | undefined {
  const flags = view.flags[i]!
  if ((flags & ALIVE) === 0) return 'not reachable'
  if (ask.exclude !== undefined && ask.exclude.size > 0) {
    const why = ask.exclude.get(view.peers[i]!)
    if (why !== undefined) return why
  }
  if (ask.on !== undefined && ask.on !== view.peers[i] && ask.on !== view.names[i])
    return `--on asks for ${nameIn(view, ask.on)}`
  if (ask.notOn !== undefined && (ask.notOn === view.peers[i] || ask.notOn === view.names[i]))
    return `--not-on excludes it`
  if ((flags & PAUSED) !== 0) return 'paused by its owner'
  if ((flags & DRAINING) !== 0) return 'going down'
  for (const key in ask.labels) {
    const has = view.labels[i]![key]
    if (has !== ask.labels[key]) return has === undefined ? `no label ${key}` : `label ${key} is ${has}`
  }
  if (now - view.at[i]! > 10 * STALE_MS) return 'no recent reading from it'
  if (view.offerCpu[i]! < ask.cpuMilli) return `offers ${cores(view.offerCpu[i]!)} cores`
  if (view.offerMemory[i]! < ask.memoryBytes) return `offers ${gib(view.offerMemory[i]!)} GiB memory`
  if (view.freeCpu[i]! < ask.cpuMilli) return `only ${cores(Math.max(0, view.freeCpu[i]!))} cores free`
  if (view.freeMemory[i]! < ask.memoryBytes) return `only ${gib(Math.max(0, view.freeMemory[i]!))} GiB memory free`
  return undefined
}

function score(view: PlacementView, i: number, ask: Ask, now: number, random: () => number): number {
  const cpuLeft = shareOf(view.freeCpu[i]! - ask.cpuMilli, view.offerCpu[i]!)
  const memoryLeft = shareOf(view.freeMemory[i]! - ask.memoryBytes, view.offerMemory[i]!)
  const busy = view.busy[i]!
  const age = Math.min(1, Math.max(0, (now - view.at[i]!) / STALE_MS - 1))
  return (
    WEIGHTS.headroom * Math.min(cpuLeft, memoryLeft) +
    WEIGHTS.idle * (Number.isNaN(busy) ? 0.5 : 1 - busy) +
    (ask.near === view.peers[i] ? WEIGHTS.near : 0) +
    WEIGHTS.random * random() +
    WEIGHTS.age * age
  )
}

/** The account of a choice for the record: why this one, and why not each other. */
export function explain(
  view: PlacementView,
  ask: Ask,
  choice: Choice,
  chosen: PeerId | undefined,
  refusals: ReadonlyMap<PeerId, string>,
  now: number
): Why {
  const scores = new Map(choice.ranked.map((entry) => [entry.peer, entry.score]))
  const rows: Why['candidates'][number][] = []
  for (let i = 0; i < view.size; i++) {
    const peer = view.peers[i]!
    const points = scores.get(peer)
    const barrier = refusals.get(peer) ?? obstacle(view, i, ask, now)
    const reason =
      peer === chosen
        ? praise(view, i, ask)
        : (barrier ?? (points === undefined ? 'not asked' : `scored lower: ${praise(view, i, ask)}`))
    rows.push({
      peer,
      name: view.names[i]!,
      score: points === undefined ? null : Math.round(points * 1000) / 1000,
      reason: reason.slice(0, REASON_CHARS)
    })
  }
  rows.sort(
    (a, b) =>
      Number(b.peer === chosen) - Number(a.peer === chosen) ||
      (b.score ?? -9) - (a.score ?? -9) ||
      (a.name < b.name ? -1 : 1)
  )
  const more = rows.length - REASONS_MAX
  const rest = more > 0 ? ` (and ${more} more PCs, not listed)` : ''
  return { sentence: sentence(view, ask, chosen, rows) + rest, candidates: rows.slice(0, REASONS_MAX) }
}

function sentence(view: PlacementView, ask: Ask, chosen: PeerId | undefined, rows: Why['candidates']): string {
  const i = chosen === undefined ? undefined : view.index.get(chosen)
  if (i === undefined) {
    if (rows.length === 0) return 'no peer is known yet'
    return `no peer can take it now: ${rows
      .slice(0, 4)
      .map((row) => `${row.name} ${row.reason}`)
      .join('; ')}`
  }
  const name = view.names[i]!
  const able = rows.filter((row) => row.score !== null).length
  if (ask.on !== undefined) return `${name}: asked for by name; ${praise(view, i, ask)}`
  if (able <= 1) return `${name}: the only PC that can take it; ${praise(view, i, ask)}`
  return `${name}: best of ${able}; ${praise(view, i, ask)}`
}

function praise(view: PlacementView, i: number, ask: Ask): string {
  const busy = view.busy[i]!
  const parts = [`${cores(Math.max(0, view.freeCpu[i]!))} of ${cores(view.offerCpu[i]!)} offered cores free`]
  if (!Number.isNaN(busy)) parts.push(`processor ${Math.round(busy * 100)} % busy`)
  if (ask.near === view.peers[i]) parts.push('has the files')
  return parts.join(', ')
}

/** A PC that gives none of something can still take work that asks for none of it. */
const shareOf = (free: number, offer: number): number => (offer > 0 ? free / offer : 0)
const nameIn = (view: PlacementView, peer: string): string => view.names[view.index.get(peer) ?? -1] ?? peer
const cores = (milli: number): string => String(Math.round(milli / 100) / 10)
const gib = (bytes: number): string => String(Math.round((bytes / 2 ** 30) * 10) / 10)
