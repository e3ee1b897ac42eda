/**
 * What was asked of the registers of strict sessions and what came back, in true time and over all lives of all peers: the
 * history that must be linearizable, and the rare turns that a large set of seeds must come to.
 */
import type { PeerId, SessionId } from '../protocols/ports.ts'
import type { Config, Own, RegisterEffect, RegisterEvent, RegisterState, Value } from '../protocols/register/index.ts'

import { membersOf, REIGN_STEP } from '../protocols/register/index.ts'
import { violation } from './linearizable.ts'
import type { Operation } from './linearizable.ts'
import type { SimPc } from './pc.ts'

interface History {
  initial: Value | undefined
  readonly ops: Map<string, Operation>
  /** Who had the right after each attempt. */
  readonly holders: Map<string, Own['peer']>
  /** Who votes, as it was read last, and as acceptors took it since. */
  readonly configs: Map<number, Config>
  /** Who counts on the right, by its own clock. */
  readonly rights: Map<PeerId, Held>
}

/** How one PC's right to run stands: until when, in true time. */
interface Held {
  readonly epoch: number
  untilMs: number
}

/** `taken`: one has the right whose last holder was gone. `contended`: a proposer was refused for another's ballot. */
export type Turn = 'taken' | 'lapsed' | 'reshaped' | 'contended' | 'doubt'

export class RegisterLog {
  readonly turns = new Set<Turn>()
  /** Rights that two PCs had at one time, in words. */
  readonly twofold: { text: string; atMs: number }[] = []
  /** Its voters know now that this session has ended; `alone`: who told them is the only one. */
  over: ((id: SessionId, alone: boolean) => void) | undefined
  readonly #nowMs: () => number
  readonly #histories = new Map<SessionId, History>()

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  /** For one life of the peer program of that PC. */
  observer(
    pc: Pick<SimPc, 'id' | 'name' | 'mono' | 'clock'>
  ): (event: RegisterEvent, effects: readonly RegisterEffect[], state: RegisterState) => void {
    const peer = pc.id
    /** Sessions whose slots are being written, by the number of the write. */
    const writing = new Map<number, SessionId>()
    return (event, effects, state) => {
      const touched = new Set<SessionId>()
      const id = idOf(event, writing)
      if (id !== undefined) touched.add(id)
      // Also of an earlier life of the program: what ran under it has ended.
      if (event.k === 'give') this.#history(event.id).rights.delete(peer)
      if (event.k === 'wake') for (const session of state.proposer.proposals.keys()) touched.add(session)
      if (event.k === 'msg' && event.msg.t === 'refuse' && event.msg.p.peer !== peer) this.turns.add('contended')
      for (const effect of effects) if (effect.e === 'done') touched.add(effect.id)
      for (const session of touched) this.#asked(session, state)
      for (const effect of effects) this.#told(effect, pc, writing)
    }
  }

  /** The first thing wrong with each register, in words. */
  violations(): string[] {
    const found: string[] = []
    for (const [id, { initial, ops }] of this.#histories) {
      if (initial === undefined) continue
      const wrong = violation(initial, [...ops.values()])
      if (wrong !== undefined) found.push(`register of session ${id.slice(0, 6)}: ${wrong}`)
    }
    return found
  }

