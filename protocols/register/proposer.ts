/**
 * The proposer of CASPaxos: reads what a quorum has, applies one change to it, and has a quorum accept the outcome. Any
 * member may propose. Who counts is read from the value itself, so that a proposer with an old list cannot decide with it.
 */
import type { Env, KernelEffect } from '../kernel.ts'
import type { PeerId, SessionId } from '../ports.ts'
import { compareBallots, NO_BALLOT, reignOf } from './ballot.ts'
import type { Ballot } from './ballot.ts'
import type { Rules } from './rules.ts'
import { apply, isQuorum, membersOf, reignOfConfig } from './value.ts'
import type { Change, Config, Value } from './value.ts'
import { REGISTER_LIMITS } from './wire.ts'
import type { RegisterFrame } from './wire.ts'

/**
 * `applied`: the value read back carries this attempt. `unchanged`: its condition did not hold, surely. `doubt`: it may have
 * been applied before what was read, or may still be. `failed`: it was never sent to anybody, so it never will be.
 */
export type Outcome = 'applied' | 'unchanged' | 'doubt' | 'failed'

interface Job {
  readonly attempt: string
  readonly change: Change
  /** env.now after which the outcome is told as it then stands. */
  readonly until: number
  /** It was in an Accept that left: from then on it may come true at any time. */
  sent: boolean
}

interface Proposal {
  readonly id: SessionId
  /** Whom to ask; what they answer says who counts. */
  cfg: Config
  readonly jobs: Job[]
  phase: 'idle' | 'preparing' | 'accepting' | 'pausing'
  ballot: Ballot
  tries: number
  readonly asked: Set<PeerId>
  readonly promises: Map<PeerId, { a: Ballot; v: Value | null }>
  readonly accepts: Set<PeerId>
  base: Value | undefined
  next: Value | undefined
}

export interface ProposerState {
  readonly rules: Rules
  readonly boot: string
  readonly proposals: Map<SessionId, Proposal>
  /** Highest counter heard of. */
  counter: number
}

export type ProposerEffect =
  | KernelEffect
  | { e: 'done'; id: SessionId; attempt: string; change: Change; outcome: Outcome; value: Value | undefined }

export function createProposer(rules: Rules, boot: string): ProposerState {
  return { rules, boot, proposals: new Map(), counter: 0 }
}

/** Who is said to vote on a register that this peer has not read yet. */
export function know(state: ProposerState, id: SessionId, cfg: Config): void {
  const known = state.proposals.get(id)
  if (known === undefined) state.proposals.set(id, newProposal(id, cfg))
  else if (cfg.ver > known.cfg.ver) known.cfg = cfg
}

/** Tries under way were made for voters that count no more. */
export function restart(state: ProposerState, env: Env, id: SessionId): ProposerEffect[] {
  const proposal = state.proposals.get(id)
  return proposal === undefined || proposal.phase === 'idle' ? [] : begin(state, env, proposal)
}

/** Asks for a change; exactly one `done` with that attempt follows, unless this peer dies. */
export function propose(
  state: ProposerState,
  env: Env,
  id: SessionId,
  change: Change,
  attempt: string,
  withinMs: number
): ProposerEffect[] {
  const proposal = state.proposals.get(id)
  if (proposal === undefined || proposal.jobs.length >= REGISTER_LIMITS.jobsMax)
    return [{ e: 'done', id, attempt, change, outcome: 'failed', value: undefined }]
  proposal.jobs.push({ attempt, change, until: env.now + withinMs, sent: false })
  return proposal.phase === 'idle' ? begin(state, env, proposal) : []
}

export type ProposerFrame = Extract<RegisterFrame, { t: 'promise' | 'accepted' | 'refuse' | 'unknown' }>

export function onProposerFrame(state: ProposerState, env: Env, from: PeerId, msg: ProposerFrame): ProposerEffect[] {
  const proposal = state.proposals.get(msg.id)
  if (proposal === undefined || compareBallots(msg.b, proposal.ballot) !== 0) return []
  switch (msg.t) {
    case 'promise':
      return onPromise(state, env, proposal, from, { a: msg.a, v: msg.v })
    case 'accepted':
      return onAccepted(state, env, proposal, from)
    case 'refuse':
      return onRefuse(state, env, proposal, msg.p, msg.cfg)
    case 'unknown':
      return []
  }
}

/** The try, or the pause after one, is over. */
export function onTryTimer(state: ProposerState, env: Env, id: SessionId): ProposerEffect[] {
  const proposal = state.proposals.get(id)
  return proposal === undefined || proposal.phase === 'idle' ? [] : begin(state, env, proposal)
}

export const tryTag = (id: SessionId): string => `try/${id}`

function newProposal(id: SessionId, cfg: Config): Proposal {
  return {
    id,
    cfg,
    jobs: [],
    phase: 'idle',
    ballot: NO_BALLOT,
    tries: 0,
    asked: new Set(),
    promises: new Map(),
    accepts: new Set(),
    base: undefined,
    next: undefined
  }
}

