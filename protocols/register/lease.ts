/**
 * The right to run a session, for a while (PROTOCOLS.md 2.4.3). Its holder renews it through the register and counts it from
 * the start of the attempt that the register shows; a challenger takes it once it has stood still for longer than any
 * holder may still count on it. Needs clocks of bounded rate, never synchronised ones, and no timers at the acceptors.
 */
import type { Env, KernelEffect } from '../kernel.ts'
import type { SessionId } from '../ports.ts'
import type { Outcome } from './proposer.ts'
import { READ } from './value.ts'
import type { Rules } from './rules.ts'
import type { Change, Own, Value } from './value.ts'

export const LEASE = {
  leaseMs: 6_000,
  renewMs: 2_000,
  /** Rate error of a clock, either way. */
  driftRatio: 0.01,
  /** What it takes to stop a child once its lease has ended. */
  marginMs: 250,
  /** Challengers come one after the other. */
  rankMs: 200,
  /** A challenger that does not vote hears of renewals only by asking. */
  pollMs: 500,
  /** An attempt of a holder that has no outcome by then is made anew, under another name. */
  withinMs: 1_200,
  /** Mean pause after an attempt without an outcome. */
  againMs: 60
} as const

/** How long (epoch, seq) has to stand still by a challenger's clock: 6.4 s. */
export const CHALLENGE_MS = LEASE.leaseMs * (1 + 2.5 * LEASE.driftRatio) + LEASE.marginMs

/** Attempts of one's own that are remembered; one older than these started too long ago to matter. */
const STARTS_MAX = 16

/** To whom, and under which epoch that was meant. */
type Given = Pick<Own, 'peer' | 'over' | 'epoch'>

interface Watched {
  readonly id: SessionId
  /** This peer asks for the right to run. */
  wanted: boolean
  /** Place in the order of challengers, 0 first. */
  rank: number
  /** Latest value this peer knows of, and env.now when it first knew of it. */
  seen: { own: Own; since: number } | undefined
  /** What the shell was told last of somebody else's right. */
  told: Own | undefined
  held: { epoch: number; seq: number; endsAt: number; renewAt: number } | undefined
  /** Attempts of this life and when they were made. */
  readonly starts: { attempt: string; at: number }[]
  /** The attempt without an outcome. */
  open: string | undefined
  /** Handing on instead of renewing. */
  giving: Given | undefined
  /** Its acceptor votes and hears of each renewal: no need to ask. */
  hears: boolean
  pollAt: number
  againAt: number
}

export interface LeaseState {
  readonly rules: Rules
  readonly watched: Map<SessionId, Watched>
}

export type LeaseEffect =
  | KernelEffect
  /** Through the register; `attempt` is to be told with the outcome. */
  | { e: 'change'; id: SessionId; change: Change; attempt: string; withinMs: number }
  /** The right is held until then (env.now), or longer than before. */
  | { e: 'held'; id: SessionId; epoch: number; until: number }
  /** It is over: whatever runs of that epoch must have stopped. It may be held again, under the same epoch. */
  | { e: 'lapsed'; id: SessionId; epoch: number }
  /** The right is another's, or nobody's, or the session is over. Not asked for any more once it is over. */
  | { e: 'owned'; id: SessionId; own: Own }

export function createLeases(rules: Rules): LeaseState {
  return { rules, watched: new Map() }
}

/** Right before anything starts, and never on the word of an earlier moment. */
export function mayRun(state: LeaseState, env: Pick<Env, 'now'>, id: SessionId, epoch: number): boolean {
  const held = state.watched.get(id)?.held
  if (held === undefined || held.epoch !== epoch) return false
  return !state.rules.recheckBeforeStart || env.now < held.endsAt
}

/** Asks for the right to run, now or when it falls free. */
export function want(state: LeaseState, env: Env, id: SessionId, rank: number, name: Name): LeaseEffect[] {
  const watched = watch(state, id)
  watched.rank = rank
  if (watched.wanted) return []
  watched.wanted = true
  return act(state, env, watched, name)
}

/** Asks no more. What is held is not renewed, and ends by itself unless it is given on. */
export function unwant(state: LeaseState, id: SessionId): LeaseEffect[] {
  const watched = state.watched.get(id)
  if (watched === undefined) return []
  watched.wanted = false
  return [{ e: 'clear', tag: leaseTag(id) }]
}

/** Hands the right on, or back (null), or ends the session: what ran under it has stopped, and starts no more. */
export function give(
  state: LeaseState,
  env: Env,
  id: SessionId,
  to: Pick<Own, 'peer' | 'over'>,
  name: Name
): LeaseEffect[] {
  const watched = state.watched.get(id)
  const own = watched?.seen?.own
  if (watched === undefined || own?.peer !== env.self) return []
  const effects = watched.held === undefined ? [] : [lapse(watched, watched.held.epoch)]
  watched.giving = { ...to, epoch: own.epoch }
  return [...effects, ...act(state, env, watched, name)]
}

