/**
 * The registers of one peer: what it votes on, proposes, holds and challenges, as one reducer. What it says to itself goes
 * the same way as what it says to others, without a link.
 */
import type { Env, KernelEffect } from '../kernel.ts'
import type { PeerId, SessionId } from '../ports.ts'
import { createAcceptor, createSlot, forsake, onAcceptorFrame, onWritten, seizeSlot } from './acceptor.ts'
import type { AcceptorEffect, AcceptorState } from './acceptor.ts'
import {
  createLeases,
  disown,
  give,
  heldOf,
  leaseTag,
  mayRun as mayRunNow,
  onDone,
  onLeaseTimer,
  onWake,
  saw,
  seenOf,
  unwant,
  want
} from './lease.ts'
import type { LeaseEffect, LeaseState } from './lease.ts'
import { createProposer, know, onProposerFrame, onTryTimer, propose, restart, tryTag } from './proposer.ts'
import type { ProposerEffect, ProposerState } from './proposer.ts'
import { abandon, createReshapes, onJoined, onReshapeDone, onReshapeTimer, reshape, reshapeTag } from './reshape.ts'
import type { ReshapeEffect, ReshapeState } from './reshape.ts'
import { RULES } from './rules.ts'
import type { Rules } from './rules.ts'
import type { Slot } from './slot.ts'
import { REIGN_STEP } from './value.ts'
import type { Change, Config, Own } from './value.ts'
import type { RegisterFrame } from './wire.ts'

export interface RegisterState {
  readonly boot: string
  readonly acceptor: AcceptorState
  readonly proposer: ProposerState
  readonly leases: LeaseState
  readonly reshapes: ReshapeState
  /** Being made here, and not on disk yet: nobody may change who votes. */
  readonly creating: Set<SessionId>
  /** Attempts made in this life. */
  attempts: number
}

export type RegisterEvent =
  /** From disk, before anything else; without a slot when what is there cannot be read. */
  | { k: 'load'; id: SessionId; slot: Slot | undefined }
  | { k: 'msg'; from: PeerId; msg: RegisterFrame }
  | { k: 'timer'; tag: string }
  | { k: 'written'; op: number; ok: boolean }
  /** The PC slept. */
  | { k: 'wake' }
  /** A new register: this peer votes alone and has the right to run. Answered with `created`. */
  | { k: 'create'; id: SessionId }
  /**
   * A person has said that the voters that cannot be asked are off: this peer votes alone from now on and has the right to
   * run. `reign`: above all before. Answered with `created`.
   */
  | { k: 'seize'; id: SessionId; reign: number }
  /** A person has given it to these voters; what this peer promised under an earlier reign counts no more. */
  | { k: 'heed'; id: SessionId; reign: number; voters: readonly PeerId[] }
  /** Who is said to vote on it. */
  | { k: 'know'; id: SessionId; cfg: Config }
  /** Asks for the right to run, `rank` after other challengers. */
  | { k: 'want'; id: SessionId; rank: number }
  | { k: 'unwant'; id: SessionId }
  /** Hands the right to a peer, to whoever wants it (null), or ends the session. */
  | { k: 'give'; id: SessionId; to: Pick<Own, 'peer' | 'over'> }
  | { k: 'reshape'; id: SessionId; voters: readonly PeerId[]; withinMs: number }
  /** Any change; answered with `done` of that attempt. */
  | { k: 'change'; id: SessionId; change: Change; attempt: string; withinMs: number }
  /** The session is over and nobody asks for it any more. */
  | { k: 'forget'; id: SessionId }

export type RegisterEffect =
  | Exclude<KernelEffect, { e: 'dial' } | { e: 'close' }>
  | Extract<AcceptorEffect, { e: 'write' }>
  | { e: 'erase'; id: SessionId }
  | { e: 'created'; id: SessionId; ok: boolean }
  | Extract<ProposerEffect, { e: 'done' }>
  | Extract<LeaseEffect, { e: 'held' | 'lapsed' | 'owned' }>
  | Extract<ReshapeEffect, { e: 'reshaped' }>