/** The next try of the first job that still has time; tells of those that have none. */
function begin(state: ProposerState, env: Env, proposal: Proposal): ProposerEffect[] {
  const effects: ProposerEffect[] = []
  for (let job = proposal.jobs[0]; job !== undefined && env.now >= job.until; job = proposal.jobs[0])
    effects.push(finish(proposal, job, job.sent ? 'doubt' : 'failed', undefined))
  proposal.promises.clear()
  proposal.accepts.clear()
  proposal.asked.clear()
  proposal.base = proposal.next = undefined
  // Answers to a try that is over say nothing any more.
  proposal.ballot = NO_BALLOT
  if (proposal.jobs.length === 0) {
    proposal.phase = 'idle'
    return [...effects, { e: 'clear', tag: tryTag(proposal.id) }]
  }
  proposal.phase = 'preparing'
  const reign = reignOfConfig(proposal.cfg)
  proposal.ballot = {
    ...(reign === 0 ? {} : { reign }),
    n: ++state.counter,
    peer: env.self,
    boot: state.rules.ballotCarriesBoot ? state.boot : ''
  }
  const tryMs = REGISTER_LIMITS.tryMs * Math.min(4, 1 + proposal.tries++ / 2) * (0.85 + 0.3 * env.random.float())
  return [...effects, timer(proposal, tryMs), ...ask(proposal, proposal.cfg)]
}

function ask(proposal: Proposal, cfg: Config): ProposerEffect[] {
  const effects: ProposerEffect[] = []
  for (const peer of membersOf(cfg)) {
    if (proposal.asked.has(peer)) continue
    proposal.asked.add(peer)
    effects.push(send(peer, { t: 'prepare', id: proposal.id, b: proposal.ballot, cv: proposal.cfg.ver }))
  }
  return effects
}

function onPromise(
  state: ProposerState,
  env: Env,
  proposal: Proposal,
  from: PeerId,
  promise: { a: Ballot; v: Value | null }
): ProposerEffect[] {
  if (proposal.phase !== 'preparing') return []
  // A person has given it to others since: what was asked for was asked of voters that count no more.
  if (promise.v !== null && reignOfConfig(promise.v.cfg) > reignOf(proposal.ballot)) {
    proposal.cfg = promise.v.cfg
    return begin(state, env, proposal)
  }
  proposal.promises.set(from, promise)
  const base = chosenBy(state.rules, proposal)
  // Nobody has it yet: only its maker may write the first value.
  if (base === undefined) return []
  const known = proposal.cfg
  // Of the same version: what was known before may have been hearsay.
  if (base.cfg.ver >= known.ver) proposal.cfg = base.cfg
  const counts = state.rules.configOfValue ? base.cfg : known
  const more = ask(proposal, base.cfg)
  if (!isQuorum(counts, proposal.promises, state.rules)) return more
  return [...more, ...accept(env, proposal, base)]
}

/** Of an earlier reign than the ballot nothing goes on: who has it alone has not heard. */
function chosenBy(rules: Rules, { promises, ballot }: Proposal): Value | undefined {
  let best: { a: Ballot; v: Value } | undefined
  for (const { a, v } of promises.values()) {
    if (v === null || reignOfConfig(v.cfg) < reignOf(ballot)) continue
    if (best === undefined || (rules.highestGoesOn && compareBallots(a, best.a) > 0)) best = { a, v }
  }
  return best?.v
}

function accept(env: Env, proposal: Proposal, base: Value): ProposerEffect[] {
  const job = proposal.jobs[0]!
  // A caller that has stopped waiting must not be surprised: what has not been sent by then never is.
  if (env.now >= job.until && !job.sent) return []
  proposal.phase = 'accepting'
  proposal.base = base
  proposal.next = apply(base, job.change, job.attempt)
  if (proposal.next.attempt === job.attempt) job.sent = true
  const v = proposal.next
  return membersOf(base.cfg).map((peer) => send(peer, { t: 'accept', id: proposal.id, b: proposal.ballot, v }))
}

function onAccepted(state: ProposerState, env: Env, proposal: Proposal, from: PeerId): ProposerEffect[] {
  const { base, next } = proposal
  if (proposal.phase !== 'accepting' || base === undefined || next === undefined) return []
  proposal.accepts.add(from)
  if (!isQuorum(base.cfg, proposal.accepts, state.rules)) return []
  const job = proposal.jobs[0]!
  if (next.cfg.ver > proposal.cfg.ver) proposal.cfg = next.cfg
  const outcome = next.attempt === job.attempt ? 'applied' : job.sent ? 'doubt' : 'unchanged'
  const done = finish(proposal, job, outcome, next)
  return [done, ...begin(state, env, proposal)]
}

function onRefuse(
  state: ProposerState,
  env: Env,
  proposal: Proposal,
  promised: Ballot,
  cfg: Config | undefined
): ProposerEffect[] {
  state.counter = Math.max(state.counter, promised.n)
  if (proposal.phase === 'pausing') return []
  if (cfg !== undefined && cfg.ver > proposal.cfg.ver) {
    proposal.cfg = cfg
    return begin(state, env, proposal)
  }
  proposal.phase = 'pausing'
  // Two that outbid each other must not do so for ever.
  const pauseMs = env.random.float() * Math.min(200, 10 << Math.min(proposal.tries, 5))
  return [timer(proposal, pauseMs)]
}

function finish(proposal: Proposal, job: Job, outcome: Outcome, value: Value | undefined): ProposerEffect {
  proposal.jobs.shift()
  proposal.tries = 0
  return { e: 'done', id: proposal.id, attempt: job.attempt, change: job.change, outcome, value }
}

const timer = (proposal: Proposal, inMs: number): ProposerEffect => ({ e: 'timer', tag: tryTag(proposal.id), inMs })
const send = (to: PeerId, msg: RegisterFrame): ProposerEffect => ({ e: 'send', to, plane: 'reg', msg })