/** This peer slept, for nobody knows how long by the clocks of the others. */
export function onWake(state: LeaseState, env: Env, name: Name): LeaseEffect[] {
  if (!state.rules.sleepVoidsLeases) return []
  const effects: LeaseEffect[] = []
  for (const watched of state.watched.values()) {
    if (watched.held !== undefined) effects.push(lapse(watched, watched.held.epoch))
    watched.starts.length = 0
    if (watched.seen !== undefined) watched.seen.since = env.now
    effects.push(...act(state, env, watched, name))
  }
  return effects
}

/** All that this peer knew of the right was of an earlier reign. */
export function disown(state: LeaseState, id: SessionId): LeaseEffect[] {
  const watched = state.watched.get(id)
  if (watched === undefined) return []
  const effects = watched.held === undefined ? [] : [lapse(watched, watched.held.epoch)]
  watched.seen = watched.giving = undefined
  watched.starts.length = 0
  return effects
}

/** Proof that the attempt of this value had begun before now; chosen or not, whoever challenges asks the register. */
export function saw(state: LeaseState, env: Env, id: SessionId, value: Value, name: Name): LeaseEffect[] {
  const watched = watch(state, id)
  watched.hears = true
  if (watched.seen === undefined || !isLater(watched.seen.own, value.own)) see(state.rules, env, watched, value.own)
  const { peer, over } = value.own
  const isFree = !over && (peer === null || peer === env.self)
  return watched.wanted && watched.held === undefined && isFree ? act(state, env, watched, name) : []
}

export function onLeaseTimer(state: LeaseState, env: Env, id: SessionId, name: Name): LeaseEffect[] {
  const watched = state.watched.get(id)
  return watched === undefined ? [] : act(state, env, watched, name)
}

export function onDone(
  state: LeaseState,
  env: Env,
  done: { id: SessionId; attempt: string; outcome: Outcome; value: Value | undefined },
  name: Name
): LeaseEffect[] {
  const watched = state.watched.get(done.id)
  if (watched === undefined || watched.open !== done.attempt) return []
  watched.open = undefined
  watched.pollAt = env.now + LEASE.pollMs
  if (done.value === undefined) watched.againAt = env.now + LEASE.againMs * (0.5 + env.random.float())
  const effects = done.value === undefined ? [] : take(state, env, watched, done.attempt, done.value)
  return [...effects, ...act(state, env, watched, name)]
}

/** The epoch and the end of what is held now. */
export function heldOf(state: LeaseState, id: SessionId): { epoch: number; until: number } | undefined {
  const held = state.watched.get(id)?.held
  return held === undefined ? undefined : { epoch: held.epoch, until: held.endsAt }
}

/** The latest that this peer knows of the right, and env.now when it first knew of it. */
export function seenOf(state: LeaseState, id: SessionId): { own: Own; since: number } | undefined {
  return state.watched.get(id)?.seen
}

export const leaseTag = (id: SessionId): string => `lease/${id}`

/** Makes a name for an attempt. */
type Name = () => string

function watch(state: LeaseState, id: SessionId): Watched {
  let watched = state.watched.get(id)
  if (watched === undefined) {
    watched = {
      id,
      wanted: false,
      rank: 0,
      seen: undefined,
      told: undefined,
      held: undefined,
      starts: [],
      open: undefined,
      giving: undefined,
      hears: false,
      pollAt: 0,
      againAt: 0
    }
    state.watched.set(id, watched)
  }
  return watched
}

function see(rules: Rules, env: Env, watched: Watched, own: Own): void {
  const { seen } = watched
  watched.seen = { own, since: seen !== undefined && stood(rules, seen.own, own) ? seen.since : env.now }
  if (watched.giving !== undefined && watched.giving.epoch !== own.epoch) watched.giving = undefined
}

function stood(rules: Rules, before: Own, now: Own): boolean {
  if (before.epoch !== now.epoch) return false
  if (!rules.renewalRestartsWait) return true
  return rules.attemptTellsRenewals ? before.attempt === now.attempt : before.seq === now.seq
}

const isLater = (a: Own, b: Own): boolean => a.epoch > b.epoch || (a.epoch === b.epoch && (a.seq > b.seq || a.over))