  /** Those that voted last decide nothing without these PCs: what these forgot, nobody may guess. */
  needs(id: SessionId, peers: ReadonlySet<PeerId>): boolean {
    const lack = (voters: readonly PeerId[]): boolean =>
      2 * voters.filter((peer) => !peers.has(peer)).length <= voters.length
    const configs = [...(this.#histories.get(id)?.configs.values() ?? [])]
    return configs.some(({ voters, joint }) => lack(voters) || (joint !== undefined && lack(joint)))
  }

  /** That PC counts on the right to run the session now. */
  holds(id: SessionId, peer: PeerId): boolean {
    return (this.#histories.get(id)?.rights.get(peer)?.untilMs ?? 0) > this.#nowMs()
  }

  get operations(): number {
    let count = 0
    for (const { ops } of this.#histories.values()) count += ops.size
    return count
  }

  #asked(id: SessionId, state: RegisterState): void {
    const { ops } = this.#history(id)
    for (const { attempt, change } of state.proposer.proposals.get(id)?.jobs ?? [])
      if (!ops.has(attempt)) ops.set(attempt, newOperation(attempt, change, this.#nowMs()))
  }

  #told(
    effect: RegisterEffect,
    pc: Pick<SimPc, 'id' | 'name' | 'mono' | 'clock'>,
    writing: Map<number, SessionId>
  ): void {
    const peer = pc.id
    switch (effect.e) {
      case 'held':
        return this.#holds(effect.id, pc, effect.epoch, this.#nowMs() + (effect.until - pc.mono) / pc.clock.rate)
      case 'write': {
        writing.set(effect.op, effect.id)
        const { value } = effect.slot
        if (value === null) return
        const history = this.#history(effect.id)
        if (value.ver === 1) history.initial = value
        history.configs.set(value.cfg.ver, value.cfg)
        return
      }
      case 'done':
        return this.#done(effect, peer)
      case 'lapsed':
        this.#history(effect.id).rights.delete(peer)
        return void this.turns.add('lapsed')
      case 'reshaped':
        if (effect.ok) this.turns.add('reshaped')
    }
  }

  #done(effect: Extract<RegisterEffect, { e: 'done' }>, peer: PeerId): void {
    const { id, attempt, change, outcome, value } = effect
    const { ops, holders, configs } = this.#history(id)
    const op = ops.get(attempt) ?? newOperation(attempt, change, this.#nowMs())
    ops.set(attempt, op)
    op.returnedAt = this.#nowMs()
    op.outcome = outcome
    op.value = value
    if (value !== undefined) {
      holders.set(value.own.attempt, value.own.peer)
      for (const ver of configs.keys()) if (ver < value.cfg.ver) configs.delete(ver)
    }
    if (outcome === 'applied' && change.k === 'own' && change.own.over && value !== undefined)
      this.over?.(
        id,
        membersOf(value.cfg).every((voter) => voter === peer)
      )
    if (outcome === 'doubt') this.turns.add('doubt')
    if (outcome !== 'applied' || change.k !== 'own' || change.own.peer !== peer) return
    const before = holders.get(change.after) ?? null
    if (before !== null && before !== peer) this.turns.add('taken')
  }

  /** Nobody counts on a right before all others have stopped counting on theirs, unless a person has said so. */
  #holds(id: SessionId, { id: peer, name }: Pick<SimPc, 'id' | 'name'>, epoch: number, untilMs: number): void {
    const { rights } = this.#history(id)
    const nowMs = this.#nowMs()
    for (const [other, held] of rights) {
      const leftMs = held.untilMs - nowMs
      if (other === peer || leftMs <= 0 || reignOf(held.epoch) !== reignOf(epoch)) continue
      const text = `${name} had the right to run session ${id.slice(0, 6)} in epoch ${epoch} while another had it for ${Math.ceil(leftMs)} ms more, in epoch ${held.epoch}`
      this.twofold.push({ text, atMs: nowMs })
    }
    rights.set(peer, { epoch, untilMs })
  }

  #history(id: SessionId): History {
    let history = this.#histories.get(id)
    if (history === undefined) {
      history = { initial: undefined, ops: new Map(), holders: new Map(), configs: new Map(), rights: new Map() }
      this.#histories.set(id, history)
    }
    return history
  }
}

/** How often a person had given it to others by then. */
const reignOf = (epoch: number): number => Math.floor(epoch / REIGN_STEP)

const newOperation = (attempt: string, change: Operation['change'], calledAt: number): Operation => ({
  attempt,
  change,
  calledAt,
  returnedAt: Infinity,
  outcome: undefined,
  value: undefined
})

function idOf(event: RegisterEvent, writing: Map<number, SessionId>): SessionId | undefined {
  switch (event.k) {
    case 'msg':
      return event.msg.id
    case 'timer':
      return event.tag.slice(event.tag.indexOf('/') + 1)
    case 'written': {
      const id = writing.get(event.op)
      writing.delete(event.op)
      return id
    }
    case 'wake':
      return undefined
    default:
      return event.id
  }
}
