/**
 * The submitter's half of placement (PROTOCOLS.md 2.3): a hard filter on its view, then a score. The view only narrows;
 * the worker has the last word. Every peer that is not chosen gets a reason in words.
 */
import { adPauseMs } from '../gossip/index.ts'
import type { PeerId } from '../ports.ts'
import type { Why } from '../session/index.ts'
import { ALIVE, DISPLAYS, DRAINING, PAUSED } from './view.ts'
import type { PlacementView } from './view.ts'

export interface Ask {
  cpuMilli: number
  memoryBytes: number
  /** Key and value of each label the peer must have. */
  labels: readonly (readonly [string, string])[]
  /** Peer id or name. */
  on?: string
  notOn?: string
  /** It has windows. */
  display?: boolean
  /** Id of the application that must be installed there. */
  app?: string
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

/** In a mesh up to 400: readings older than this count as fully stale; older than ten times this the peer is not asked. */
export const STALE_MS = 6_000
/** Peers ranked for a session and named in its record with their reasons; the others are counted. */
export const REASONS_MAX = 24
/**
 * Above so many that could take it, a few are drawn and only those are scored: many submitters whose views are equally old
 * would all ask the same best ones (PROTOCOLS.md 2.3).
 */
const DRAW_ABOVE = 16
const DRAWN = 8
/** Full peers ranked for a session that finds no room. */
const FULL_MAX = 8
/** Characters of one reason: RecordWire takes no longer one. */
const REASON_CHARS = 300

export interface Choice {
  /** Best first, at most `REASONS_MAX`; every one passed the filter. */
  ranked: { peer: PeerId; score: number }[]
  /** Best first, at most `FULL_MAX`: they give enough and have given too much of it away, so it could wait there. */
  full: { peer: PeerId; score: number }[]
  /** How many passed the filter. */
  able: number
}

export function choose(view: PlacementView, ask: Ask, now: number, random: () => number): Choice {
  const able: number[] = []
  const busy: number[] = []
  for (let i = 0; i < view.size; i++) {
    const no = obstacle(view, i, ask, now)
    if (no === undefined) able.push(i)
    else if (no === WORDS.freeCpu || no === WORDS.freeMemory) busy.push(i)
  }
  const rank = (rows: readonly number[], max: number): Choice['ranked'] => {
    const ranked: Choice['ranked'] = []
    for (const i of rows) insert(ranked, view.peers[i]!, score(view, i, ask, now, random), max)
    return ranked
  }
  const free = draw(view, able, view.freeCpu, ask, random)
  const full = draw(view, busy, view.offerCpu, ask, random)
  return { ranked: rank(free, REASONS_MAX), full: rank(full, FULL_MAX), able: able.length }
}

/** One of each of DRAWN parts of equal room, at random; who has the files is always among them. */
function draw(
  view: PlacementView,
  rows: readonly number[],
  cpu: Float64Array,
  ask: Ask,
  random: () => number
): readonly number[] {
  if (rows.length <= DRAW_ABOVE) return rows
  const slots = (i: number): number => Math.max(1, Math.floor(cpu[i]! / Math.max(1, ask.cpuMilli)))
  let total = 0
  for (const i of rows) total += slots(i)
  const drawn: number[] = []
  let reached = 0
  let at = random() * (total / DRAWN)
  for (const i of rows) {
    reached += slots(i)
    if (reached <= at && ask.near !== view.peers[i]) continue
    drawn.push(i)
    // The next one is in a part that this row does not reach into.
    for (let part = Math.floor((at * DRAWN) / total); at < reached;) at = ((++part + random()) * total) / DRAWN
  }
  return drawn
}

function insert(ranked: Choice['ranked'], peer: PeerId, score: number, max: number): void {
  let at = ranked.length
  while (at > 0 && isBetter(peer, score, ranked[at - 1]!)) at--
  if (at === max) return
  ranked.splice(at, 0, { peer, score })
  if (ranked.length > max) ranked.pop()
}

const isBetter = (peer: PeerId, score: number, than: Choice['ranked'][number]): boolean =>
  score > than.score || (score === than.score && peer < than.peer)

type Words = (view: PlacementView, i: number, ask: Ask) => string

const WORDS = {
  excluded: (view, i, ask) => ask.exclude!.get(view.peers[i]!)!,
  notAskedFor: (view, _, ask) => `--on asks for ${nameIn(view, ask.on!)}`,
  label: (view, i, ask) => {
    const [key] = wrongLabel(view, i, ask)!
    const has = view.labels[i]![key]
    return has === undefined ? `no label ${key}` : `label ${key} is ${has}`
  },
  noApp: (_view, _, ask) => `${ask.app!} is not installed there`,
  noDisplays: () => 'it cannot show windows of programs (its page says what is missing)',
  offersCpu: (view, i) => `offers ${cores(view.offerCpu[i]!)} cores`,
  offersMemory: (view, i) => `offers ${gib(view.offerMemory[i]!)} GiB memory`,
  freeCpu: (view, i) => `only ${cores(Math.max(0, view.freeCpu[i]!))} cores free`,
  freeMemory: (view, i) => `only ${gib(Math.max(0, view.freeMemory[i]!))} GiB memory free`
} satisfies Record<string, Words>

/**
 * Why the peer in row `i` cannot take the work; undefined when it can. Every row is asked and a few are shown, so the
 * words come as a function, which closes over nothing: a closure would cost an allocation for every row.
 */
function obstacle(view: PlacementView, i: number, ask: Ask, now: number): Words | undefined {
  const flags = view.flags[i]!
  if ((flags & ALIVE) === 0) return () => 'not reachable'
  if (ask.exclude !== undefined && ask.exclude.has(view.peers[i]!)) return WORDS.excluded
  if (ask.on !== undefined && ask.on !== view.peers[i] && ask.on !== view.names[i]) return WORDS.notAskedFor
  if (ask.notOn !== undefined && (ask.notOn === view.peers[i] || ask.notOn === view.names[i]))
    return () => '--not-on excludes it'
  if ((flags & PAUSED) !== 0) return () => 'paused by its owner'
  if ((flags & DRAINING) !== 0) return () => 'going down'
  if (wrongLabel(view, i, ask) !== undefined) return WORDS.label
  if (ask.app !== undefined && !view.apps[i]!.has(ask.app)) return WORDS.noApp
  if (ask.display === true && (flags & DISPLAYS) === 0) return WORDS.noDisplays
  if (now - view.at[i]! > 10 * staleMs(view)) return () => 'no recent reading from it'
  if (view.offerCpu[i]! < ask.cpuMilli) return WORDS.offersCpu
  if (view.offerMemory[i]! < ask.memoryBytes) return WORDS.offersMemory
  if (view.freeCpu[i]! < ask.cpuMilli) return WORDS.freeCpu
  if (view.freeMemory[i]! < ask.memoryBytes) return WORDS.freeMemory
  return undefined
}

/** Larger meshes speak less often: three of their pauses. */
function staleMs(view: PlacementView): number {
  return Math.max(STALE_MS, 3 * adPauseMs(view.index.size))
}

function wrongLabel(view: PlacementView, i: number, ask: Ask): readonly [string, string] | undefined {
  if (ask.labels.length === 0) return undefined
  return ask.labels.find(([key, value]) => view.labels[i]![key] !== value)
}

function score(view: PlacementView, i: number, ask: Ask, now: number, random: () => number): number {
  const cpuLeft = shareOf(view.freeCpu[i]! - ask.cpuMilli, view.offerCpu[i]!)
  const memoryLeft = shareOf(view.freeMemory[i]! - ask.memoryBytes, view.offerMemory[i]!)
  const busy = view.busy[i]!
  const age = Math.min(1, Math.max(0, (now - view.at[i]!) / staleMs(view) - 1))
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
  const candidates = rowsToShow(view, choice, chosen).map((i): Why['candidates'][number] => {
    const peer = view.peers[i]!
    const points = choice.ranked.find((entry) => entry.peer === peer)?.score
    const no = refusals.get(peer) ?? obstacle(view, i, ask, now)?.(view, i, ask)
    const reason =
      peer === chosen
        ? praise(view, i, ask)
        : (no ?? (points === undefined ? 'not asked' : `scored lower: ${praise(view, i, ask)}`))
    return {
      peer,
      name: view.names[i]!,
      score: points === undefined ? null : Math.round(points * 1000) / 1000,
      reason: reason.slice(0, REASON_CHARS)
    }
  })
  const more = view.size - candidates.length
  const rest = more > 0 ? ` (and ${more} more PCs, not listed)` : ''
  return { sentence: sentence(view, ask, chosen, candidates, choice) + rest, candidates }
}

/**
 * The chosen one, then the best, then the others by name: as many rows of the view as an account has. Where a few were
 * drawn from many, the others were not even looked at.
 */
function rowsToShow(view: PlacementView, { ranked, able }: Choice, chosen: PeerId | undefined): number[] {
  const shown = new Set<number>()
  for (const peer of [...(chosen === undefined ? [] : [chosen]), ...ranked.map((entry) => entry.peer)]) {
    const i = view.index.get(peer)
    if (i !== undefined && shown.size < REASONS_MAX) shown.add(i)
  }
  const room = REASONS_MAX - shown.size
  if (room === 0 || ranked.length < Math.min(able, REASONS_MAX)) return [...shown]
  const others: number[] = []
  for (let i = 0; i < view.size; i++) if (!shown.has(i)) others.push(i)
  others.sort((a, b) => (view.names[a]! < view.names[b]! ? -1 : 1))
  return [...shown, ...others.slice(0, room)]
}

function sentence(
  view: PlacementView,
  ask: Ask,
  chosen: PeerId | undefined,
  rows: Why['candidates'],
  { able, ranked }: Choice
): string {
  const i = chosen === undefined ? undefined : view.index.get(chosen)
  if (i === undefined) {
    if (rows.length === 0) return 'no peer is known yet'
    return `no peer can take it now: ${rows
      .slice(0, 4)
      .map((row) => `${row.name} ${row.reason}`)
      .join('; ')}`
  }
  const name = view.names[i]!
  if (ask.on !== undefined) return `${name}: asked for by name; ${praise(view, i, ask)}`
  if (able <= 1) return `${name}: the only PC that can take it; ${praise(view, i, ask)}`
  const of = ranked.length < Math.min(able, REASONS_MAX) ? `${ranked.length} drawn from ${able}` : able
  return `${name}: best of ${of}; ${praise(view, i, ask)}`
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
