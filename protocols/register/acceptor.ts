/**
 * The acceptor of CASPaxos (arXiv 1802.07000), one slot a register: promises, accepts, and answers once its word is on
 * disk. The shell writes in the order of the effects and may share a flush among many; what was not written is not said.
 */
import type { Env, KernelEffect } from '../kernel.ts'
import type { PeerId, SessionId } from '../ports.ts'
import { compareBallots, reignOf } from './ballot.ts'
import type { Ballot } from './ballot.ts'
import type { Rules } from './rules.ts'
import { EMPTY_SLOT } from './slot.ts'
import type { Slot } from './slot.ts'
import { reignOfConfig } from './value.ts'
import type { Value } from './value.ts'
import { REGISTER_LIMITS } from './wire.ts'
import type { RegisterFrame } from './wire.ts'

export interface AcceptorState {
  readonly rules: Rules
  readonly slots: Map<SessionId, Slot>
  /** Unreadable on disk. What they promised is forgotten, so they have no vote; another peer takes their place. */
  readonly damaged: Set<SessionId>
  /** Answers that wait for the disk, by the number of the write. */
  readonly waiting: Map<number, { to: PeerId; msg: RegisterFrame }>
  /** Drawn at start: a report that a write of an earlier life is done means nothing now. */
  op: number
}

export type AcceptorEffect =
  | KernelEffect
  /** To be written with a flush, in order; answered with `written`. */
  | { e: 'write'; op: number; id: SessionId; slot: Slot }
  /** Somebody's attempt reached this acceptor: proof that it had begun before now. */
  | { e: 'saw'; id: SessionId; value: Value }

export function createAcceptor(rules: Rules, firstOp: number): AcceptorState {
  return { rules, slots: new Map(), damaged: new Set(), waiting: new Map(), op: firstOp }
}

export type AcceptorFrame = Extract<RegisterFrame, { t: 'prepare' | 'accept' | 'join' }>

export function onAcceptorFrame(state: AcceptorState, from: PeerId, msg: AcceptorFrame): AcceptorEffect[] {
  if (msg.t === 'join') return onJoin(state, from, msg.id, msg.cv)
  const slot = state.slots.get(msg.id)
  if (slot !== undefined) return vote(state, slot, from, msg)
  if (state.rules.unknownHasNoVote) return [reply(from, { t: 'unknown', id: msg.id, b: msg.b })]
  return vote(state, EMPTY_SLOT, from, msg)
}

/**
 * The write is on disk, or failed: then what waited for it is not said, but who asked for room hears that there is none.
 * What comes later holds it all the same.
 */
export function onWritten(state: AcceptorState, op: number, ok: boolean): AcceptorEffect[] {
  const answer = state.waiting.get(op)
  state.waiting.delete(op)
  if (answer === undefined) return []
  if (ok) return [reply(answer.to, answer.msg)]
  return answer.msg.t === 'joined' ? [reply(answer.to, { ...answer.msg, ok: false })] : []
}

/** The first value of a register, at the one peer that has just made it up: nobody else knows its id. */
export function createSlot(
  state: AcceptorState,
  env: Env,
  id: SessionId,
  ballot: Ballot,
  value: Value
): AcceptorEffect[] {
  if (state.damaged.has(id) || isFull(state, id)) return [reply(env.self, { t: 'joined', id, ok: false })]
  const slot = state.slots.get(id) ?? { promised: ballot, accepted: ballot, value }
  return write(state, id, slot, env.self, { t: 'joined', id, ok: true })
}

/**
 * A person says that the other voters are off: this peer votes alone from now on, under a reign above all before. Also
 * where the slot was damaged: what this peer forgot was promised under an earlier reign.
 */
export function seizeSlot(
  state: AcceptorState,
  env: Env,
  id: SessionId,
  ballot: Ballot,
  value: Value
): AcceptorEffect[] {
  if (isFull(state, id)) return [reply(env.self, { t: 'joined', id, ok: false })]
  state.damaged.delete(id)
  const slot = { promised: ballot, accepted: ballot, value }
  return [...write(state, id, slot, env.self, { t: 'joined', id, ok: true }), { e: 'saw', id, value }]
}

