/**
 * Changing who votes (PROTOCOLS.md 2.4.5): room at the new voters, old and new together, the state copied to both, then the
 * new alone. Each step is a change of the register under the version of the keepers it saw, so that any peer may go on
 * where another one died.
 */
import type { Env, KernelEffect } from '../kernel.ts'
import type { PeerId, SessionId } from '../ports.ts'
import type { Outcome } from './proposer.ts'
import { READ, reignOfConfig } from './value.ts'
import type { Rules } from './rules.ts'
import type { Change, Config, Value } from './value.ts'
import { REGISTER_LIMITS } from './wire.ts'

interface Reshape {
  readonly id: SessionId
  readonly target: readonly PeerId[]
  step: 'reading' | 'joining' | 'entering' | 'copying' | 'leaving'
  cfg: Config | undefined
  readonly joined: Set<PeerId>
  open: string | undefined
  readonly until: number
}

export interface ReshapeState {
  readonly rules: Rules
  readonly running: Map<SessionId, Reshape>
}

export type ReshapeEffect =
  | KernelEffect
  | { e: 'change'; id: SessionId; change: Change; attempt: string; withinMs: number }
  /** `cfg`: the keepers as they were read last. Not ok: nothing or half of it is done, and it may be asked for again. */
  | { e: 'reshaped'; id: SessionId; ok: boolean; cfg: Config | undefined }

type Name = () => string

const WITHIN_MS = 2_000
const AGAIN_MS = 400

export function createReshapes(rules: Rules): ReshapeState {
  return { rules, running: new Map() }
}

export const reshapeTag = (id: SessionId): string => `reshape/${id}`

export function reshape(
  state: ReshapeState,
  env: Env,
  id: SessionId,
  target: readonly PeerId[],
  withinMs: number,
  name: Name
): ReshapeEffect[] {
  if (state.running.has(id) || target.length > REGISTER_LIMITS.votersMax)
    return [{ e: 'reshaped', id, ok: false, cfg: undefined }]
  const until = env.now + withinMs
  const run: Reshape = { id, target, step: 'reading', cfg: undefined, joined: new Set(), open: undefined, until }
  state.running.set(id, run)
  return change(run, READ, name)
}

export function onReshapeDone(
  state: ReshapeState,
  env: Env,
  done: { id: SessionId; attempt: string; outcome: Outcome; value: Value | undefined },
  name: Name
): ReshapeEffect[] {
  const run = state.running.get(done.id)
  if (run === undefined || run.open !== done.attempt) return []
  run.open = undefined
  if (done.value === undefined)
    return env.now >= run.until ? end(state, run, false) : [{ e: 'timer', tag: reshapeTag(run.id), inMs: AGAIN_MS }]
  return advance(state, run, done.value.cfg, name)
}

export function onJoined(
  state: ReshapeState,
  env: Env,
  from: PeerId,
  id: SessionId,
  ok: boolean,
  name: Name
): ReshapeEffect[] {
  const run = state.running.get(id)
  if (run?.step !== 'joining' || !run.target.includes(from)) return []
  if (!ok) return end(state, run, false)
  run.joined.add(from)
  return join(state, env, run, name)
}

export function onReshapeTimer(state: ReshapeState, env: Env, id: SessionId, name: Name): ReshapeEffect[] {
  const run = state.running.get(id)
  if (run === undefined || run.open !== undefined) return []
  if (env.now >= run.until) return end(state, run, false)
  if (run.step === 'joining') return join(state, env, run, name)
  run.step = 'reading'
  return change(run, READ, name)
}

/** The keepers it was about count no more. */
export function abandon(state: ReshapeState, id: SessionId): ReshapeEffect[] {
  const run = state.running.get(id)
  return run === undefined ? [] : end(state, run, false)
}

/** What the register says of its keepers, whoever wrote it. */
function advance(state: ReshapeState, run: Reshape, cfg: Config, name: Name): ReshapeEffect[] {
  const before = run.cfg
  run.cfg = cfg
  if (cfg.joint === undefined) {
    if (sameSet(cfg.voters, run.target)) return end(state, run, true)
    run.step = 'joining'
    return [{ e: 'timer', tag: reshapeTag(run.id), inMs: 0 }]
  }
  // This read went through under old and new alike: both have the state.
  const copied = run.step === 'copying' && before?.ver === cfg.ver
  if (copied || !state.rules.copiedBeforeLeft) {
    run.step = 'leaving'
    return change(run, { k: 'cfg', ver: cfg.ver, cfg: { ver: cfg.ver + 1, voters: cfg.joint } }, name)
  }
  run.step = 'copying'
  return change(run, READ, name)
}

/** All who are to vote make room first, or say that they cannot; also those who vote already. */
function join(state: ReshapeState, env: Env, run: Reshape, name: Name): ReshapeEffect[] {
  const { cfg } = run
  if (cfg === undefined) return []
  const missing = run.target.filter((peer) => !run.joined.has(peer))
  if (missing.length === 0) {
    run.step = 'entering'
    return change(
      run,
      { k: 'cfg', ver: cfg.ver, cfg: { ver: cfg.ver + 1, voters: cfg.voters, joint: run.target } },
      name
    )
  }
  if (env.now >= run.until) return end(state, run, false)
  const cv = reignOfConfig(cfg) === 0 ? {} : { cv: cfg.ver }
  const msg = { t: 'join', id: run.id, ...cv } as const
  const asks = missing.map((to): ReshapeEffect => ({ e: 'send', to, plane: 'reg', msg }))
  return [...asks, { e: 'timer', tag: reshapeTag(run.id), inMs: Math.min(AGAIN_MS, REGISTER_LIMITS.joinMs) }]
}

function change(run: Reshape, what: Change, name: Name): ReshapeEffect[] {
  run.open = name()
  return [{ e: 'change', id: run.id, change: what, attempt: run.open, withinMs: WITHIN_MS }]
}

function end(state: ReshapeState, run: Reshape, ok: boolean): ReshapeEffect[] {
  state.running.delete(run.id)
  return [
    { e: 'clear', tag: reshapeTag(run.id) },
    { e: 'reshaped', id: run.id, ok, cfg: run.cfg }
  ]
}

const sameSet = (a: readonly PeerId[], b: readonly PeerId[]): boolean =>
  a.length === b.length && a.every((peer) => b.includes(peer))