/** What the register said. */
function take(state: LeaseState, env: Env, watched: Watched, attempt: string, value: Value): LeaseEffect[] {
  const { own } = value
  const before = watched.seen?.own
  if (before !== undefined && isLater(own, before)) watched.hears = false
  // Also when it went back: what was seen had been accepted somewhere and never chosen.
  see(state.rules, env, watched, own)
  if (own.peer !== env.self || own.over) {
    const effects: LeaseEffect[] = watched.held === undefined ? [] : [lapse(watched, watched.held.epoch)]
    if (own.over) watched.wanted = false
    const known = watched.told
    watched.told = own
    const same = known?.epoch === own.epoch && known.over === own.over
    return same && effects.length === 0 ? [] : [...effects, { e: 'owned', id: watched.id, own }]
  }
  watched.told = undefined
  const start = startOf(state.rules, env, watched, attempt, own)
  // What is being handed on is not held any more, whatever a renewal still under way has brought.
  if (start === undefined || watched.giving !== undefined) return []
  const endsAt = start + LEASE.leaseMs
  if (env.now >= endsAt || (watched.held?.epoch === own.epoch && watched.held.endsAt >= endsAt)) return []
  watched.held = { epoch: own.epoch, seq: own.seq, endsAt, renewAt: start + LEASE.renewMs }
  return [{ e: 'held', id: watched.id, epoch: own.epoch, until: endsAt }]
}

/** When the attempt began that made it so; undefined when it was none of this life. */
function startOf(rules: Rules, env: Env, watched: Watched, attempt: string, own: Own): number | undefined {
  if (!rules.leaseFromAttemptStart) return own.attempt === attempt ? env.now : undefined
  const carrying = rules.attemptInValue ? own.attempt : attempt
  return watched.starts.find((start) => start.attempt === carrying)?.at
}

function lapse(watched: Watched, epoch: number): LeaseEffect {
  watched.held = undefined
  return { e: 'lapsed', id: watched.id, epoch }
}

/** What is due now, and when to look again. */
function act(state: LeaseState, env: Env, watched: Watched, name: Name): LeaseEffect[] {
  const { id, held } = watched
  const effects: LeaseEffect[] = []
  if (held !== undefined && env.now >= held.endsAt) effects.push(lapse(watched, held.epoch))
  if (!watched.wanted && watched.giving === undefined && watched.held === undefined)
    return [...effects, { e: 'clear', tag: leaseTag(id) }]
  let due = watched.open === undefined ? dueChange(state, env, watched) : Infinity
  if (typeof due !== 'number' && env.now < watched.againAt) due = watched.againAt
  if (typeof due !== 'number') {
    const attempt = name()
    watched.open = attempt
    watched.starts.push({ attempt, at: env.now })
    if (watched.starts.length > STARTS_MAX) watched.starts.shift()
    effects.push({ e: 'change', id, change: due, attempt, withinMs: LEASE.withinMs })
  }
  const at = Math.min(typeof due === 'number' ? due : Infinity, watched.held?.endsAt ?? Infinity)
  if (at === Infinity) effects.push({ e: 'clear', tag: leaseTag(id) })
  else effects.push({ e: 'timer', tag: leaseTag(id), inMs: Math.max(0, at - env.now) })
  return effects
}

/** The change to make now, or when there will be one. */
function dueChange(state: LeaseState, env: Env, watched: Watched): Change | number {
  const { seen, held, giving } = watched
  if (seen === undefined) return watched.wanted ? READ : Infinity
  const { own, since } = seen
  const { epoch, seq } = own
  // What an acceptor here has taken need not have been chosen.
  if (own.over) return watched.told?.over === true ? Infinity : READ
  const change = (next: Omit<Own, 'attempt'>): Change => ({ k: 'own', after: own.attempt, own: next })
  if (own.peer === env.self) {
    if (giving !== undefined) return change(given(own, giving))
    if (!watched.wanted) return Infinity
    if (held !== undefined && held.epoch === epoch && env.now < held.renewAt) return held.renewAt
    return change({ peer: own.peer, epoch, seq: seq + 1, over: false })
  }
  if (!watched.wanted) return Infinity
  const mine = { peer: env.self, epoch: epoch + 1, seq: 0, over: false }
  if (own.peer === null) return change(mine)
  const waitMs = (state.rules.driftAllowance ? CHALLENGE_MS : LEASE.leaseMs) + watched.rank * LEASE.rankMs
  const freeAt = since + waitMs
  if (env.now >= freeAt) return change(mine)
  if (watched.hears) return freeAt
  if (env.now < watched.pollAt) return Math.min(freeAt, watched.pollAt)
  return READ
}

const given = ({ peer, epoch, seq }: Own, to: Given): Omit<Own, 'attempt'> =>
  to.over ? { peer, epoch, seq: seq + 1, over: true } : { peer: to.peer, epoch: epoch + 1, seq: 0, over: false }