/** Others vote under a later reign: this vote of before counts for nothing, and what waits for the disk is not said. */
export function forsake(state: AcceptorState, id: SessionId, reign: number): boolean {
  const slot = state.slots.get(id)
  if (slot !== undefined && reignOf(slot.promised) >= reign) return false
  state.damaged.delete(id)
  for (const [op, { msg }] of state.waiting) if (msg.id === id) state.waiting.delete(op)
  return state.slots.delete(id)
}

/** `cv`: the version of the voters that take this peer in; none of before the first word of a person. */
function onJoin(state: AcceptorState, from: PeerId, id: SessionId, cv = 0): AcceptorEffect[] {
  const known = state.slots.get(id)
  const why = state.damaged.has(id) ? 'damaged' : known === undefined ? noRoomFor(state, from) : undefined
  if (why !== undefined)
    return [{ e: 'count', name: `register.refused.${why}` }, reply(from, { t: 'joined', id, ok: false })]
  const reign = reignOfConfig({ ver: cv })
  // Also one that was a voter before: what it promised then holds, but for that of an earlier reign.
  const isOld = known !== undefined && reignOf(known.promised) < reign
  const promised = reign === 0 ? EMPTY_SLOT.promised : { ...EMPTY_SLOT.promised, reign }
  const fresh: Slot = { ...EMPTY_SLOT, promised, by: from }
  return write(state, id, known === undefined || isOld ? fresh : known, from, { t: 'joined', id, ok: true })
}

function vote(
  state: AcceptorState,
  slot: Slot,
  from: PeerId,
  msg: Exclude<AcceptorFrame, { t: 'join' }>
): AcceptorEffect[] {
  const { id, b } = msg
  const cfg = slot.value?.cfg
  if (state.rules.promiseHolds ? compareBallots(b, slot.promised) < 0 : compareBallots(b, slot.accepted) < 0) {
    const isNews = cfg !== undefined && reignOfConfig(cfg) > reignOf(b)
    return [reply(from, { t: 'refuse', id, b, p: slot.promised, ...(isNews ? { cfg } : {}) })]
  }
  if (msg.t === 'accept') {
    const effects = write(state, id, { ...slot, promised: b, accepted: b, value: msg.v }, from, {
      t: 'accepted',
      id,
      b
    })
    return [...effects, { e: 'saw', id, value: msg.v }]
  }
  if (cfg !== undefined && msg.cv < cfg.ver && state.rules.configOfValue)
    return [reply(from, { t: 'refuse', id, b, p: slot.promised, cfg })]
  return write(state, id, { ...slot, promised: b }, from, { t: 'promise', id, b, a: slot.accepted, v: slot.value })
}

function write(state: AcceptorState, id: SessionId, slot: Slot, to: PeerId, msg: RegisterFrame): AcceptorEffect[] {
  state.slots.set(id, slot)
  const op = state.op++
  const effects: AcceptorEffect[] = [{ e: 'write', op, id, slot }]
  if (state.rules.replyAfterSync) state.waiting.set(op, { to, msg })
  else effects.push(reply(to, msg))
  return effects
}

const isFull = (state: AcceptorState, id: SessionId): boolean =>
  state.slots.size >= REGISTER_LIMITS.slotsMax && !state.slots.has(id)

/** A member that invents registers fills neither this disk nor the room of the others. */
function noRoomFor(state: AcceptorState, from: PeerId): 'full' | 'askedTooOften' | undefined {
  const { slotsMax, slotsOwn, slotsOfOne } = REGISTER_LIMITS
  if (state.slots.size >= slotsMax - slotsOwn) return 'full'
  let asked = 0
  for (const { by } of state.slots.values()) if (by === from) asked++
  return asked >= slotsOfOne ? 'askedTooOften' : undefined
}

const reply = (to: PeerId, msg: RegisterFrame): KernelEffect => ({ e: 'send', to, plane: 'reg', msg })