/** `boot`: 16 hex digits drawn at this start. */
export function createRegisters(boot: string, rules: Rules = RULES): RegisterState {
  return {
    boot,
    acceptor: createAcceptor(rules, Number.parseInt(boot.slice(0, 8), 16)),
    proposer: createProposer(rules, boot),
    leases: createLeases(rules),
    reshapes: createReshapes(rules),
    creating: new Set(),
    attempts: 0
  }
}

/** Right before a child starts under that epoch. */
export function mayRun(state: RegisterState, now: number, id: SessionId, epoch: number): boolean {
  return mayRunNow(state.leases, { now }, id, epoch)
}

export function leaseOf(state: RegisterState, id: SessionId): { epoch: number; until: number } | undefined {
  return heldOf(state.leases, id)
}

/** Registers this peer has ever had to do with, but for those forgotten. */
export function known({ acceptor, proposer, leases }: RegisterState): Set<SessionId> {
  return new Set([
    ...acceptor.slots.keys(),
    ...acceptor.damaged,
    ...proposer.proposals.keys(),
    ...leases.watched.keys()
  ])
}

/** The latest that this peer knows of the right, and env.now when it first knew of it. */
export function rightOf(state: RegisterState, id: SessionId): { own: Own; since: number } | undefined {
  return seenOf(state.leases, id)
}

export function slotOf({ acceptor }: RegisterState, id: SessionId): Slot | undefined {
  return acceptor.slots.get(id)
}

export function step(state: RegisterState, event: RegisterEvent, env: Env): RegisterEffect[] {
  return settle(state, env, onEvent(state, event, env))
}

type Inner = AcceptorEffect | ProposerEffect | LeaseEffect | ReshapeEffect | RegisterEffect

function onEvent(state: RegisterState, event: RegisterEvent, env: Env): Inner[] {
  const name = (): string => nextName(state)
  switch (event.k) {
    case 'load':
      return load(state, event.id, event.slot)
    case 'msg':
      return onFrame(state, env, event.from, event.msg)
    case 'timer':
      return onTimer(state, env, event.tag)
    case 'written':
      return onWritten(state.acceptor, event.op, event.ok)
    case 'wake':
      return onWake(state.leases, env, name)
    case 'create':
      return create(state, env, event.id)
    case 'seize':
      return seize(state, env, event.id, event.reign)
    case 'heed':
      return heed(state, env, event.id, event.reign, event.voters)
    case 'know':
      know(state.proposer, event.id, event.cfg)
      return []
    case 'want':
      return want(state.leases, env, event.id, event.rank, name)
    case 'unwant':
      return unwant(state.leases, event.id)
    case 'give':
      return give(state.leases, env, event.id, event.to, name)
    case 'reshape':
      if (state.creating.has(event.id)) return [{ e: 'reshaped', id: event.id, ok: false, cfg: undefined }]
      return reshape(state.reshapes, env, event.id, event.voters, event.withinMs, name)
    case 'change':
      return propose(state.proposer, env, event.id, event.change, event.attempt, event.withinMs)
    case 'forget':
      return forget(state, event.id)
  }
}

/** Unique among all attempts of all peers: the boot is. */
export function nextName(state: RegisterState): string {
  return `${state.boot}.${++state.attempts}`
}

function load(state: RegisterState, id: SessionId, slot: Slot | undefined): Inner[] {
  if (slot === undefined) {
    state.acceptor.damaged.add(id)
    return [{ e: 'count', name: 'register.damaged' }]
  }
  state.acceptor.slots.set(id, slot)
  state.proposer.counter = Math.max(state.proposer.counter, slot.promised.n)
  if (slot.value !== null) know(state.proposer, id, slot.value.cfg)
  return []
}

function create(state: RegisterState, env: Env, id: SessionId): Inner[] {
  state.creating.add(id)
  const cfg = { ver: 1, voters: [env.self] }
  know(state.proposer, id, cfg)
  const attempt = nextName(state)
  const own = { peer: env.self, epoch: 0, seq: 0, attempt, over: false }
  // Below all that proposers use, above none.
  const ballot = { n: 0, peer: env.self, boot: state.boot }
  const written = createSlot(state.acceptor, env, id, ballot, { ver: 1, attempt, cfg, own })
  // A change of its voters that was asked for too early would take the answer for its own.
  return [...abandon(state.reshapes, id), ...written]
}

function seize(state: RegisterState, env: Env, id: SessionId, reign: number): Inner[] {
  state.creating.add(id)
  const ver = reign * REIGN_STEP
  const cfg = { ver, voters: [env.self] }
  const attempt = nextName(state)
  const own = { peer: env.self, epoch: ver, seq: 0, attempt, over: false }
  const ballot = { reign, n: 0, peer: env.self, boot: state.boot }
  const written = seizeSlot(state.acceptor, env, id, ballot, { ver, attempt, cfg, own })
  know(state.proposer, id, cfg)
  return [...abandon(state.reshapes, id), ...written, ...restart(state.proposer, env, id)]
}

function heed(state: RegisterState, env: Env, id: SessionId, reign: number, voters: readonly PeerId[]): Inner[] {
  know(state.proposer, id, { ver: reign * REIGN_STEP, voters })
  if (!forsake(state.acceptor, id, reign)) return []
  const gone: Inner[] = [{ e: 'erase', id }, ...abandon(state.reshapes, id), ...disown(state.leases, id)]
  return [...gone, ...restart(state.proposer, env, id)]
}

function forget(state: RegisterState, id: SessionId): Inner[] {
  state.acceptor.slots.delete(id)
  state.acceptor.damaged.delete(id)
  state.proposer.proposals.delete(id)
  state.leases.watched.delete(id)
  state.reshapes.running.delete(id)
  state.creating.delete(id)
  const tags = [tryTag(id), leaseTag(id), reshapeTag(id)]
  return [...tags.map((tag): Inner => ({ e: 'clear', tag })), { e: 'erase', id }]
}

function onFrame(state: RegisterState, env: Env, from: PeerId, msg: RegisterFrame): Inner[] {
  switch (msg.t) {
    case 'prepare':
    case 'accept':
    case 'join':
      return onAcceptorFrame(state.acceptor, from, msg)
    case 'promise':
    case 'accepted':
    case 'refuse':
    case 'unknown':
      return onProposerFrame(state.proposer, env, from, msg)
    case 'joined':
      if (from === env.self && state.creating.delete(msg.id)) return [{ e: 'created', id: msg.id, ok: msg.ok }]
      return onJoined(state.reshapes, env, from, msg.id, msg.ok, () => nextName(state))
  }
}

function onTimer(state: RegisterState, env: Env, tag: string): Inner[] {
  const id = tag.slice(tag.indexOf('/') + 1)
  if (tag === tryTag(id)) return onTryTimer(state.proposer, env, id)
  if (tag === leaseTag(id)) return onLeaseTimer(state.leases, env, id, () => nextName(state))
  return onReshapeTimer(state.reshapes, env, id, () => nextName(state))
}

/** Carries out what the parts ask of each other; what is left is for the shell. */
function settle(state: RegisterState, env: Env, effects: readonly Inner[]): RegisterEffect[] {
  const out: RegisterEffect[] = []
  const todo = [...effects]
  for (let i = 0; i < todo.length; i++) {
    const effect = todo[i]!
    switch (effect.e) {
      case 'send':
        if (effect.to === env.self) todo.push(...onFrame(state, env, env.self, effect.msg as unknown as RegisterFrame))
        else out.push(effect)
        break
      case 'change':
        todo.push(...propose(state.proposer, env, effect.id, effect.change, effect.attempt, effect.withinMs))
        break
      case 'saw':
        know(state.proposer, effect.id, effect.value.cfg)
        todo.push(...saw(state.leases, env, effect.id, effect.value, () => nextName(state)))
        break
      case 'done':
        todo.push(
          ...onDone(state.leases, env, effect, () => nextName(state)),
          ...onReshapeDone(state.reshapes, env, effect, () => nextName(state))
        )
        out.push(effect)
        break
      case 'dial':
      case 'close':
        break
      default:
        out.push(effect)
    }
  }
  return out
}
